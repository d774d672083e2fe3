"""Tasks with a planted answer: images that only some topologies can tell apart at all.

Each is drawn so that what decides a pixel's class lies out of sight, or out of resolution, of most
networks of a small lattice. Which topologies can solve it follows from what they see
(space.receptive), not from taste; guessing between two classes earns a Dice of one half.

* "far mark": square cells of two kinds. A small mark in the middle tells the kind, and the rim,
  13 and 14 pixels away, is what is scored. At full resolution no network of four blocks sees it.
* "fine detail": random dots of one pixel; a pixel's class is whether the dot four to its left is
  the same. Any step through a coarser resolution loses single dots.
* "far and fine": both. The rims of cells, 11 and 12 pixels from their marks, drawn as random dots,
  of which only the bright ones have a class.

Every image has as many cells of one kind as of the other, so that no mean over an image, which the
networks' instance norms take, tells anything.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from twodints_lib.errors import InputError


class Drawn(NamedTuple):
    """Images (N, 3, S, S) float32 around 0..1; classes (N, S, S) uint8, 0 background; and the
    pixels (N, S, S) bool by which an answer is scored."""

    images: np.ndarray
    classes: np.ndarray
    scored: np.ndarray


class Task(NamedTuple):
    """A generated task: pixels a side, how far away what decides a class is, how it is drawn."""

    size: int
    distance: int  # from a scored pixel to the nearest pixel of what decides its class, at least
    draw: Callable


def _cells(rng, size, half, dots):
    """Four square cells of 2 * half + 1 pixels, two of each kind, a mark of 3 x 3 in each."""
    image, classes = np.zeros((3, size, size)), np.zeros((size, size), np.uint8)
    scored = np.ones((size, size), bool)
    y, x = np.mgrid[:size, :size]
    for cell, kind in enumerate(rng.permutation([1, 1, 2, 2])):
        middle = size // 4 + size // 2 * np.array(divmod(cell, 2)) + rng.integers(-1, 2, 2)
        away = np.maximum(abs(y - middle[0]), abs(x - middle[1]))
        body = away <= half
        scored &= ~body | (away > half - 2)
        shown = body & (rng.random(body.shape) < 0.5) if dots else body
        image[2, shown], classes[shown] = 1, kind
        image[kind - 1, away <= 1] = 1
    return image + rng.normal(0, 0.1, image.shape), classes, scored


def _dots(rng, size, away):
    """Random dots; the class is whether the dot `away` to the left is the same."""
    dots = rng.random((size, size)) < 0.5
    classes = np.where(dots == np.roll(dots, away, 1), 1, 2).astype(np.uint8)
    classes[:, :away] = 0
    return dots + rng.normal(0, 0.05, (3, size, size)), classes, classes > 0


# A mark reaches one pixel from its middle, and the rim is two pixels wide.
TASKS = {
    "far mark": Task(64, 12, lambda rng: _cells(rng, 64, 14, dots=False)),
    "fine detail": Task(48, 4, lambda rng: _dots(rng, 48, 4)),
    "far and fine": Task(64, 10, lambda rng: _cells(rng, 64, 12, dots=True)),
}


def draw(task: str, count: int, seed: int) -> Drawn:
    """`count` images of a task, the same for the same seed; InputError for an unknown task."""
    if task not in TASKS:
        raise InputError(f"task={task!r} is not known; take one of {', '.join(TASKS)}.")
    rng = np.random.default_rng(seed)
    images, classes, scored = zip(*(TASKS[task].draw(rng) for _ in range(count)), strict=True)
    images = (np.stack(images) / 2 + 0.25).astype(np.float32)
    return Drawn(images, np.stack(classes), np.stack(scored))
