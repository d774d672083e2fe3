"""Score a folder of label files against another, as `twodints evaluate` does."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from twodints_lib.data.images import image_files, name_of, read_ids
from twodints_lib.data.labels import renumber
from twodints_lib.errors import InputError
from twodints_lib.files import read_csv, write_csv
from twodints_lib.scoring.scores import COUNTS, DEFAULT, RATIOS, Rules, score, summarise

COLUMNS = ("name", "modality", *COUNTS, *RATIOS, "foreground_dice")


def evaluate(
    pred_dir: Path, truth_dir: Path, rules: Rules = DEFAULT, progress: bool = False,
    relabel: bool = False,
) -> dict:  # fmt: skip
    """Score a folder of label files against another; pairs share a name up to "_label" and
    such endings. A stack is scored page by page. `relabel`: of masks each piece is a cell.

    Returns "rules", what summarise() says of the images, "per_image" with one row each; "missing"
    names truths without a prediction and "without_truth" the opposite. Modalities are taken from a
    manifest.csv beside the truth or up to two folders above it; without one they read "unknown".
    Raises InputError where files are no labels, or differ in size.
    """
    truths, preds = _label_files(truth_dir), _label_files(pred_dir)
    if not set(truths) & set(preds):
        raise InputError(
            f"{pred_dir}: no file shares a name with one in {truth_dir}: here is "
            f"{next(iter(preds.values())).name}, there {next(iter(truths.values())).name}; call "
            "predictions <name>_label.tiff."
        )
    modality, rows = _modalities(Path(truth_dir)), []
    names = [name for name in truths if name in preds or not rules.skips]
    for name in tqdm(names, unit="image", disable=not progress):
        row = {"name": name, "modality": modality.get(name, "unknown")}
        pages = _pages(truths[name], preds.get(name), relabel)
        for page, (truth, pred) in enumerate(pages, 1):
            try:
                scored = score(truth, pred, rules)
            except InputError as error:
                raise InputError(f"{truths[name]}: {error}") from error
            own = {"name": f"{name} page {page}"} if len(pages) > 1 else {}
            rows.append(row | own | scored)
    found = {"rules": asdict(rules)} | summarise(rows) | {"per_image": rows}
    alone = {"missing": truths.keys() - preds.keys(), "without_truth": preds.keys() - truths.keys()}
    return found | {word: sorted(names) for word, names in alone.items()}


def _pages(truth: Path, pred: Path | None, relabel: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """(truth, prediction) of each page; an empty prediction where there is none."""
    trues = [renumber(page) for page in read_ids(truth, relabel)]
    if pred is None:
        return [(page, np.zeros_like(page)) for page in trues]
    found = [renumber(page) for page in read_ids(pred, relabel)]
    if len(found) != len(trues):
        raise InputError(
            f"{pred}: has {len(found)} pages but {truth} has {len(trues)} pages; give one number."
        )
    for own, page in zip(found, trues, strict=True):
        if own.shape != page.shape:
            raise InputError(f"{pred}: is {own.shape} but {truth} is {page.shape}; give one size.")
    return list(zip(trues, found, strict=True))


def _label_files(folder) -> dict[str, Path]:
    """{name: file} of a folder's label files."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of label files.")
    if not (files := image_files(folder)):
        raise InputError(f"{folder}: holds no label files; give a folder of label files.")
    found = {}
    for path in files:
        name = name_of(path)
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
