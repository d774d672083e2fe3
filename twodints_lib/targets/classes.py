"""The challenge's 3-class target, and from a 3-class probability map back to separated cells."""

import numpy as np
from skimage import measure, morphology, segmentation

BACKGROUND, INTERIOR, BOUNDARY = 0, 1, 2
HOLE, SMALL = 64, 16  # pixels: smaller holes are filled, smaller cells dropped


def three_class(labels: np.ndarray) -> np.ndarray:
    """Instance labels (H, W) to the challenge's 3-class target, (H, W) uint8.

    2, boundary: the inner boundary of every cell, dilated by a disk of radius 1 (so it spills one
    pixel into the background). 1, interior: the rest of each cell, components under 16 px dropped.
    0, background.
    """
    boundary = segmentation.find_boundaries(labels, mode="inner")
    boundary = morphology.dilation(boundary, morphology.disk(1))
    interior = _without_specks((labels > 0) & ~boundary)
    target = np.where(interior, INTERIOR, BACKGROUND).astype(np.uint8)
    target[boundary] = BOUNDARY
    return target


def _without_specks(mask: np.ndarray) -> np.ndarray:
    # scikit-image drops sizes up to and including max_size, the challenge those under 16.
    return morphology.remove_small_objects(mask, max_size=SMALL - 1)


def encode_three_class(labels: np.ndarray) -> np.ndarray:
    """Background, interior and boundary as 0 or 1, (3, H, W) float32: the challenge's target."""
    return np.eye(3, dtype=np.float32)[three_class(labels)].transpose(2, 0, 1)


def decode_three_class(probabilities: np.ndarray) -> np.ndarray:
    """Class probabilities (3, H, W) to instance labels (H, W) int32.

    Interior probability over 0.5; holes under 64 px filled; components under 16 px dropped;
    what is left is labelled with 8-connectivity. Nothing grows the boundary back, so each cell
    comes out about two pixels smaller all round than it was drawn.
    Source: the challenge baseline's prediction script, by behaviour.
    """
    return label_interior(probabilities[INTERIOR] > 0.5)


def label_interior(interior: np.ndarray) -> np.ndarray:
    """The same recipe on a boolean interior mask (H, W)."""
    mask = morphology.remove_small_holes(np.asarray(interior, bool), max_size=HOLE - 1)
    return measure.label(_without_specks(mask), connectivity=2).astype(np.int32)


def decode_grown(maps: np.ndarray) -> np.ndarray:
    """The official recipe, then each cell grown back into the boundary that was predicted.

    The target thickens a boundary of one pixel to about two on each side, and the recipe never
    gives them back; here cells grow by two pixels at most, where interior or boundary is likelier
    than background, and never into each other. Same network, no training.
    """
    cells = decode_three_class(maps)
    grown = segmentation.expand_labels(cells, 2)
    return np.where(maps[INTERIOR] + maps[BOUNDARY] > 0.5, grown, cells).astype(np.int32)
