"""The challenge's instance metric, and Dice: how many cells were really found.

Conventions, all the challenge's own: an instance that touches the 2-pixel frame is dropped from
truth and from prediction before anything is counted; a pair matches at IoU >= 0.5; F1 is taken
per image and then averaged over images; an image where nothing matches scores 0, an image
without any cell included. Images of 25 megapixels or more are scored in 2000-pixel tiles.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from twodints_lib.errors import InputError
from twodints_lib.images import IMAGE_SUFFIXES, read_labels

FRAME = 2  # pixels
TILED_FROM, TILE = 25_000_000, 2000  # pixels in all, pixels a side
BLOCK = 4_000_000  # pixels looked at together: memory stays flat on whole slides


def overlap_table(truth, pred) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of ids that meet in some pixel: (truth ids, prediction ids, pixels in common).

    Id 0 is background and is kept. Runs of equal pairs are counted rather than pixels, so time
    and memory grow with pixels and never with cells squared.
    """
    rows = max(1, BLOCK // max(1, truth.shape[1]))
    keys, counts = [], []
    for top in range(0, truth.shape[0], rows):
        block = truth[top : top + rows].astype(np.uint64).ravel() << np.uint64(32)
        block |= pred[top : top + rows].astype(np.uint64).ravel()
        starts = np.concatenate([[0], np.flatnonzero(block[1:] != block[:-1]) + 1])
        lengths = np.diff(np.append(starts, block.size))
        unique, index = np.unique(block[starts], return_inverse=True)
        keys.append(unique)
        counts.append(np.bincount(index, lengths))
    unique, index = np.unique(np.concatenate(keys), return_inverse=True)
    pixels = np.bincount(index, np.concatenate(counts)).astype(np.int64)
    return (
        (unique >> np.uint64(32)).astype(np.int64),
        (unique & 0xFFFFFFFF).astype(np.int64),
        pixels,
    )


def frame_ids(labels, width: int = FRAME) -> np.ndarray:
    """Ids with a pixel in the frame of this width, background excluded."""
    strips = (labels[:width], labels[-width:], labels[:, :width], labels[:, -width:])
    return np.setdiff1d(np.concatenate([s.ravel() for s in strips]), [0])


def match(truth, pred, threshold: float = 0.5) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Pair the cells of one image or tile, the frame's cells left out.

    Returns the ids of matched cells in truth and in prediction (pair by pair), and how many cells
    each holds. The pairs are the largest one-to-one set with IoU >= threshold.
    """
    truth_ids, pred_ids, pixels = overlap_table(truth, pred)
    truth_area = np.bincount(truth_ids, pixels)
    pred_area = np.bincount(pred_ids, pixels)
    kept_truth, kept_pred = truth_area > 0, pred_area > 0
    kept_truth[np.append(frame_ids(truth), 0)] = False
    kept_pred[np.append(frame_ids(pred), 0)] = False
    union = truth_area[truth_ids] + pred_area[pred_ids] - pixels
    good = (pixels >= threshold * union) & kept_truth[truth_ids] & kept_pred[pred_ids]
    # Above 0.5 a cell has one partner at most; at 0.5 and below several can compete.
    shape = (truth_area.size, pred_area.size)
    graph = csr_array((np.ones(good.sum()), (truth_ids[good], pred_ids[good])), shape=shape)
    partner = maximum_bipartite_matching(graph, perm_type="column")  # of each truth id, or -1
    found = np.flatnonzero(partner >= 0)
    return found, partner[found], int(kept_truth.sum()), int(kept_pred.sum())


def matched_ids(truth, pred, threshold: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the matched cells in truth and in prediction, pair by pair."""
    return match(truth, pred, threshold)[:2]


def foreground_dice(truth, pred) -> float:
    """Dice of cell against background; 1 when both are empty."""
    a, b = truth > 0, pred > 0
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def score_image(truth, pred, threshold: float = 0.5) -> dict:
    """The challenge's row for one image: labels (H, W) each, integers, 0 for background."""
    if truth.shape != pred.shape:
        raise InputError(
            f"prediction is {pred.shape} but truth is {truth.shape}; give one size for both."
        )
    tiles = [(truth, pred)]
    if truth.size >= TILED_FROM:
        tiles = zip(_tiles(truth), _tiles(pred), strict=True)
    matched = [match(t, p, threshold) for t, p in tiles]
    tp = sum(len(found) for found, _, _, _ in matched)
    n_true, n_pred = sum(m[2] for m in matched), sum(m[3] for m in matched)
    return {
        "n_true": n_true,
        "n_pred": n_pred,
        "tp": tp,
        "fp": n_pred - tp,
        "fn": n_true - tp,
        "precision": tp / n_pred if n_pred else 0.0,
        "recall": tp / n_true if n_true else 0.0,
        "f1": 2 * tp / (n_true + n_pred) if tp else 0.0,
        "foreground_dice": foreground_dice(truth, pred),
    }


def _tiles(labels):
    height, width = (-(-n // TILE) * TILE for n in labels.shape)
    padding = [(0, height - labels.shape[0]), (0, width - labels.shape[1])]
    padded = np.pad(labels, padding)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            yield padded[top : top + TILE, left : left + TILE]


def summarise(rows: list[dict]) -> dict:
    """Mean and median of per-image F1, the same per modality, and the mean over modalities."""
    f1 = [r["f1"] for r in rows]
    per_modality = {
        m: float(np.mean([r["f1"] for r in rows if r["modality"] == m]))
        for m in dict.fromkeys(r["modality"] for r in rows)
    }
    return {
        "mean_f1": float(np.mean(f1)),
        "median_f1": float(np.median(f1)),
        "modality_mean_f1": float(np.mean(list(per_modality.values()))),
        "per_modality": per_modality,
    }


def evaluate(pred_dir, truth_dir, threshold: float = 0.5) -> dict:
    """Score a folder of label files against another; pairs share a name up to "_label".

    A truth without a prediction counts as an empty prediction and is listed under "missing"
    (the challenge's script leaves it out of the mean). Modalities are taken from a manifest.csv
    beside the truth or up to two folders above it; without one they read "unknown".
    """
    truths, preds = _label_files(truth_dir), _label_files(pred_dir)
    if not set(truths) & set(preds):
        raise InputError(
            f"{pred_dir}: no file shares a name with one in {truth_dir}; predictions are "
            "called <name>_label.tiff."
        )
    modality = _modalities(Path(truth_dir))
    rows = []
    for name, path in truths.items():
        truth = read_labels(path)
        pred = read_labels(preds[name]) if name in preds else np.zeros_like(truth)
        if pred.shape != truth.shape:
            raise InputError(
                f"{preds[name]}: is {pred.shape} but {path} is {truth.shape}; give one size."
            )
        row = {"name": name, "modality": modality.get(name, "unknown")}
        rows.append(row | score_image(truth, pred, threshold))
    missing = sorted(set(truths) - set(preds))
    extra = sorted(set(preds) - set(truths))
    return summarise(rows) | {"per_image": rows, "missing": missing, "without_truth": extra}


def _label_files(folder) -> dict[str, Path]:
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of label files.")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise InputError(f"{folder}: holds no label files; give a folder of label files.")
    return {p.stem.removesuffix("_label"): p for p in files}


def _modalities(folder: Path) -> dict[str, str]:
    for place in (folder, *folder.resolve().parents[:2]):
        if (place / "manifest.csv").is_file():
            with open(place / "manifest.csv", newline="") as file:
                return {r["name"]: r["modality"] for r in csv.DictReader(file) if "modality" in r}
    return {}
