"""What a network of the lattice can see, from its code alone: its receptive field, exactly.

Convolutions, resampling and sums treat rows and columns alike, so one axis tells for both: a
boolean matrix for each node, which columns of the image each of its columns depends on, is passed
along the paths as features are. Two things are left out: instance norms, which see means over the
whole image but no place in it, and whether a training would ever use what could be seen.
"""

from functools import lru_cache

import numpy as np

from twodints_lib.errors import InputError
from twodints_lib.space import operations, topology

# Pixels that an operation looks to each side.
REACH = {"skip": 0, "1x1": 0, "3x3": 1, "depthwise 3x3": 1, "5x5": 2, "7x7": 3}


@lru_cache(maxsize=64)
def _resized(before: int, after: int) -> np.ndarray:
    """Which columns a bilinear resize, its corners aligned, reads: (after, before) bool."""
    at = np.arange(after) * (before - 1) / (after - 1)
    distance = abs(at[:, None] - np.arange(before))
    return distance < 1 - 1e-6


def _widened(seen: np.ndarray, reach: int) -> np.ndarray:
    """What a convolution that looks `reach` to each side sees of (n, size) bool."""
    n = len(seen)
    near = abs(np.arange(n)[:, None] - np.arange(n)) <= reach
    return near @ seen


def sees(code: dict, size: int) -> np.ndarray:
    """(size, size) bool: whether column i of the output can depend on column j of the image.

    `size` must be divisible by 2^(depths - 1). InputError for an operation whose reach is unknown.
    """
    paths, depths = np.asarray(code["paths"], bool), topology.depths_of(code["paths"])
    names = code.get("names", operations.TWO)
    if unknown := [name for name in names if name not in REACH]:
        raise InputError(f"operation {unknown[0]!r}: its reach is not known; add it to REACH.")
    start, end = topology.path_ends(depths)
    nodes = {}
    for depth in set(start[paths[0]]):
        image = _resized(size, size >> depth) if depth else np.eye(size, dtype=bool)
        nodes[depth] = _widened(image, 1)  # the stem's convolution
    for on, chosen in zip(paths, code["operations"], strict=True):
        made = {}
        for path in np.flatnonzero(on):
            x, n = nodes[start[path]], size >> start[path]
            if end[path] < start[path]:
                x = _resized(n, 2 * n) @ x
            elif end[path] > start[path]:
                x = x[::2] | x[1::2]  # two strided convolutions, a pixel apart
            x = _widened(x, REACH[names[chosen[path]]])
            made[end[path]] = made.get(end[path], False) | x
        nodes = made
    merged = np.zeros((size >> max(nodes), size), bool)
    for depth in range(max(nodes), -1, -1):
        merged = _widened(merged | nodes.get(depth, False), 1)
        merged = _resized(size >> depth, size >> depth - 1) @ merged if depth else merged
    return _widened(merged, 1)  # the last convolution


def reach(code: dict, size: int) -> int:
    """How many pixels of the image, to either side, a pixel in its middle sees at the least.

    `size` must be more than twice as much, since nothing is seen beyond the image.
    """
    step = 2 ** topology.depths_of(code["paths"])  # columns of a coarse pixel see differently far
    middle = range(size // 2 - step, size // 2 + step)
    seen = sees(code, size)
    return int(min(abs(np.flatnonzero(seen[i])[[0, -1]] - i).min() for i in middle))
