"""How many cells were really found: the scores of one image, and of many, by rules that are named.

The default: cells that touch the 2-pixel frame are left out, on both sides; a pair matches at
IoU >= 0.5; images are scored whole, whatever their size; an image without any cell in truth and
prediction scores 1 (nothing to find, nothing found). CHALLENGE and SCRIPT are other sets of rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from twodints_lib.errors import InputError
from twodints_lib.scoring.matching import FRAME, Overlaps, foreground_dice, overlaps, pair
from twodints_lib.scoring.statistics import score_interval

TILED_FROM, TILE = 25_000_000, 2000  # pixels in all, pixels a side
SIZES, EDGES = ("under 13.7 px", "13.7 to 30 px", "over 30 px"), (13.7, 30)
ERRORS = ("not found", "merged", "split", "eroded", "displaced", "spurious")
TOUCH = 0.1  # of a cell's area: less in common is no finding
COUNTS = ("n_true", "n_pred", "tp", "fp", "fn")
RATIOS = ("precision", "recall", "f1", "ap", "sq", "rq", "pq")


@dataclass(frozen=True)
class Rules:
    """How cells are counted."""

    thresholds: tuple[float, ...] = (0.5,)  # IoU of a match
    at_least: bool = True  # IoU >= threshold matches; False: IoU > threshold
    frame: int = FRAME  # pixels; cells that touch this border are left out; 0: none
    empty: float = 1.0  # every score of an image without a cell in truth and prediction
    tiled: bool = False  # images from 25 megapixels on are scored in tiles of 2000 pixels
    details: bool = True  # more than the challenge's columns: qualities, sizes, kinds of errors
    forgets: bool = False  # missed cells of an image or tile without a prediction are not counted
    skips: bool = False  # a truth without a prediction is passed over; False: counts as empty
    digits: int | None = None  # decimal places that scores are rounded to; None: as they are

    def __post_init__(self):
        if not self.thresholds or not all(0 < t <= 1 for t in self.thresholds):
            raise InputError(f"threshold={list(self.thresholds)}: take values over 0, up to 1.")
        if self.frame < 0:
            raise InputError(f"frame={self.frame}: take 0 or more pixels.")

    def at(self, *thresholds: float) -> "Rules":
        """The same rules at other thresholds."""
        return replace(self, thresholds=tuple(map(float, thresholds)))


DEFAULT = Rules()
# What trainings are scored by: an image where nothing matches scores 0, also one without a cell.
CHALLENGE = Rules(empty=0.0, tiled=True, details=False)
# The challenge's script, digit by digit, with what it forgets. Its one overflow is not followed: on
# slides it counts in the labels' own type, which holds 255 cells where that has 8 bits.
SCRIPT = Rules(empty=0.0, tiled=True, forgets=True, skips=True, digits=4)


def score(truth: np.ndarray, pred: np.ndarray, rules: Rules = DEFAULT) -> dict:
    """One image: counts and scores at the first threshold, all thresholds, sizes and errors.

    `truth`, `pred` (H, W) integer labels, memory-mapped ones too. Keys: n_true, n_pred, tp, fp,
    fn, precision, recall, f1, foreground_dice; and where the rules ask for details ap = tp / (tp +
    fp + fn), sq, rq, pq = sq * rq; `thresholds` has the same for each IoU; `sizes` {class: [cells,
    found]}; `errors` {kind: cells} at the first threshold. Raises InputError for arrays that are
    no labels of one shape.
    """
    check(truth, pred)
    if 2 * rules.frame >= min(truth.shape):
        raise InputError(f"frame={rules.frame}: leaves nothing of an image of {truth.shape}.")
    found = [overlaps(t, p, rules.frame) for t, p in parts(truth, pred, rules)]
    matched = [[pair(part, t, rules.at_least) for part in found] for t in rules.thresholds]
    scored = [_scores(found, pairs, rules) for pairs in matched]
    dice = {"foreground_dice": _rounded(foreground_dice(found), rules)}
    if not rules.details:
        return {k: scored[0][k] for k in (*COUNTS, *RATIOS[:3])} | dice
    first = list(zip(found, matched[0], strict=True))
    kinds = [kind for part, own in first for kind in name_errors(part, own)[2]]
    return (
        scored[0]
        | dice
        | {
            "thresholds": {f"{t:g}": row for t, row in zip(rules.thresholds, scored, strict=True)},
            "sizes": dict(zip(SIZES, sum(_sizes(*pair) for pair in first).tolist(), strict=True)),
            "errors": {kind: kinds.count(kind) for kind in ERRORS},
        }
    )


def check(truth: np.ndarray, pred: np.ndarray) -> None:
    """Raise InputError unless both are label images (H, W) of one shape, ids 0 or more."""
    for name, labels in (("truth", truth), ("prediction", pred)):
        if labels.dtype.kind not in "iub":
            raise InputError(f"{name}: holds {labels.dtype} values; save instance ids as integers.")
        if labels.dtype.itemsize > 4 and labels.size and labels.max() >= 2**32:
            raise InputError(f"{name}: holds ids of 2^32 or more; renumber them.")
        if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
            raise InputError(f"{name}: holds negative ids; save it as unsigned integers.")
    if truth.shape != pred.shape or truth.ndim != 2:
        raise InputError(
            f"prediction is {pred.shape} but truth is {truth.shape}; give one size (H, W) for both."
        )


def parts(truth, pred, rules: Rules) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The image, or its 2000-pixel tiles, one at a time, edge tiles filled up with background."""
    if not rules.tiled or truth.size < TILED_FROM:
        yield truth, pred
        return
    for top in range(0, truth.shape[0], TILE):
        for left in range(0, truth.shape[1], TILE):
            yield tuple(_tile(labels, top, left) for labels in (truth, pred))


def _tile(labels, top: int, left: int) -> np.ndarray:
    tile = labels[top : top + TILE, left : left + TILE]
    missing = [(0, TILE - n) for n in tile.shape]
    return np.pad(tile, missing) if tile.shape != (TILE, TILE) else tile


def _scores(parts: list[Overlaps], matched: list[tuple], rules: Rules) -> dict:
    """Counts and ratios of an image's parts and their matches."""
    tp, iou = sum(len(m[0]) for m in matched), sum(float(m[2].sum()) for m in matched)
    n_true = sum(int(part.truth_kept.sum()) for part in parts)
    n_pred = sum(int(part.pred_kept.sum()) for part in parts)
    missed = n_true - tp
    if rules.forgets:
        missed -= sum(int(part.truth_kept.sum()) for part in parts if not part.pred_kept.any())
    values = ratios(tp, n_true, n_pred, iou, rules.empty)
    if rules.digits is not None and tp:  # in the script's own order: its last digit hangs on it
        precision, recall = values["precision"], values["recall"]
        values["f1"] = 2 * (precision * recall) / (precision + recall)
    counts = {"n_true": n_true, "n_pred": n_pred, "tp": tp, "fp": n_pred - tp, "fn": missed}
    return counts | {k: _rounded(v, rules) for k, v in values.items()}


def ratios(tp: int, n_true: int, n_pred: int, iou: float, empty: float) -> dict[str, float]:
    """Every ratio of these counts and this sum of IoU; all are `empty` where there is no cell."""
    if not n_true and not n_pred:
        return dict.fromkeys(RATIOS, empty)
    f1, quality = 2 * tp / (n_true + n_pred), iou / tp if tp else 0.0
    return {
        "precision": tp / n_pred if n_pred else 0.0,
        "recall": tp / n_true if n_true else 0.0,
        "f1": f1,
        "ap": tp / (n_true + n_pred - tp),
        "sq": quality,
        "rq": f1,
        "pq": quality * f1,
    }


def _rounded(value: float, rules: Rules) -> float:
    return value if rules.digits is None else float(np.round(value, rules.digits))


def _sizes(part: Overlaps, matched: tuple) -> np.ndarray:
    """Kept cells of the truth, and those found, of each class of size: (classes, 2)."""
    size = np.digitize(np.sqrt(4 * part.truth_area / np.pi), EDGES)
    some = (size[part.truth_kept], size[matched[0]])
    return np.stack([np.bincount(kind, minlength=len(SIZES)) for kind in some], axis=1)


def name_errors(found: Overlaps, matched: tuple) -> tuple[list[int], list[int], list[str]]:
    """Every unmatched cell, named once: (truth ids, prediction ids, kind of each, in that order).

    A cell of the truth is *merged* where a prediction holds at least half of it and of another
    cell; *split* where two or more predictions lie at least half in it; *eroded* where the one
    that lies in it is too small; *displaced* where one meets it otherwise; *not found* where none
    covers a tenth of it. A prediction is *spurious* where it covers a tenth of no unmatched cell.
    """
    a, b = found.pairs
    of_truth, of_pred = found.pixels / found.truth_area[a], found.pixels / found.pred_area[b]
    n = len(found.truth_area)
    holds = np.bincount(b[of_truth >= 0.5], minlength=len(found.pred_area))  # cells held
    touched = np.bincount(a[of_truth >= TOUCH], minlength=n) > 0
    merged = np.bincount(a[(of_truth >= 0.5) & (holds[b] > 1)], minlength=n) > 0
    inside = np.bincount(a[of_pred >= 0.5], minlength=n)
    kinds = np.select(
        [merged, inside > 1, inside == 1, touched],
        ["merged", "split", "eroded", "displaced"],
        "not found",
    )
    lost = found.truth_kept.copy()
    lost[matched[0]] = False
    alone = found.pred_kept.copy()
    alone[matched[1]] = False
    explained = lost[a] & (np.maximum(of_truth, of_pred) >= TOUCH)
    alone[b[explained]] = False  # named on the side of the truth
    names = [*kinds[lost].tolist(), *["spurious"] * int(alone.sum())]
    return found.truth_ids[lost].tolist(), found.pred_ids[alone].tolist(), names


def summarise(rows: list[dict]) -> dict:
    """Rows of score() and "modality" over images: mean and median of their F1, its mean for each
    modality and over modalities.

    Of rows with details also, together and in "modalities" for each: F1 pooled over all cells, a 95
    % interval of the mean over images, classes of size, kinds of errors, every ratio by threshold.
    """
    groups = {}
    for row in rows:
        groups.setdefault(row["modality"], []).append(row)
    means = {m: float(np.mean([r["f1"] for r in own])) for m, own in groups.items()}
    found = _over(rows) | {
        "modality_mean_f1": float(np.mean(list(means.values()))),
        "per_modality": means,
    }
    if "errors" not in rows[0]:
        return found
    each = {m: {"images": len(own)} | _over(own) | _details(own) for m, own in groups.items()}
    return found | _details(rows) | {"modalities": each}


def _over(rows) -> dict[str, float]:
    f1 = [r["f1"] for r in rows]
    return {"mean_f1": float(np.mean(f1)), "median_f1": float(np.median(f1))}


def _details(rows) -> dict:
    sizes = {name: np.sum([r["sizes"][name] for r in rows], axis=0).tolist() for name in SIZES}
    each = {t: [r["thresholds"][t] for r in rows] for t in rows[0]["thresholds"]}
    return {
        "pooled_f1": pooled(rows)["f1"],
        "pooled": pooled(rows),
        "interval_mean_f1": score_interval([r["f1"] for r in rows]),
        "sizes": {
            name: {"cells": cells, "recall": hit / cells if cells else None}
            for name, (cells, hit) in sizes.items()
        },
        "errors": {kind: sum(r["errors"][kind] for r in rows) for kind in ERRORS},
        "thresholds": {
            t: {
                how: {name: float(of([r[name] for r in own])) for name in RATIOS}
                for how, of in (("mean", np.mean), ("median", np.median))
            } | {"pooled": pooled(own)}
            for t, own in each.items()
        },
    }  # fmt: skip


def pooled(rows: list[dict]) -> dict[str, float]:
    """The ratios of all cells together; where there is none at all, what its images say."""
    tp, n_true, n_pred = (sum(r[key] for r in rows) for key in ("tp", "n_true", "n_pred"))
    iou = sum(r["sq"] * r["tp"] for r in rows)
    return ratios(tp, n_true, n_pred, iou, float(np.mean([r["f1"] for r in rows])))
