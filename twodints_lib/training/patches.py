"""Training patches: random, augmented crops that depend on nothing but (seed, epoch, index)."""

import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from monai import transforms as mt
from monai.data import get_track_meta, set_track_meta
from torch.utils.data import DataLoader, Dataset

from twodints_lib import fingerprint
from twodints_lib.data.dataset import Item
from twodints_lib.data.images import read_pair, scaled, to_8_bit
from twodints_lib.errors import InputError
from twodints_lib.files import cache_dir, whole_file
from twodints_lib.runs.setup import Setup
from twodints_lib.targets.classes import three_class
from twodints_lib.targets.heads import HEADS

# An empty patch is nothing to warn about, hundreds of times a training.
warnings.filterwarnings("ignore", message="The image's intensity is a single value")


@dataclass(frozen=True)
class Sample:
    """One labelled image, ready for a network. Its arrays may lie in files, mapped to memory."""

    name: str
    modality: str
    stack: torch.Tensor  # (3, H, W) uint8, each channel stretched by percentiles
    span: tuple[int, int]  # its lowest and highest value
    target: torch.Tensor  # (1, H, W) uint8: 0 background, 1 interior, 2 boundary
    labels: np.ndarray  # (H, W) int32 instance ids
    maps: torch.Tensor | None = None  # (C, H, W) float32, what another head than 3-class draws

    @property
    def image(self) -> torch.Tensor:
        """(3, H, W) float32 in 0..1, as images.normalise gives it."""
        return torch.from_numpy(scaled(self.stack.numpy(), *self.span))


def load_samples(
    items: list[Item], head: str = "3-class", folder: Path | None = None
) -> list[Sample]:
    """Read, normalise and encode manifest items; in memory, or prepared once in a folder's files.

    For another head than 3-class its maps are drawn, once.
    """
    return [_sample(item, head, folder) for item in items]


def _sample(item, head, folder) -> Sample:
    if item.label is None:
        raise InputError(f"{item.image}: has no label file, and training needs one.")
    pair = cache(lambda: read_pair(item))  # only where something is not prepared yet

    def kept(kind, make):
        """make(image, labels), or where there is a folder, its file mapped to memory."""
        if folder is None:
            return make(*pair())
        path = Path(folder) / f"{quote(item.name, safe='')}-{kind}.npy"  # a name may hold a /
        if not path.is_file():
            with whole_file(path) as made:
                np.save(made, make(*pair()))
        return np.load(path, mmap_mode="c")

    stack = kept("image", lambda image, _: to_8_bit(image))
    target = kept("target", lambda _, labels: three_class(labels)[None])
    labels = kept("labels", lambda _, labels: labels)
    span = kept("span", lambda *_: np.array([stack.min(), stack.max()]))
    maps = None
    if head != "3-class":
        maps = torch.from_numpy(kept(head, lambda _, labels: HEADS[head].encode(labels)))
    span = (int(span[0]), int(span[1]))
    stack, target = torch.from_numpy(stack), torch.from_numpy(target)
    return Sample(item.name, item.modality, stack, span, target, labels, maps)


def cache_of(setup: Setup) -> Path | None:
    """The folder of a `paper` run's prepared images, made if absent; None: all stays in memory.

    A thousand images of the challenge take longer to decode than to train on. The folder's name
    changes with the data and with the code that prepares them.
    """
    if setup.preset.name != "paper":
        return None
    code = fingerprint.of_modules("training.patches")
    folder = cache_dir() / "prepared" / f"{setup.dataset.hash}-{code}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def augmentation(patch: int) -> mt.Compose:
    """The challenge's augmentation of a {"image": (3, H, W), "target": (1, H, W)} dictionary.

    Pad, random crop, axis flip, rot90, then noise, gamma, blur and histogram shift on the image
    at 0.25 each, and zoom 0.8..1.5 at 0.15. Every step is MONAI's.
    """
    both = ["image", "target"]
    return mt.Compose(
        [
            mt.SpatialPadd(both, spatial_size=(patch, patch)),
            mt.RandSpatialCropd(both, roi_size=(patch, patch), random_size=False),
            _to_unit,
            mt.RandAxisFlipd(both, prob=0.5),
            mt.RandRotate90d(both, prob=0.5),
            mt.RandGaussianNoised("image", prob=0.25, mean=0.0, std=0.1),
            mt.RandAdjustContrastd("image", prob=0.25, gamma=(1.0, 2.0)),
            mt.RandGaussianSmoothd("image", prob=0.25, sigma_x=(1.0, 2.0), sigma_y=(1.0, 2.0)),
            mt.RandHistogramShiftd("image", prob=0.25, num_control_points=3),
            mt.RandZoomd(both, prob=0.15, min_zoom=0.8, max_zoom=1.5, mode=["area", "nearest"]),
        ]
    )


def _to_unit(data):
    """The image of a patch from 8 bit to 0..1: only what is cropped is ever held in float."""
    low, high = data["span"]
    image = torch.from_numpy(scaled(np.asarray(data["image"]), low, high))
    return data | {"image": image.clamp_(0)}  # what was padded with zeros is 0, not below


class Patches(Dataset):
    """One random patch an image and epoch: (image (3, P, P) float32, target (1, P, P) int64).

    With samples that have maps: (image, maps (C, P, P) float32). With `vectors` the last two maps
    are turned with the patch: a vector that pointed up points left after a quarter turn.

    The draw of patch i in epoch e is seeded by (seed, e, i) alone. A resumed training therefore
    sees the same patches as one that was never interrupted, with any number of loader workers.
    """

    def __init__(self, samples, patch: int, seed: int, augment: bool = True, vectors=False):
        self.samples, self.seed, self.epoch, self.vectors = samples, seed, 0, vectors
        steps = augmentation(patch)
        self.transform = steps if augment else mt.Compose(steps.transforms[:3])

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        draw = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)[0]
        self.transform.set_random_state(seed=int(draw) % 2**31)
        sample = self.samples[index]
        if sample.maps is not None:
            return self._maps(sample)
        image, target = self._drawn(sample, sample.target)
        return image.float(), target.long()

    def _drawn(self, sample, target):
        """Image and target of a patch; MONAI's metadata, a third of the time, is left out."""
        tracked = get_track_meta()
        set_track_meta(False)
        try:
            data = {"image": sample.stack, "target": target, "span": sample.span}
            out = self.transform(data)
        finally:
            set_track_meta(tracked)
        return torch.as_tensor(out["image"]), torch.as_tensor(out["target"])

    def _maps(self, sample):
        drawn = sample.maps
        if self.vectors:  # each pixel's coordinates go along and tell how it was turned
            ramps = torch.meshgrid(*(torch.arange(n) for n in drawn.shape[1:]), indexing="ij")
            within = torch.ones_like(ramps[0])  # and where the patch is padded, by a 0
            drawn = torch.cat([drawn, torch.stack([*ramps, within]).float()])
        image, maps = (x.float() for x in self._drawn(sample, drawn))
        return image, turned(maps[:-3], maps[-3:]) if self.vectors else maps


def turned(maps: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Maps whose last two are vectors of the untouched image, in the axes of the patch.

    `origin` (3, P, P): where each pixel of the patch came from, y and x, and 1, or 0 where it is
    padding. Flips and quarter turns keep axes parallel, so the middle of the patch tells for all.
    """
    axes = []
    for axis in (1, 2):
        steps = origin[:2].diff(dim=axis).flatten(1)
        padded = origin[2].unfold(axis - 1, 2, 1).amin(-1).flatten() == 0  # one of both pixels
        axes.append(steps.masked_fill(padded, torch.nan).nanmedian(1).values)
    axes = torch.stack(axes).nan_to_num()  # (2, 2)
    axes = axes / axes.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return torch.cat([maps[:-2], torch.einsum("ij,jhw->ihw", axes, maps[-2:])])


def loader(patches: Patches, batches: list[list[int]], workers: int, device="cpu") -> DataLoader:
    """One pass over batches, each a list of indices; its worker processes end with the pass."""
    pinned = device == "cuda"  # copied while the device computes
    return _Loader(patches, batch_sampler=batches, num_workers=workers, pin_memory=pinned)


class _Loader(DataLoader):
    """Says in a sentence that the memory which its processes share is full."""

    def __iter__(self):
        try:
            yield from super().__iter__()
        except (RuntimeError, OSError) as error:
            if not re.search("shared memory|shm|No space left|/torch_", str(error)):
                raise
            raise InputError(
                f"workers={self.num_workers}: this machine has too little shared memory for them; "
                "take -p workers 0, or enlarge /dev/shm."
            ) from error
