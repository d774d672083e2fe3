"""Large images: maps in bands on disk, instances in tiles, the same as from the whole image.

The network's windows lie on one grid, whatever band they are computed in, so their blend is the
same. A cell belongs to the tile that holds its first pixel (topmost, then leftmost) and is decoded
there with a margin around the tile; where a cell comes near the margin's rim the tile is decoded
again with a wider margin. Memory grows with a tile, not with the image; the maps are on disk.
"""

import mmap
import tempfile
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from twodints_lib.messages import log

TILE, MARGIN = 1024, 256  # pixels
WHOLE = 2048 * 2048  # pixels: an image up to this size is decoded in one piece


def windows(size: int, patch: int, overlap: float) -> list[int]:
    """Starts of the windows along one axis, as MONAI's sliding_window_inference lays them."""
    step = max(1, int(patch * (1 - overlap)))
    if size <= patch:
        return [0]
    return [min(i * step, size - patch) for i in range(-(-(size - patch) // step) + 1)]


def bands(height: int, patch: int, overlap: float, rows: int) -> list[tuple[int, int, int, int]]:
    """(first, last, start, stop): image rows first..last give the final maps of start..stop.

    Each band holds all windows that touch rows start..stop; `rows`, its size, is at least twice
    the patch.
    """
    starts = windows(height, patch, overlap)
    found, done = [], 0
    while done < height:
        begin = next(s for s in starts if s + patch > done)  # the first window that touches `done`
        inside = [s for s in starts if begin <= s <= max(begin, done + rows - patch)]
        stop = next((s for s in starts if s > inside[-1]), height)
        found.append((begin, min(inside[-1] + patch, height), done, stop))
        done = stop
    return found


def maps_on_disk(
    predict: Callable, read: Callable, shape: tuple[int, int],
    patch: int, overlap: float, channels: int,
) -> np.ndarray:  # fmt: skip
    """(C, H, W) float32 memory map of an image of `shape` (H, W), predicted band by band.

    `read(first, last)` gives the network's input (3, rows, W) for these rows and `predict` its
    maps. The file has no name: it goes away with the array.
    """
    height, width = shape
    with tempfile.TemporaryFile() as file:
        maps = np.memmap(file, np.float32, "w+", shape=(channels, height, width))
    todo = bands(height, patch, overlap, max(2 * patch, TILE))
    for number, (first, last, start, stop) in enumerate(todo, 1):
        found = predict(read(first, last))
        maps[:, start:stop] = found[:, start - first : stop - first]
        leave_to_disk(maps)
        log.info(f"maps: {stop} of {height} rows ({number}/{len(todo)})")
    return maps


def leave_to_disk(maps: np.ndarray) -> None:
    """Take the pages of a memory map out of memory; they come back from its file when read."""
    if isinstance(maps.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        maps.base.madvise(mmap.MADV_DONTNEED)


def decode(
    maps: np.ndarray, decoder: Callable, tile: int = TILE, margin: int = MARGIN
) -> np.ndarray:
    """Instance labels (H, W) int32 of maps (C, H, W), tile by tile; ids 1..n, each used once.

    `decoder(maps)` gives the labels of a part of the image.
    """
    height, width = maps.shape[1:]
    labels, count = np.zeros((height, width), np.int32), 0
    corners = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
    for number, corner in enumerate(corners, 1):
        for box, mask in _own_cells(maps, decoder, np.array(corner), tile, margin):
            count += 1
            inside = labels[box]
            inside[mask & (inside == 0)] = count
        leave_to_disk(maps)
        if len(corners) > 1:
            log.info(f"cells: {count} in {number} of {len(corners)} tiles")
    return labels


def _own_cells(maps, decoder, corner, tile: int, margin: int) -> list[tuple]:
    """The cells whose first pixel lies in the tile: (slices in the image, mask there) of each."""
    shape, cells, safe = np.array(maps.shape[1:]), [], True
    low, high = np.maximum(corner - margin, 0), np.minimum(corner + tile + margin, shape)
    found = decoder(np.ascontiguousarray(maps[:, low[0] : high[0], low[1] : high[1]]))
    for i, box in enumerate(ndimage.find_objects(found), 1):
        if box is None:
            continue
        mask = found[box] == i
        start, stop = (low + [getattr(s, end) for s in box] for end in ("start", "stop"))
        first = start + [0, mask[0].argmax()]
        if ((corner <= first) & (first < corner + tile)).all():
            left = low[1] > 0 and start[1] < low[1] + margin // 2
            safe &= not left and not ((high < shape) & (stop > high - margin // 2)).any()
            cells.append((tuple(map(slice, start, stop)), mask))
    return cells if safe else _own_cells(maps, decoder, corner, tile, 2 * margin)
