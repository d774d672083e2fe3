"""Large images: maps in bands on disk, instances in tiles, the same as from the whole image.

The network's windows lie on one grid, whatever band they are computed in, so their blend is the
same. A cell belongs to the tile that holds its first pixel (topmost, then leftmost) and is decoded
there with a margin around the tile; where a cell comes near the margin's rim the tile is decoded
again with a wider margin. Memory grows with a tile, not with the image; the maps are on disk.
"""

import mmap
import tempfile

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


def maps_on_disk(predict, read, shape, patch: int, overlap: float, channels: int):
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


def leave_to_disk(maps):
    """Take the pages of a memory map out of memory; they come back from its file when read."""
    if isinstance(maps.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        maps.base.madvise(mmap.MADV_DONTNEED)


def decode(maps, decoder, tile: int = TILE, margin: int = MARGIN) -> np.ndarray:
    """Instance labels (H, W) int32 of maps (C, H, W), tile by tile; ids 1..n, each used once."""
    height, width = maps.shape[1:]
    labels, count = np.zeros((height, width), np.int32), 0
    corners = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
    for number, (y, x) in enumerate(corners, 1):
        core = (y, x, min(y + tile, height), min(x + tile, width))
        for box, mask in _own_cells(maps, decoder, core, margin):
            count += 1
            inside = labels[box]
            inside[mask & (inside == 0)] = count
        leave_to_disk(maps)
        if len(corners) > 1:
            log.info(f"cells: {count} in {number} of {len(corners)} tiles")
    return labels


def _own_cells(maps, decoder, core, margin):
    """The cells whose first pixel lies in the core: (slices in the image, mask there) of each."""
    height, width = maps.shape[1:]
    while True:
        region = (
            max(0, core[0] - margin),
            max(0, core[1] - margin),
            min(height, core[2] + margin),
            min(width, core[3] + margin),
        )
        found = decoder(np.ascontiguousarray(maps[:, region[0] : region[2], region[1] : region[3]]))
        cells, safe = [], True
        for i, box in enumerate(ndimage.find_objects(found), 1):
            if box is None:
                continue
            mask = found[box] == i
            top, left = box[0].start + region[0], box[1].start + region[1]
            bottom, right = box[0].stop + region[0], box[1].stop + region[1]
            first = left + int(mask[0].argmax())
            if not (core[0] <= top < core[2] and core[1] <= first < core[3]):
                continue
            near = (
                (region[1] > 0 and left < region[1] + margin // 2)
                or (region[2] < height and bottom > region[2] - margin // 2)
                or (region[3] < width and right > region[3] - margin // 2)
            )
            safe &= not near
            cells.append(((slice(top, bottom), slice(left, right)), mask))
        if safe:
            return cells
        margin *= 2
