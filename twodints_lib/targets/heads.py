"""What a network is asked to draw so that cells can be told apart: encode, and decode again.

One small interface for each head: encode(labels) gives the maps a perfect network would draw,
activate(logits) and loss(logits, maps) train one that tries, decode(maps) gives instances back.
Labels (H, W) integers, maps (C, H, W) float32 in 0..1 or, for flows, -1..1. `twodints ceiling`
decodes what encode drew: no training can exceed that.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from monai.losses import DiceCELoss, DiceLoss
from scipy import ndimage
from skimage import measure, morphology, segmentation

from twodints_lib.data import images
from twodints_lib.data.images import BOUNDARY, INTERIOR
from twodints_lib.messages import log
from twodints_lib.scoring import scores
from twodints_lib.targets import classes

STEPS = 100  # pixels that a pixel may travel to the middle of its cell
SMALL = 16  # pixels: smaller cells are dropped, as in the challenge's recipe


def encode_three_class(labels) -> np.ndarray:
    """Background, interior and boundary as 0 or 1 (3, H, W): the challenge's target."""
    return np.eye(3, dtype=np.float32)[images.three_class(labels)].transpose(2, 0, 1)


def decode_grown(maps) -> np.ndarray:
    """The official recipe, then each cell grown back into the boundary that was predicted.

    The target thickens a boundary of one pixel to about two on each side, and the recipe never
    gives them back; here cells grow by two pixels at most, where interior or boundary is likelier
    than background, and never into each other. Same network, no training.
    """
    cells = classes.decode_three_class(maps)
    grown = segmentation.expand_labels(cells, 2)
    return np.where(maps[INTERIOR] + maps[BOUNDARY] > 0.5, grown, cells).astype(np.int32)


def _cells(labels):
    """For each cell: its slices with a margin of one pixel, and its mask there."""
    shape = labels.shape
    for i, box in enumerate(ndimage.find_objects(labels), 1):
        if box is not None:
            wide = tuple(
                slice(max(0, s.start - 1), min(n, s.stop + 1))
                for s, n in zip(box, shape, strict=True)
            )
            yield wide, labels[wide] == i


def encode_distance(labels) -> np.ndarray:
    """Foreground, and the distance to each cell's own rim over its largest value (2, H, W)."""
    labels = images.renumber(labels)
    maps = np.zeros((2, *labels.shape), np.float32)
    maps[0] = labels > 0
    for box, mask in _cells(labels):
        distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        maps[1][box][mask] = distance[mask] / distance.max()
    return maps


def decode_distance(maps, foreground: float = 0.5, h: float = 0.2) -> np.ndarray:
    """Watershed of the distance inside the foreground, one seed for each maximum of height h."""
    inside = maps[0] > foreground
    hills = ndimage.gaussian_filter(maps[1], 1) * inside
    seeds = measure.label(morphology.h_maxima(hills, h) & inside, connectivity=2)
    labels = segmentation.watershed(-hills, seeds, mask=inside)
    return _without_small(labels)


def encode_flow(labels) -> np.ndarray:
    """Foreground, and at each pixel of a cell the direction to its middle: (3, H, W), y then x.

    The direction is the slope of heat that spreads from the cell's middle and stays inside it, so
    that it leads there around every bend (Cellpose, Stringer et al. 2021, by description).
    """
    labels = images.renumber(labels)
    maps = np.zeros((3, *labels.shape), np.float32)
    maps[0] = labels > 0
    for box, mask in _cells(labels):
        slope = np.stack(np.gradient(np.log1p(_heat(mask))))
        slope /= np.maximum(np.hypot(*slope), 1e-20)
        for channel, part in zip(maps[1:], slope, strict=True):
            channel[box][mask] = part[mask]
    return maps


def _heat(mask) -> np.ndarray:
    """Heat inside a cell's mask (h, w), spread from its middle: each pixel takes the mean of 9."""
    y, x = np.nonzero(mask)
    middle = np.argmin((y - np.median(y)) ** 2 + (x - np.median(x)) ** 2)
    heat = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2))
    share, inner = mask / 9, heat[1:-1, 1:-1]
    for _ in range(2 * sum(mask.shape)):
        inner[y[middle], x[middle]] += 1
        rows = heat[:-2] + heat[1:-1]  # sums of three rows, then of three columns
        rows += heat[2:]
        np.add(rows[:, :-2], rows[:, 1:-1], out=inner)
        inner += rows[:, 2:]
        inner *= share
    return inner


def flow_cells(maps, foreground: float = 0.5, spread: float = 2) -> tuple[np.ndarray, np.ndarray]:
    """Let every foreground pixel follow the flow; pixels that end together are one cell.

    `spread`, pixels: how far apart the ends of one cell's pixels may lie. A perfect flow brings
    them to one point, a learned one to several, the farther apart the larger the cell. Returns the
    labels (H, W), ids 1..n, and each cell's error (n,): how far the given flow is from the one
    that its own shape would have, mean square.
    """
    inside = maps[0] > foreground
    place = np.argwhere(inside).T.astype(np.float32)  # (2, n)
    if not place.size:
        return np.zeros(inside.shape, np.int32), np.zeros(0)
    flow = ndimage.gaussian_filter(maps[1:], (0, 1, 1))
    flow *= inside / np.maximum(np.hypot(*flow), 0.3)  # an unsure, short arrow leads as far
    limit = np.array(inside.shape, np.float32)[:, None] - 1
    for _ in range(STEPS):
        move = [ndimage.map_coordinates(f, place, order=1, mode="nearest") for f in flow]
        place = np.clip(place + np.stack(move), 0, limit)
    end = tuple(place.round().astype(int))
    crowd = np.zeros(inside.shape)
    np.add.at(crowd, end, 1)
    crowd = ndimage.gaussian_filter(crowd, spread)
    peaks = (crowd == ndimage.maximum_filter(crowd, 2 * round(1.25 * spread) + 1)) & (crowd > 0.3)
    sinks = measure.label(ndimage.binary_dilation(peaks, np.ones((3, 3))), connectivity=2)
    near = segmentation.expand_labels(sinks, 3 + 2 * spread)  # stragglers join the nearest sink
    labels = np.zeros(inside.shape, np.int32)
    labels[inside] = near[end]
    labels = images.renumber(_without_small(labels))
    wrong = ((encode_flow(labels)[1:] - maps[1:]) ** 2).mean(0)
    ids = np.arange(1, labels.max() + 1)
    return labels, np.asarray(ndimage.mean(wrong, labels, ids)) if len(ids) else np.zeros(0)


def drop_wrong(labels, wrong, error: float) -> np.ndarray:
    """Cells whose error is at most `error`, renumbered."""
    return images.renumber(np.where(np.concatenate([[False], wrong <= error])[labels], labels, 0))


def decode_flow(maps, spread: float = 2, error: float = 0.4) -> np.ndarray:
    """Cells from a flow, without those whose own flow differs by more than `error`.

    By description of Cellpose (Stringer et al. 2021), which drops such cells too.
    """
    return drop_wrong(*flow_cells(maps, spread=spread), error)


# Which maps of a ladder network each representation reads, and how cells come back from them.
LADDER_MAPS = {
    "3-class, as shipped": ([0, 1, 2], classes.decode_three_class),
    "3-class, grown back": ([0, 1, 2], decode_grown),
    "distance": ([3, 4], decode_distance),
    "flow": ([3, 5, 6], decode_flow),
}


def encode_ladder(labels) -> np.ndarray:
    """All representations at once (7, H, W): 3 classes, foreground, distance, flow.

    One backbone that draws them all lets representations be compared with nothing else changed.
    """
    return np.concatenate(
        [encode_three_class(labels), encode_distance(labels), encode_flow(labels)[1:]]
    )


def decode_ladder(maps, **thresholds) -> np.ndarray:
    """Cells by the rung that measured best on trained networks, the distance."""
    return decode_distance(maps[[3, 4]], **thresholds)


def _without_small(labels) -> np.ndarray:
    size = np.bincount(labels.ravel())
    return np.where(size[labels] >= SMALL, labels, 0).astype(np.int32)


_three_class_loss = DiceCELoss(include_background=True, softmax=True)
_foreground_dice = DiceLoss(sigmoid=True)


def _foreground_loss(logits, maps):
    dice = _foreground_dice(logits[:, :1], maps[:, :1])
    return dice + F.binary_cross_entropy_with_logits(logits[:, :1], maps[:, :1])


def _distance_loss(logits, maps):
    distance = F.l1_loss(logits[:, 1:].sigmoid(), maps[:, 1:])
    return _foreground_loss(logits, maps) + 5 * distance


def _flow_loss(logits, maps):
    return _foreground_loss(logits, maps) + 5 * F.mse_loss(logits[:, 1:], maps[:, 1:])


def _ladder_loss(logits, maps):
    flow = 5 * F.mse_loss(logits[:, 5:], maps[:, 5:])
    return (
        _three_class_loss(logits[:, :3], maps[:, :3])
        + _distance_loss(logits[:, 3:5], maps[:, 3:5])
        + flow
    )


def _activate_ladder(x):
    return torch.cat([x[:, :3].softmax(1), x[:, 3:5].sigmoid(), x[:, 5:]], 1)


class Head(NamedTuple):
    """What the last layer draws. Maps and logits (B, C, H, W) in activate and loss."""

    encode: Callable
    activate: Callable
    loss: Callable
    decode: Callable
    vectors: bool = False  # the last two maps are a vector, (y, x): it turns with the image


HEADS = {
    "3-class": Head(
        encode_three_class, lambda x: x.softmax(1), _three_class_loss, classes.decode_three_class
    ),
    "distance": Head(encode_distance, torch.sigmoid, _distance_loss, decode_distance),
    "flow": Head(
        encode_flow,
        lambda x: torch.cat([x[:, :1].sigmoid(), x[:, 1:]], 1),
        _flow_loss,
        decode_flow,
        vectors=True,
    ),
    "ladder": Head(encode_ladder, _activate_ladder, _ladder_loss, decode_ladder, vectors=True),
}

DRAWS_CLASSES = ("3-class", "ladder")  # heads whose first three maps are the classes

# Ways from labels to maps and back, for the ceiling: name: (encode, decode)
REPRESENTATIONS = {
    "3-class, as shipped": (encode_three_class, classes.decode_three_class),
    "3-class, grown back": (encode_three_class, decode_grown),
    "distance": (encode_distance, decode_distance),
    "flow": (encode_flow, decode_flow),
}


def ceiling(items, names=tuple(REPRESENTATIONS)) -> dict[str, dict]:
    """What each representation reaches on labelled items with a perfect network.

    {name: evaluation.summarise(...) and "ms_per_megapixel", encoding and decoding}.
    """
    labels = [(item, images.read_labels(item.label)) for item in items if item.label is not None]
    found = {}
    for name in names:
        encode, decode = REPRESENTATIONS[name]
        rows, seconds, pixels = [], 0.0, 0
        for item, truth in labels:
            start = time.process_time()
            pred = decode(encode(truth))
            seconds, pixels = seconds + time.process_time() - start, pixels + truth.size
            row = {"name": item.name, "modality": item.modality}
            rows.append(row | scores.score(truth, pred, scores.Rules((0.5, 0.75))))
        found[name] = scores.summarise(rows) | {"ms_per_megapixel": 1e9 * seconds / pixels}
        log.info(f"{name}: mean F1 {found[name]['mean_f1']:.3f}")
    return found


def ceiling_rows(found: dict[str, dict]) -> tuple[tuple, list[tuple]]:
    """Header and rows of ceiling(): mean F1 of each modality, and the cost."""
    modalities = list(next(iter(found.values()))["per_modality"])
    header = ("representation", *modalities, "mean F1", "ms per megapixel")
    rows = [
        (
            name,
            *(f"{f['per_modality'][m]:.3f}" for m in modalities),
            f"{f['mean_f1']:.3f}",
            f"{f['ms_per_megapixel']:.0f}",
        )
        for name, f in found.items()
    ]
    return header, rows
