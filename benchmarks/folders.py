"""`make check-folders`: odd folders that training takes, each through every notebook at smoke.

    python benchmarks/folders.py [--only "one validation image"]

Each kind is a folder of drawn cells with one thing odd about it. A kind is tried once a notebook:
it holds where the notebook runs to its end. What is finished is kept in
records/check-folders.json and not run again unless --only names it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import tifffile

from twodints_lib import files
from twodints_lib.data import images
from twodints_lib.data.dataset import Item, open_data
from twodints_lib.runs import environment, notebooks

RECORD = files.ROOT / "records" / "check-folders.json"
EACH = {"train": 4, "val": 2}  # images a modality
SIDE = 96  # pixels


Picture = tuple[str, str, str, np.ndarray, np.ndarray]  # split, modality, name, (C, H, W), labels


def drawn() -> list[Picture]:
    """Some images a modality and split of the drawn data, a window of each."""
    found: list[Picture] = []
    data = open_data("simulated")
    for split, count in EACH.items():
        for modality in data.modalities:
            for item in data.split(split, modality)[:count]:
                found.append((split, modality, item.name, *_window(item)))
    return found


def _window(item: Item) -> tuple[np.ndarray, np.ndarray]:
    image, labels = images.read_pair(item)
    image = np.moveaxis(np.atleast_3d(image), -1, 0)  # (C, H, W)
    return image[:, :SIDE, :SIDE], labels[:SIDE, :SIDE]


def empty(pictures: Iterable[Picture], of: str = "") -> list[Picture]:
    """The same, without a cell in the labels of a split, or of all."""
    return [(s, *rest, y * 0) if s == of or not of else (s, *rest, y) for s, *rest, y in pictures]


def only(pictures: Iterable[Picture], keep: Callable[[str, str], bool]) -> list[Picture]:
    """Those whose split and modality are to be kept."""
    return [p for p in pictures if keep(p[0], p[1])]


def channels(pictures: Iterable[Picture], count: int) -> list[Picture]:
    """The same with so many channels, the first again and again; a fourth is opaque."""
    opaque = [np.full((1, SIDE, SIDE), 255, np.uint8)]
    return [
        (*told, np.concatenate([x[:1]] * min(count, 3) + (opaque if count == 4 else [])), y)
        for *told, x, y in pictures
    ]


def one_val(pictures: list[Picture]) -> list[Picture]:
    """The training images and one validation image."""
    return [p for p in pictures if p[0] == "train"] + [p for p in pictures if p[0] == "val"][:1]


def kinds() -> dict[str, list[Picture]]:
    """What is odd: the pictures."""
    every = drawn()
    first, second = every[0][1], sorted({p[1] for p in every})[-1]
    return {
        "one validation image": one_val(every),
        "validation without cells": empty(every, "val"),
        "a modality in validation alone": only(every, lambda s, m: s == "val" or m != second),
        "a modality in training alone": only(every, lambda s, m: s == "train" or m != second),
        "one modality": only(every, lambda s, m: m == first),
        "two channels": channels(every, 2),
        "colours and alpha": channels(every, 4),
    }


def write(folder: Path, pictures: Iterable[Picture]) -> None:
    """As a user would have them: train/images, train/labels, val/..., modality.csv."""
    rows = []
    for split, modality, name, pixels, labels in pictures:
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True, exist_ok=True)
        shown = np.moveaxis(pixels, 0, -1) if len(pixels) > 2 else pixels
        how = {"photometric": "rgb"} if len(pixels) > 2 else {"photometric": "minisblack"}
        how |= {"extrasamples": ["unassalpha"]} if len(pixels) == 4 else {}
        how |= {"planarconfig": "separate"} if len(pixels) == 2 else {}
        shown = shown[0] if len(pixels) == 1 else shown
        tifffile.imwrite(folder / split / "images" / f"{name}.tif", shown, **how)
        label = labels.astype(np.uint16)
        tifffile.imwrite(folder / split / "labels" / f"{name}_label.tiff", label)
        rows.append((name, modality))
    files.write_csv(folder / "modality.csv", ("name", "modality"), rows)


def through(folder: Path, place: Path) -> dict[str, int]:
    """{"tried", "held"}: notebooks run on a folder, and those that came to their end."""
    held, names = 0, [p.stem for p in notebooks.every()]
    given = {**os.environ, "TWODINTS_RUNS": str(place)}
    for name in names:
        asked = ["run", "--preset", "smoke", "--data", str(folder), "--only", name]
        asked += ["--out", str(place / name)]
        run = subprocess.run(
            [sys.executable, "-m", "twodints_lib.cli", *asked],
            env=given, capture_output=True, text=True,
        )  # fmt: skip
        held += run.returncode == 0
        print(f"{folder.name}, {name}: {'ok' if run.returncode == 0 else run.stderr}", flush=True)
    return {"tried": len(names), "held": held}


def main() -> int:
    """Run what has no record yet; 1 where a notebook stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], choices=list(kinds()))
    asked = parser.parse_args().only
    found = files.read_json(RECORD) if RECORD.is_file() else {}
    for kind, pictures in kinds().items():
        if (kind in found and kind not in asked) or (asked and kind not in asked):
            continue
        with tempfile.TemporaryDirectory(prefix="folders-") as place:
            folder = Path(place) / kind
            write(folder, pictures)
            found[kind] = through(folder, Path(place) / "runs")
        files.write_json(RECORD, found | environment.origin())
    told = [found[kind] for kind in kinds() if kind in found]
    return int(any(t["held"] < t["tried"] for t in told))


if __name__ == "__main__":
    sys.exit(main())
