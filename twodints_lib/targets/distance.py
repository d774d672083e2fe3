"""The distance to a cell's rim, and back by a watershed."""

import numpy as np
from scipy import ndimage
from skimage import measure, morphology, segmentation

from twodints_lib.data.labels import cells, renumber, without_small
from twodints_lib.targets.classes import SMALL


def encode_distance(labels: np.ndarray) -> np.ndarray:
    """The distance to each cell's own rim over its largest value, (1, H, W) float32."""
    labels = renumber(labels)
    drawn = np.zeros((1, *labels.shape), np.float32)
    for box, mask in cells(labels):
        distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        drawn[0][box][mask] = distance[mask] / distance.max()
    return drawn


def decode_distance(maps: np.ndarray, foreground: float = 0.5, h: float = 0.2) -> np.ndarray:
    """Cells (H, W) int32 from foreground and distance (2, H, W).

    Watershed of the distance inside the foreground, one seed for each maximum of height h.
    """
    inside = maps[0] > foreground
    hills = ndimage.gaussian_filter(maps[1], 1) * inside
    seeds = measure.label(morphology.h_maxima(hills, h) & inside, connectivity=2)
    return without_small(segmentation.watershed(-hills, seeds, mask=inside), SMALL)
