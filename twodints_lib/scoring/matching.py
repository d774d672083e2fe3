"""Which true and which found cells are the same: overlaps of two label images, and best pairs.

An instance that touches the 2-pixel frame is left out of both sides, and a pair matches at IoU >=
0.5: the challenge's conventions. What is counted from the pairs, and how, says scores.py.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

FRAME = 2  # pixels
BLOCK = 1_000_000  # pixels counted together: memory stays flat on whole slides
CACHE = 2**16  # pixels whose runs are looked for together: what a core's own cache holds


def overlap_table(truth, pred) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of ids that meet in some pixel: (truth ids, prediction ids, pixels in common).

    Id 0 is background and is kept. Runs of equal pairs are counted rather than pixels, so time
    and memory grow with pixels and never with cells squared.
    """
    width = int(pred.max(initial=0)) + 1
    size = (int(truth.max(initial=0)) + 1) * width
    if size <= BLOCK:  # few cells: a small table beats sorting
        table = np.zeros(size, np.int64)
        for t, p, pixels in (_runs(*strip) for strip in _strips(truth, pred, CACHE)):
            np.add.at(table, t.astype(np.int64) * width + p.astype(np.int64), pixels)
        keys = np.flatnonzero(table)
        return keys // width, keys % width, table[keys]
    found = [_count(*_runs(*strip)) for strip in _strips(truth, pred, BLOCK)]
    return found[0] if len(found) == 1 else _count(*map(np.concatenate, zip(*found, strict=True)))


def _strips(truth, pred, pixels: int):
    """Both images in strips of whole rows, about so many pixels each."""
    rows = max(1, pixels // max(1, truth.shape[1]))
    for top in range(0, truth.shape[0], rows):
        yield truth[top : top + rows], pred[top : top + rows]


def _runs(truth, pred) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal pairs along the rows: truth id, prediction id and pixels of each."""
    t, p = truth.ravel(), pred.ravel()
    begins = np.ones(t.size, bool)
    np.not_equal(t[1:], t[:-1], out=begins[1:])
    begins[1:] |= p[1:] != p[:-1]
    starts = np.flatnonzero(begins)
    return t[starts], p[starts], np.diff(starts, append=t.size)


def _count(a, b, pixels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs (a, b), each once and in order, with the sum of their pixels."""
    keys = a.astype(np.uint64) << np.uint64(32) | b.astype(np.uint64)
    keys, index = np.unique(keys, return_inverse=True)
    sums = np.bincount(index, pixels).astype(np.int64)
    return (keys >> np.uint64(32)).astype(np.int64), (keys & 0xFFFFFFFF).astype(np.int64), sums


def frame_ids(labels, width: int = FRAME) -> np.ndarray:
    """Ids with a pixel in the frame of this width, background excluded."""
    strips = (labels[:width], labels[-width:], labels[:, :width], labels[:, -width:])
    ids = np.concatenate([s.ravel() for s in strips])
    ids = np.append(ids[:-1][ids[1:] != ids[:-1]], ids[-1:])  # runs: few are left to sort
    return np.setdiff1d(ids, [0])


@dataclass(frozen=True)
class Overlaps:
    """The cells of one image or tile and where truth and prediction meet.

    Cells are numbered 0, 1, ... in the order of their ids; `kept` leaves out the frame's.
    """

    truth_ids: np.ndarray
    pred_ids: np.ndarray
    truth_area: np.ndarray  # pixels, background not among them
    pred_area: np.ndarray
    truth_kept: np.ndarray  # bool
    pred_kept: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]  # indices of cells that meet
    pixels: np.ndarray  # in common, of each pair

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each pair."""
        a, b = self.pairs
        return self.pixels / (self.truth_area[a] + self.pred_area[b] - self.pixels)


def overlaps(truth, pred, frame: int = FRAME) -> Overlaps:
    """What matching needs to know of two label images (H, W); `frame` 0 keeps all cells."""
    truth_ids, pred_ids, pixels = overlap_table(truth, pred)
    sides = []
    for ids, labels in ((truth_ids, truth), (pred_ids, pred)):
        names, index = np.unique(ids, return_inverse=True)
        area = np.bincount(index, pixels).astype(np.int64)
        kept = ~np.isin(names, frame_ids(labels, frame)) if frame else np.ones(len(names), bool)
        first = int(len(names) > 0 and names[0] == 0)  # the background is no cell
        sides.append((names[first:], area[first:], kept[first:], index - first))
    (a_ids, a_area, a_kept, a), (b_ids, b_area, b_kept, b) = sides
    both = (a >= 0) & (b >= 0)
    pairs = (a[both], b[both])
    return Overlaps(a_ids, b_ids, a_area, b_area, a_kept, b_kept, pairs, pixels[both])


def pair(
    found: Overlaps, threshold: float = 0.5, at_least: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matched cells: indices in truth, in prediction, and their IoU, pair by pair.

    The largest one-to-one set of kept cells with IoU >= threshold (`at_least`) or > threshold;
    of several such sets the one with the highest sum of IoU.
    """
    iou = found.iou
    a, b = found.pairs
    good = (iou >= threshold if at_least else iou > threshold) & (iou > 0)
    good &= found.truth_kept[a] & found.pred_kept[b]
    a, b, iou = a[good], b[good], iou[good]
    # Above 0.5 a cell has one partner at most; at 0.5 and below several can compete.
    rivals = (np.bincount(a)[a] > 1) | (np.bincount(b)[b] > 1) if len(a) else np.zeros(0, bool)
    if not rivals.any():
        return a, b, iou
    keep = ~rivals
    chosen = np.flatnonzero(rivals)[_best_of(a[rivals], b[rivals], iou[rivals])]
    keep[chosen] = True
    return a[keep], b[keep], iou[keep]


def _best_of(a, b, iou) -> np.ndarray:
    """Positions of the best one-to-one pairs among rivals: most pairs first, then highest IoU."""
    nodes = len(np.unique(a)), len(np.unique(b))
    a, b = np.unique(a, return_inverse=True)[1], np.unique(b, return_inverse=True)[1]
    graph = csr_array((np.ones(len(a)), (a, nodes[0] + b)), shape=(sum(nodes), sum(nodes)))
    group = connected_components(graph, directed=False)[1][a]
    chosen = []
    for g in np.unique(group):
        own = np.flatnonzero(group == g)
        rows, row = np.unique(a[own], return_inverse=True)
        columns, column = np.unique(b[own], return_inverse=True)
        gain, position = np.zeros((len(rows), len(columns))), np.full((len(rows), len(columns)), -1)
        gain[row, column], position[row, column] = 1 + iou[own] / (2 * len(own)), own
        picked = position[linear_sum_assignment(gain, maximize=True)]
        chosen += picked[picked >= 0].tolist()
    return np.array(chosen, int)


def matched_ids(truth, pred, threshold: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the matched cells in truth and in prediction, pair by pair."""
    found = overlaps(truth, pred)
    a, b, _ = pair(found, threshold)
    return found.truth_ids[a], found.pred_ids[b]


def foreground_dice(parts: list[Overlaps]) -> float:
    """Dice of cell against background over an image's parts; 1 when both are empty."""
    total = sum(int(part.truth_area.sum() + part.pred_area.sum()) for part in parts)
    return 2 * sum(int(part.pixels.sum()) for part in parts) / total if total else 1.0
