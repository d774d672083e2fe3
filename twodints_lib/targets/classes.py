"""From a 3-class probability map back to separated cells: the challenge's own recipe."""

import numpy as np
from scipy import ndimage
from skimage import measure, morphology

from twodints_lib.data.images import INTERIOR


def decode_three_class(probabilities) -> np.ndarray:
    """Class probabilities (3, H, W) to instance labels (H, W) int32.

    Interior probability over 0.5; holes under 64 px filled; components under 16 px dropped;
    what is left is labelled with 8-connectivity. Nothing grows the boundary back, so each cell
    comes out about two pixels smaller all round than it was drawn.
    Source: the challenge baseline's prediction script, by behaviour.
    """
    return label_interior(probabilities[INTERIOR] > 0.5)


def label_interior(interior) -> np.ndarray:
    """The same recipe on a boolean interior mask (H, W)."""
    # max_size is inclusive: "under 64" is at most 63, "under 16" at most 15.
    mask = morphology.remove_small_holes(np.asarray(interior, bool), max_size=63)
    mask = morphology.remove_small_objects(mask, max_size=15)
    return measure.label(mask, connectivity=2).astype(np.int32)


def diameters(labels) -> np.ndarray:
    """Diameter in pixels of the disc of each instance's area, in the order of the ids."""
    area = np.bincount(labels.ravel())[1:]
    return np.sqrt(4 * area[area > 0] / np.pi)


def touching(labels) -> np.ndarray:
    """For each instance, in the order of the ids, whether another lies within one pixel (bool)."""
    inside = labels > 0
    highest = ndimage.maximum_filter(labels, 3)
    nothing = np.iinfo(labels.dtype).max
    lowest = ndimage.minimum_filter(np.where(inside, labels, nothing), 3)
    meets = np.unique(labels[inside & ((highest != labels) | (lowest != labels))])
    return np.isin(np.unique(labels[inside]), meets)


def cell_statistics(labels_list) -> dict:
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
