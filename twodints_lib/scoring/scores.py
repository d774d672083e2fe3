"""Score folders of label images by conventions that are named, and say what went wrong.

The default: cells that touch the 2-pixel frame are left out, on both sides; a pair matches at
IoU >= 0.5; images are scored whole, whatever their size; an image without any cell in truth and
prediction scores 1 (nothing to find, nothing found); a truth without a prediction counts as an
empty prediction. `compat="neurips22"` follows the challenge's script instead, digit by digit:
2000-pixel tiles from 25 megapixels on, F1 0 where nothing matches, missed cells of an empty
prediction not counted, missing predictions passed over, values rounded to four digits.
"""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from twodints_lib.data.images import IMAGE_SUFFIXES, read_labels
from twodints_lib.errors import InputError
from twodints_lib.scoring import matching
from twodints_lib.scoring.matching import Overlaps, overlaps, pair
from twodints_lib.scoring.statistics import interval

SIZES = {"under 13.7 px": (0, 13.7), "13.7 to 30 px": (13.7, 30), "over 30 px": (30, np.inf)}
ERRORS = ("not found", "merged", "split", "eroded", "displaced", "spurious")
TOUCH = 0.1  # of a cell's area: less in common is no finding


@dataclass(frozen=True)
class Rules:
    """How cells are counted."""

    thresholds: tuple[float, ...] = (0.5,)
    at_least: bool = True  # IoU >= threshold matches; False: IoU > threshold
    frame: int = matching.FRAME  # pixels; cells that touch this border are left out; 0: none
    compat: str = ""  # "neurips22": the challenge's script, see above

    def __post_init__(self):
        if self.compat not in ("", "neurips22"):
            raise InputError(f"compat={self.compat!r} is not known; take neurips22 or nothing.")
        if not self.thresholds or not all(0 < t <= 1 for t in self.thresholds):
            raise InputError(f"threshold={list(self.thresholds)}: take values over 0, up to 1.")
        if self.frame < 0:
            raise InputError(f"frame={self.frame}: take 0 or more pixels.")


def check(truth, pred):
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


def score(truth, pred, rules: Rules = Rules()) -> dict:
    """One image: counts and scores at the first threshold, all thresholds, sizes and errors.

    `truth`, `pred` (H, W) integer labels, memory-mapped ones too. Keys: n_true, n_pred, tp, fp,
    fn, precision, recall, f1, ap = tp / (tp + fp + fn), pq = sq * rq; `thresholds` has the same
    for each IoU; `sizes` {class: [cells, found]}; `errors` {kind: cells} at the first threshold.
    """
    check(truth, pred)
    if 2 * rules.frame >= min(truth.shape):
        raise InputError(f"frame={rules.frame}: leaves nothing of an image of {truth.shape}.")
    whole = not rules.compat
    parts = [(truth, pred)] if whole else matching.tiles(truth, pred)
    found = [overlaps(t, p, rules.frame) for t, p in parts]
    by_threshold = {f"{t:g}": _counts(found, t, rules) for t in rules.thresholds}
    row = dict(next(iter(by_threshold.values())))
    row["foreground_dice"] = _round(matching.foreground_dice(found), rules)
    first = rules.thresholds[0]
    sizes, errors = {name: [0, 0] for name in SIZES}, dict.fromkeys(ERRORS, 0)
    for part in found:
        matched = pair(part, first, rules.at_least)
        _add_sizes(sizes, part, matched[0])
        for kind in name_errors(part, matched)[2]:
            errors[kind] += 1
    return row | {"thresholds": by_threshold, "sizes": sizes, "errors": errors}


def _counts(parts: list[Overlaps], threshold, rules) -> dict:
    matched = [pair(part, threshold, rules.at_least) for part in parts]
    tp, iou = sum(len(m[0]) for m in matched), sum(float(m[2].sum()) for m in matched)
    n_true = sum(int(part.truth_kept.sum()) for part in parts)
    n_pred = sum(int(part.pred_kept.sum()) for part in parts)
    empty = 1.0 if not n_true and not n_pred and not rules.compat else 0.0
    either = n_true + n_pred - tp
    # The script counts no missed cells in a tile, or image, without a prediction.
    missed = sum(
        int(part.truth_kept.sum()) - len(m[0])
        for part, m in zip(parts, matched, strict=True)
        if not rules.compat or part.pred_kept.any()
    )
    precision, recall = (tp / n if n else empty for n in (n_pred, n_true))
    f1 = 2 * tp / (n_true + n_pred) if tp else empty
    if rules.compat and tp:  # in the script's own order: its last digit is rounded after
        f1 = 2 * (precision * recall) / (precision + recall)
    values = {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "ap": tp / either if either else empty,
        "sq": iou / tp if tp else empty,
        "rq": 2 * tp / (n_true + n_pred) if tp else empty,
    }
    values["pq"] = values["sq"] * values["rq"]
    counts = {"n_true": n_true, "n_pred": n_pred, "tp": tp, "fp": n_pred - tp, "fn": missed}
    return counts | {k: _round(v, rules) for k, v in values.items()}


def _round(value, rules):
    return float(np.round(value, 4)) if rules.compat else value


def _add_sizes(sizes, part, matched):
    diameter = np.sqrt(4 * part.truth_area / np.pi)
    hit = np.zeros(len(diameter), bool)
    hit[matched] = True
    for name, (low, high) in SIZES.items():
        own = part.truth_kept & (diameter >= low) & (diameter < high)
        sizes[name][0] += int(own.sum())
        sizes[name][1] += int((own & hit).sum())


def name_errors(found: Overlaps, matched) -> tuple[list, list, list[str]]:
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


def evaluate(pred_dir, truth_dir, rules: Rules = Rules(), progress: bool = False) -> dict:
    """Score a folder of label files against another; pairs share a name up to "_label".

    Returns mean, median and pooled F1, the same per modality with 95 % bootstrap intervals, size
    classes, errors, and one row an image; "missing" names truths without a prediction and
    "without_truth" the opposite. Modalities are taken from a manifest.csv beside the truth or up
    to two folders above it; without one they read "unknown".
    """
    truths, preds = _label_files(truth_dir), _label_files(pred_dir)
    if not set(truths) & set(preds):
        raise InputError(
            f"{pred_dir}: no file shares a name with one in {truth_dir}; predictions are "
            "called <name>_label.tiff."
        )
    modality, rows = _modalities(Path(truth_dir)), []
    names = [name for name in truths if name in preds or not rules.compat]
    for name in tqdm(names, unit="image", disable=not progress):
        truth = read_labels(truths[name])
        pred = read_labels(preds[name]) if name in preds else np.zeros_like(truth)
        if pred.shape != truth.shape:
            raise InputError(
                f"{preds[name]}: is {pred.shape} but {truths[name]} is {truth.shape}; "
                "give one size."
            )
        row = {"name": name, "modality": modality.get(name, "unknown")}
        rows.append(row | score(truth, pred, rules))
    missing = sorted(set(truths) - set(preds))
    extra = sorted(set(preds) - set(truths))
    found = {"rules": asdict(rules)} | summarise(rows)
    return found | {"per_image": rows, "missing": missing, "without_truth": extra}


def summarise(rows: list[dict]) -> dict:
    """Rows of score() over images: mean, median, pooled; per modality with intervals."""
    pooled = _pooled(rows)
    groups = {m: [r for r in rows if r["modality"] == m] for m in {r["modality"]: 0 for r in rows}}
    return matching.summarise(rows) | {
        "pooled_f1": pooled["f1"],
        "pooled": pooled,
        "interval_mean_f1": interval([r["f1"] for r in rows]),
        "modalities": {
            m: {
                "images": len(own),
                "mean_f1": float(np.mean([r["f1"] for r in own])),
                "median_f1": float(np.median([r["f1"] for r in own])),
                "interval_mean_f1": interval([r["f1"] for r in own]),
                "pooled_f1": _pooled(own)["f1"],
                "errors": {k: sum(r["errors"][k] for r in own) for k in ERRORS},
            }
            for m, own in groups.items()
        },
        "sizes": {
            name: {"cells": cells, "recall": hit / cells if cells else None}
            for name in SIZES
            for cells, hit in [np.sum([r["sizes"][name] for r in rows], axis=0).tolist()]
        },
        "errors": {kind: sum(r["errors"][kind] for r in rows) for kind in ERRORS},
        "thresholds": {t: _aggregates([r["thresholds"][t] for r in rows])
                       for t in rows[0]["thresholds"]},
    }  # fmt: skip


RATIOS = ("precision", "recall", "f1", "ap", "sq", "rq", "pq")


def _aggregates(rows) -> dict:
    """{"mean", "median", "pooled": every ratio} of one threshold's rows."""
    columns = {name: [r[name] for r in rows] for name in RATIOS}
    return {
        "mean": {name: float(np.mean(v)) for name, v in columns.items()},
        "median": {name: float(np.median(v)) for name, v in columns.items()},
        "pooled": _pooled(rows),
    }


def _pooled(rows) -> dict:
    """The ratios of all cells together; where there is none at all, what its images say."""
    tp, n_true, n_pred = (sum(r[key] for r in rows) for key in ("tp", "n_true", "n_pred"))
    if not n_true and not n_pred:
        return {name: float(np.mean([r[name] for r in rows])) for name in RATIOS}
    quality = sum(r["sq"] * r["tp"] for r in rows) / tp if tp else 0.0
    f1 = 2 * tp / (n_true + n_pred)
    return {
        "precision": tp / n_pred if n_pred else 0.0,
        "recall": tp / n_true if n_true else 0.0,
        "f1": f1,
        "ap": tp / (n_true + n_pred - tp),
        "sq": quality,
        "rq": f1,
        "pq": quality * f1,
    }


def _label_files(folder) -> dict[str, Path]:
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of label files.")
    files = sorted(p for p in folder.glob("[!.]*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise InputError(f"{folder}: holds no label files; give a folder of label files.")
    found = {}
    for path in files:
        name = path.stem.removesuffix("_label")
        if name in found:
            raise InputError(f"{path}: {found[name].name} has the same name; keep one of the two.")
        found[name] = path
    return found


def _modalities(folder: Path) -> dict[str, str]:
    for place in (folder, *folder.resolve().parents[:2]):
        if (place / "manifest.csv").is_file():
            with open(place / "manifest.csv", newline="") as file:
                rows = list(csv.DictReader(file))
            return {r["name"]: r["modality"] for r in rows if {"name", "modality"} <= r.keys()}
    return {}


COUNTS = ("name", "modality", "n_true", "n_pred", "tp", "fp", "fn")
COLUMNS = (*COUNTS, *RATIOS, "foreground_dice")


def write_csv(result: dict, path):
    """One line an image and threshold; an existing file is not overwritten."""
    if Path(path).exists():
        raise InputError(f"{path}: exists already; move it away or choose another name.")
    with open(path, "x", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("threshold", *COLUMNS))
        for row in result["per_image"]:
            for threshold, values in row["thresholds"].items():
                every = row | values
                writer.writerow((threshold, *(every[c] for c in COLUMNS)))
