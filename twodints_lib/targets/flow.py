"""The direction to a cell's middle, and back by letting every pixel follow it.

By description of Cellpose (Stringer et al. 2021).
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage import measure, segmentation

from twodints_lib.data.labels import cells, renumber, without_small
from twodints_lib.targets.classes import SMALL

STEPS = 100  # pixels that a pixel may travel to the middle of its cell


def encode_flow(labels: np.ndarray) -> np.ndarray:
    """At each pixel of a cell the direction to its middle: (2, H, W) float32, y then x.

    The direction is the slope of heat that spreads from the cell's middle and stays inside it, so
    that it leads there around every bend.
    """
    labels = renumber(labels)
    flow = np.zeros((2, *labels.shape), np.float32)
    for box, mask in cells(labels):
        slope = np.stack(np.gradient(np.log1p(_heat(mask))))
        slope /= np.maximum(np.hypot(*slope), 1e-20)
        for channel, part in zip(flow, slope, strict=True):
            channel[box][mask] = part[mask]
    return flow


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


def flow_cells(
    maps: np.ndarray, spread: float = 2, ends: tuple | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that end together are one cell.

    `maps` (3, H, W): foreground and flow. `spread`, pixels: how far apart the ends of one cell's
    pixels may lie. A perfect flow brings them to one point, a learned one to several, the farther
    apart the larger the cell. `ends`: flow_ends(maps), where known. Returns the labels (H, W), ids
    1..n, and each cell's error (n,): how far the given flow is from the one that its own shape
    would have, mean square.
    """
    inside, end = ends or flow_ends(maps)
    if not end[0].size:
        return np.zeros(inside.shape, np.int32), np.zeros(0)
    crowd = np.zeros(inside.shape)
    np.add.at(crowd, end, 1)
    crowd = ndimage.gaussian_filter(crowd, spread)
    peaks = (crowd == ndimage.maximum_filter(crowd, 2 * round(1.25 * spread) + 1)) & (crowd > 0.3)
    sinks = measure.label(ndimage.binary_dilation(peaks, np.ones((3, 3))), connectivity=2)
    near = segmentation.expand_labels(sinks, 3 + 2 * spread)  # stragglers join the nearest sink
    labels = np.zeros(inside.shape, np.int32)
    labels[inside] = near[end]
    labels = renumber(without_small(labels, SMALL))
    wrong = ((encode_flow(labels) - maps[1:]) ** 2).mean(0)
    ids = np.arange(1, labels.max() + 1)
    return labels, np.asarray(ndimage.mean(wrong, labels, ids)) if len(ids) else np.zeros(0)


def flow_ends(maps: np.ndarray, foreground: float = 0.5) -> tuple[np.ndarray, tuple]:
    """The foreground (H, W) bool, and the pixel (y, x) that each of its pixels ends at when it
    follows the flow."""
    inside = maps[0] > foreground
    place = np.argwhere(inside).T.astype(np.float32)  # (2, n)
    flow = ndimage.gaussian_filter(maps[1:], (0, 1, 1))
    flow *= inside / np.maximum(np.hypot(*flow), 0.3)  # an unsure, short arrow leads as far
    limit = np.array(inside.shape, np.float32)[:, None] - 1
    for _ in range(STEPS if place.size else 0):
        move = [ndimage.map_coordinates(f, place, order=1, mode="nearest") for f in flow]
        place = np.clip(place + np.stack(move), 0, limit)
    return inside, tuple(place.round().astype(int))


def decode_flow(maps: np.ndarray, spread: float = 2, error: float = 0.4) -> np.ndarray:
    """Cells (H, W) int32 from foreground and flow (3, H, W), without those whose own flow differs
    by more than `error` (Cellpose drops such cells too)."""
    return _drop_wrong(*flow_cells(maps, spread=spread), error)


def remembering() -> Callable[..., np.ndarray]:
    """decode_flow that follows a flow once, whatever the spread, and draws its cells once for each
    spread, whatever the error."""
    ends, known = {}, {}

    def decode(maps: np.ndarray, spread: float, error: float) -> np.ndarray:
        key = (id(maps), spread)
        if key not in known:
            if id(maps) not in ends:
                ends[id(maps)] = flow_ends(maps)
            known[key] = flow_cells(maps, spread, ends[id(maps)])
        return _drop_wrong(*known[key], error)

    return decode


def _drop_wrong(labels, wrong, error: float) -> np.ndarray:
    """Cells whose error is at most `error`, renumbered."""
    return renumber(np.where(np.concatenate([[False], wrong <= error])[labels], labels, 0))
