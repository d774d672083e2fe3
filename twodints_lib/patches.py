"""Training patches: random, augmented crops that depend on nothing but (seed, epoch, index)."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from monai import transforms as mt
from torch.utils.data import Dataset

from twodints_lib.errors import InputError
from twodints_lib.images import normalise, read_pair, three_class

# An empty patch is nothing to warn about, hundreds of times a training.
warnings.filterwarnings("ignore", message="The image's intensity is a single value")


@dataclass(frozen=True)
class Sample:
    """One labelled image, ready for a network."""

    name: str
    modality: str
    image: torch.Tensor  # (3, H, W) float32 in 0..1
    target: torch.Tensor  # (1, H, W) uint8: 0 background, 1 interior, 2 boundary
    labels: np.ndarray  # (H, W) int32 instance ids
    maps: torch.Tensor | None = None  # (C, H, W) float32, what another head than 3-class draws


def load_samples(items, encode=None) -> list[Sample]:
    """Read, normalise and encode manifest items; everything stays in memory.

    `encode(labels)` draws the maps of another head than 3-class (representations.py), once.
    """
    samples = []
    for item in items:
        if item.label is None:
            raise InputError(f"{item.image}: has no label file, and training needs one.")
        image, labels = read_pair(item)
        target = torch.from_numpy(three_class(labels))[None]
        image = torch.from_numpy(normalise(image))
        maps = None if encode is None else torch.from_numpy(encode(labels))
        samples.append(Sample(item.name, item.modality, image, target, labels, maps))
    return samples


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
            mt.RandAxisFlipd(both, prob=0.5),
            mt.RandRotate90d(both, prob=0.5),
            mt.RandGaussianNoised("image", prob=0.25, mean=0.0, std=0.1),
            mt.RandAdjustContrastd("image", prob=0.25, gamma=(1.0, 2.0)),
            mt.RandGaussianSmoothd("image", prob=0.25, sigma_x=(1.0, 2.0), sigma_y=(1.0, 2.0)),
            mt.RandHistogramShiftd("image", prob=0.25, num_control_points=3),
            mt.RandZoomd(both, prob=0.15, min_zoom=0.8, max_zoom=1.5, mode=["area", "nearest"]),
        ]
    )


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
        self.transform = steps if augment else mt.Compose(steps.transforms[:2])

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        draw = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)[0]
        self.transform.set_random_state(seed=int(draw) % 2**31)
        sample = self.samples[index]
        if sample.maps is not None:
            return self._maps(sample)
        out = self.transform({"image": sample.image, "target": sample.target})
        # Plain tensors: MONAI's metadata is of no use past this point.
        return torch.as_tensor(out["image"]).float(), torch.as_tensor(out["target"]).long()

    def _maps(self, sample):
        drawn = sample.maps
        if self.vectors:  # each pixel's coordinates go along and tell how it was turned
            ramps = torch.meshgrid(*(torch.arange(n) for n in drawn.shape[1:]), indexing="ij")
            drawn = torch.cat([drawn, torch.stack(ramps).float()])
        out = self.transform({"image": sample.image, "target": drawn})
        image, maps = (torch.as_tensor(out[k]).float() for k in ("image", "target"))
        return image, turned(maps[:-2], maps[-2:]) if self.vectors else maps


def turned(maps, coordinates):
    """Maps whose last two are vectors of the untouched image, in the axes of the patch.

    `coordinates` (2, P, P): where each pixel of the patch came from, y and x. Flips and quarter
    turns keep axes parallel, so the middle of the patch tells for all of it.
    """
    down, right = coordinates.diff(dim=1)[:, :, :-1], coordinates.diff(dim=2)[:, :-1]
    axes = torch.stack([step.flatten(1).median(1).values for step in (down, right)])  # (2, 2)
    axes = axes / axes.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return torch.cat([maps[:-2], torch.einsum("ij,jhw->ihw", axes, maps[-2:])])
