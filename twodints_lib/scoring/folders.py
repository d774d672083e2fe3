"""Score a folder of label files against another, as `twodints evaluate` does."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from twodints_lib.data.images import image_files, read_labels
from twodints_lib.errors import InputError
from twodints_lib.files import read_csv, write_csv
from twodints_lib.scoring.scores import COUNTS, DEFAULT, RATIOS, Rules, score, summarise

COLUMNS = ("name", "modality", *COUNTS, *RATIOS, "foreground_dice")


def evaluate(
    pred_dir: Path, truth_dir: Path, rules: Rules = DEFAULT, progress: bool = False
) -> dict:
    """Score a folder of label files against another; pairs share a name up to "_label".

    Returns "rules", what summarise() says of the images, "per_image" with one row each; "missing"
    names truths without a prediction and "without_truth" the opposite. Modalities are taken from a
    manifest.csv beside the truth or up to two folders above it; without one they read "unknown".
    Raises InputError where files are no labels, or differ in size.
    """
    truths, preds = _label_files(truth_dir), _label_files(pred_dir)
    if not set(truths) & set(preds):
        raise InputError(
            f"{pred_dir}: no file shares a name with one in {truth_dir}; predictions are "
            "called <name>_label.tiff."
        )
    modality, rows = _modalities(Path(truth_dir)), []
    names = [name for name in truths if name in preds or not rules.skips]
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
    found = {"rules": asdict(rules)} | summarise(rows) | {"per_image": rows}
    alone = {"missing": truths.keys() - preds.keys(), "without_truth": preds.keys() - truths.keys()}
    return found | {word: sorted(names) for word, names in alone.items()}


def _label_files(folder) -> dict[str, Path]:
    """{name: file} of a folder's label files."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of label files.")
    if not (files := image_files(folder)):
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
        if (table := place / "manifest.csv").is_file():
            return {r["name"]: r["modality"] for r in read_csv(table, ("name", "modality"))}
    return {}


def save_csv(result: dict, path: Path) -> Path:
    """One line an image and threshold; an existing file is not overwritten."""
    if Path(path).exists():
        raise InputError(f"{path}: exists already; move it away or choose another name.")
    rows = [
        (threshold, *((row | values)[c] for c in COLUMNS))
        for row in result["per_image"]
        for threshold, values in row["thresholds"].items()
    ]
    return write_csv(path, ("threshold", *COLUMNS), rows)
