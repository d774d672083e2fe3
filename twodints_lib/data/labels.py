"""Label images: instance ids 1..n on background 0, their sizes and how close they lie."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage


def renumber(labels: np.ndarray) -> np.ndarray:
    """The same partition with ids 1..n, int32; 0 stays 0."""
    if labels.size and labels.max() < 2**24:  # a table of ids, many times faster than sorting
        present = np.zeros(int(labels.max()) + 1, bool)
        present[labels.ravel()] = True
        present[0] = False
        return np.where(present, np.cumsum(present), 0).astype(np.int32)[labels]
    ids, index = np.unique(labels, return_inverse=True)
    index = index.reshape(labels.shape).astype(np.int32)
    return index if ids[0] == 0 else index + 1


def cells(labels: np.ndarray) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    """For each cell of (H, W) labels: its slices with a margin of one pixel, its mask there."""
    for i, box in enumerate(ndimage.find_objects(labels), 1):
        if box is not None:
            wide = tuple(
                slice(max(0, s.start - 1), min(n, s.stop + 1))
                for s, n in zip(box, labels.shape, strict=True)
            )
            yield wide, labels[wide] == i


def without_small(labels: np.ndarray, pixels: int) -> np.ndarray:
    """The labels without the cells of fewer pixels, int32; ids keep their numbers."""
    size = np.bincount(labels.ravel())
    return np.where(size[labels] >= pixels, labels, 0).astype(np.int32)


def diameters(labels: np.ndarray) -> np.ndarray:
    """Diameter in pixels of the disc of each instance's area, in the order of the ids."""
    area = np.bincount(labels.ravel())[1:]
    return np.sqrt(4 * area[area > 0] / np.pi)


def touching(labels: np.ndarray) -> np.ndarray:
    """For each instance, in the order of the ids, whether another lies within one pixel (bool)."""
    inside = labels > 0
    highest = ndimage.maximum_filter(labels, 3)
    nothing = np.iinfo(labels.dtype).max
    lowest = ndimage.minimum_filter(np.where(inside, labels, nothing), 3)
    meets = np.unique(labels[inside & ((highest != labels) | (lowest != labels))])
    return np.isin(np.unique(labels[inside]), meets)


def cell_statistics(labels_list: list[np.ndarray]) -> dict[str, float]:
    """What makes images hard: cells, density, sizes and contact over a list of label images."""
    sizes = np.concatenate([diameters(x) for x in labels_list])
    contact = np.concatenate([touching(x) for x in labels_list])
    density = [len(diameters(x)) / x.size * 1e6 for x in labels_list]
    return {
        "images": len(labels_list),
        "cells": len(sizes),
        "cells_per_megapixel": float(np.median(density)),
        "median_diameter": float(np.median(sizes)),
        "share_under_13.7_px": float((sizes < 13.7).mean()),
        "share_touching": float(contact.mean()),
    }
