"""Cells as polygons, and polygons as cells.

A point is (x, y) in pixels from the upper left corner of the image, as ImageJ, QuPath and COCO
count: the first pixel goes from 0 to 1. An outline runs along the edges of its pixels, so that
drawing it again gives the same pixels.
"""

from collections.abc import Iterable

import numpy as np
from skimage.draw import polygon as inside

from twodints_lib.data.labels import cells

STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # along the edges: right, down, left, up (y, x)


def outlines(labels: np.ndarray) -> list[list[np.ndarray]]:
    """For each cell, in the order of its ids, its closed rings of corners (n, 2), x and y.

    The first point is not repeated. A ring around pixels runs clockwise as seen on the screen, one
    around a hole the other way; pixels that touch at a corner alone are apart.
    """
    return [
        [ring + (box[1].start, box[0].start) for ring in _rings(mask)]
        for box, mask in cells(labels)
    ]


def _rings(mask) -> list[np.ndarray]:
    """The rings of one mask (H, W) bool."""
    wide = np.pad(mask, 1)
    middle, starts = wide[1:-1, 1:-1], {}
    sides = (  # where a pixel has no neighbour above, right, below, left: the edge's first corner
        (wide[:-2, 1:-1], (0, 0)), (wide[1:-1, 2:], (0, 1)),
        (wide[2:, 1:-1], (1, 1)), (wide[1:-1, :-2], (1, 0)),
    )  # fmt: skip
    for direction, (neighbour, corner) in enumerate(sides):
        for y, x in (np.argwhere(middle & ~neighbour) + corner).tolist():
            starts.setdefault((y, x), []).append(direction)
    found = []
    while starts:
        here = first = next(iter(starts))
        direction, ring = starts[here][0], []
        while True:
            # At a corner where two pixels meet, the right turn stays at the own pixel.
            turn = next(t for t in (1, 0, 3) if (direction + t) % 4 in starts[here] or not ring)
            following = direction if not ring else (direction + turn) % 4
            starts[here].remove(following)
            if not starts[here]:
                del starts[here]
            if not ring or following != direction:
                ring.append(here)
            direction = following
            here = (here[0] + STEPS[direction][0], here[1] + STEPS[direction][1])
            if here == first and (here not in starts or (direction + 1) % 4 not in starts[here]):
                break
        found.append(np.array(ring, float)[:, ::-1])
    return found


def area(ring: np.ndarray) -> float:
    """The area within a ring in pixels; negative around a hole."""
    x, y = np.asarray(ring, float).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def draw(found: Iterable[Iterable[np.ndarray]], shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Labels (H, W) int32 of cells given as rings, and how many pixels more than one of them held.

    A pixel is in a cell where its centre lies within an odd number of the cell's rings. Where cells
    overlap, the smaller lies on top.
    """
    masks = []
    for number, rings in enumerate(found, 1):
        held = [pixels_in(ring, shape) for ring in rings]
        flat, times = np.unique(np.concatenate(held), return_counts=True)
        masks.append((number, flat[times % 2 == 1]))
    return stacked(masks, shape)


def pixels_in(ring: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The flat indices of the pixels whose centre lies within a ring."""
    x, y = np.asarray(ring, float).T - 0.5
    return np.ravel_multi_index(inside(y, x, shape), shape)


def stacked(
    masks: Iterable[tuple[int, np.ndarray]], shape: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """Labels of (id, flat indices), the smaller on top, and how many pixels were in several."""
    labels, times = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for number, flat in sorted(masks, key=lambda m: -len(m[1])):
        labels.flat[flat] = number
        times.flat[flat] += 1
    return labels, int((times > 1).sum())
