"""Apply a network: probability maps, instance labels, and the scores of a set of images."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
import torch
from monai.inferers import sliding_window_inference
from monai.metrics import compute_dice
from torch.nn.functional import one_hot

from twodints_lib import files
from twodints_lib.data.images import IMAGE_SUFFIXES, read_pages, scaled, to_8_bit
from twodints_lib.errors import InputError
from twodints_lib.inference import tiles
from twodints_lib.messages import log
from twodints_lib.runs import pretrained, store
from twodints_lib.scoring.scores import CHALLENGE, score, summarise
from twodints_lib.space import networks
from twodints_lib.space.specs import spec_of
from twodints_lib.targets.classes import decode_grown
from twodints_lib.targets.heads import HEADS


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


OVERLAP = 0.25  # of neighbouring windows


@torch.no_grad()
def probabilities(net, image, patch: int, head: str = "3-class", flips: bool = False):
    """Class probabilities (3, H, W) float32 of a normalised image (3, H, W); or a head's maps.

    Sliding window of the training patch's size (paper, 3.2), a quarter overlapping, by MONAI.
    `flips`: the mean over the image and its mirror images, at four times the cost.
    """
    net.eval()
    where = next(net.parameters()).device
    batch = torch.as_tensor(image)[None].float().to(where)
    predictor = (lambda x: mean_of_flips(net, x, HEADS[head].vectors)) if flips else net
    logits = sliding_window_inference(batch, (patch, patch), 4, predictor, overlap=OVERLAP)
    return HEADS[head].activate(logits)[0].float().cpu().numpy()


def mean_of_flips(net, batch, vectors: bool = False):
    """Mean logits of (B, 3, H, W) over its four mirror images, each turned back.

    `vectors`: the last two maps are (y, x) directions and change their sign with the image.
    """
    total = 0
    for axes in ((), (2,), (3,), (2, 3)):
        logits = net(batch.flip(axes)).flip(axes)
        if vectors:
            sign = [-1.0 if axis in axes else 1.0 for axis in (2, 3)]
            turned = logits[:, -2:] * logits.new_tensor(sign)[:, None, None]
            logits = torch.cat([logits[:, :-2], turned], 1)
        total = total + logits
    return total / 4


def segment(net, image, patch: int, head: str = "3-class", decode=None, flips=False):
    """Instance labels (H, W) int32 of an image as read, of any size.

    `decode(maps)` replaces the head's own. Up to tiles.WHOLE pixels in one piece; a larger image
    in bands and tiles, with the same cells and with memory for a tile.
    """
    decode = decode or HEADS[head].decode
    stack = to_8_bit(image)  # (3, H, W)
    low, high = stack.min(), stack.max()
    height, width = stack.shape[1:]
    if height * width <= tiles.WHOLE:
        return decode(probabilities(net, scaled(stack, low, high), patch, head, flips))

    def read(first, last):
        return scaled(stack[:, first:last], low, high)

    maps = tiles.maps_on_disk(
        lambda rows: probabilities(net, rows, patch, head, flips),
        read, (height, width), patch, OVERLAP, HEADS[head].channels,
    )  # fmt: skip
    return tiles.decode(maps, decode)


def class_dice(probability, target) -> list[float]:
    """Dice of interior and of boundary as the challenge validates: softmax thresholded at 0.5.

    `probability` (3, H, W), `target` (1, H, W). A class absent from the target gives nan.
    """
    truth = one_hot(torch.as_tensor(target).long()[0], 3).permute(2, 0, 1)[None]
    predicted = (torch.as_tensor(probability) > 0.5).float()[None]
    return compute_dice(predicted, truth, include_background=False)[0].tolist()


def score_samples(
    net, samples, patch: int, head: str = "3-class", keep=None, decode=None
) -> list[dict]:
    """One row an image: class Dice, and the challenge's instance scores of the decoded labels.

    `decode(maps)` replaces the head's own. A head that draws no classes has no class Dice: None.
    The maps are added to the list `keep`.
    """
    rows = []
    for s in samples:
        maps = probabilities(net, s.image, patch, head)
        dice = _dice_row(maps, s) if HEADS[head].draws_classes else {"dice": None}
        row = {"name": s.name, "modality": s.modality} | dice
        rows.append(row | score(s.labels, (decode or HEADS[head].decode)(maps), CHALLENGE))
        if keep is not None:
            keep.append(maps)
    return rows


def _dice_row(maps, sample) -> dict:
    interior, boundary = (d if d == d else None for d in class_dice(maps[:3], sample.target))
    both = [d for d in (interior, boundary) if d is not None]
    mean = float(np.mean(both)) if both else None
    return {"dice_interior": interior, "dice_boundary": boundary, "dice": mean}


def mean_dice(net, samples, patch: int) -> float | None:
    """The mean class Dice alone, without the time that decoding cells takes."""
    rows = [_dice_row(probabilities(net, s.image, patch), s) for s in samples]
    found = [r["dice"] for r in rows if r["dice"] is not None]
    return float(np.mean(found)) if found else None


def summary(rows) -> dict:
    """Scores over images: the instance metrics' summary, the mean class Dice, and the rows."""
    dice = [r["dice"] for r in rows if r["dice"] is not None]
    mean = float(np.mean(dice)) if dice else None
    return summarise(rows) | {"mean_dice": mean, "per_image": rows}


def load_network(folder) -> tuple[torch.nn.Module, dict]:
    """The trained network of a run's folder or a pretrained one, on the device; its record."""
    folder = pretrained.folder(folder)
    record = files.read_json(Path(folder) / "record.json")
    if "spec" not in record["parameters"]:
        raise InputError(f"{folder}: holds no network; give the folder of a training run.")
    if not (Path(folder) / "best.pt").is_file():
        raise InputError(f"{folder}: its best.pt is missing; delete the folder and train again.")
    pretrained.check(folder / "best.pt", record)
    net = networks.build(spec_of(record["parameters"]["spec"]))
    weights = torch.load(folder / "best.pt", map_location="cpu", weights_only=True)
    net.load_state_dict(weights)
    return net.to(device()), record


def best_run() -> Path:
    """The folder of the trained network with the highest mean F1; real runs before smoke runs."""
    found = []
    for path in sorted((runs_dir := store.runs_dir() / "store").glob("*/record.json")):
        record = files.read_json(path)
        if "mean_f1" in record["metrics"]:
            found.append((record["is_result"], record["metrics"]["mean_f1"], path.parent))
    if not found:
        raise InputError(
            f"{runs_dir}: holds no trained network; run `make course`, or give --model: a run's "
            f"folder or {' or '.join(pretrained.names())}."
        )
    return max(found, key=lambda f: f[:2])[2]


def segment_files(paths, out, model=None, grow=False, flips=False) -> list[Path]:
    """Write <name>_label.tiff for each image: instance ids, one label page an image page.

    `model`: a run's folder or a pretrained network's name, the best trained one by default.
    `grow`: each cell of a 3-class network gets back the rim that the challenge's recipe leaves
    out. `flips`: mirror images are averaged, four times slower. Thresholds are those stored with
    the network. Every input is read before anything is written; nothing is overwritten.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder for the labels.")
    sources = list_images(paths)
    targets = [out / f"{p.stem}_label.tiff" for p in sources]
    for target in targets:
        if target.exists():
            raise InputError(f"{target}: exists already; move it away or choose another folder.")
    repeated = sorted({t.name for t in targets if targets.count(t) > 1})
    if repeated:
        raise InputError(f"{repeated[0]}: two images would write it; rename one of them.")
    for path in sources:
        read_pages(path)
    folder = pretrained.folder(model) if model else best_run()
    net, record = load_network(folder)
    note = "" if record["is_result"] else " (a smoke run: no result)"
    log.info(f"network: {folder.name}{note}")
    patch = record["parameters"]["recipe"]["patch"]
    spec = spec_of(record["parameters"]["spec"])
    spec.check_patch(patch)
    head = spec.head
    if grow and head != "3-class":
        raise InputError(
            f"--grow: cells of {folder.name} ({head} head) have their rim already; leave it out."
        )
    decode = decode_grown if grow else decoder_of(record)
    out.mkdir(parents=True, exist_ok=True)
    for i, (path, target) in enumerate(zip(sources, targets, strict=True), 1):
        pages = [segment(net, p, patch, head, decode, flips) for p in read_pages(path)]
        stack = pages[0] if len(pages) == 1 else np.stack(pages)
        stack = stack.astype(np.uint16 if stack.max() < 2**16 else np.uint32)
        temporary = target.with_suffix(".tmp")
        tifffile.imwrite(temporary, stack, compression="zlib", photometric="minisblack")
        os.replace(temporary, target)
        log.info(f"{i}/{len(sources)} {target.name}: {sum(int(p.max()) for p in pages)} cells")
    return targets


def decoder_of(record: dict):
    """From a network's maps to cells, by the representation and thresholds stored with it."""
    head = HEADS[spec_of(record["parameters"]["spec"]).head]
    decoder = head.decoders[record.get("representation", head.own)]
    return partial(decoder, **record.get("decoder", {}))


def list_images(paths) -> list[Path]:
    """Image files, with every folder replaced by the images in it."""
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.glob("[!.]*") if p.suffix.lower() in IMAGE_SUFFIXES)
            if not inside:
                raise InputError(f"{path}: holds no images; give image files or their folder.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: no such image or folder; check the path.")
    return found
