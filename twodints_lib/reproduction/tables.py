"""Tables 3, 4 and 5 of the paper with our rows beside them, from the rows' records alone; and
every other table that `twodints table` prints."""

from pathlib import Path

import numpy as np
import pandas as pd

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.reproduction import claims
from twodints_lib.reproduction.results import load_rows, mixture, row_difference
from twodints_lib.runs import paper, pretrained, records, report, store
from twodints_lib.runs.setup import begin
from twodints_lib.scoring.statistics import Difference

OPEN = "not run"
SHAPED = "neurips-shaped"  # drawn images in the challenge's layout
HEADER_3 = (
    "row", "parameters, paper", "parameters here", "hours, paper",
    "seconds a step", "hours for 2000 epochs of 900 images", "hardware",
)  # fmt: skip
HEADER_4 = (
    "row", "patch", "batch", "Dice, paper", "Dice, ours", "ours minus UNet", "seeds",
    "steps", "hours", "hardware",
)  # fmt: skip
HEADER_5 = (
    "row", "F1, paper", "F1, ours", "over modalities", "ours minus SegResNet (Deconv)", "seeds",
)  # fmt: skip


def heading(folder: Path) -> str:
    """Which scale the rows of a folder were run at, in words, and what is mixed in a row."""
    rows = [some for some in load_rows(folder).values() if some]
    if not rows:
        return "no record yet: twodints run --row NAME"
    table = pd.json_normalize([r for some in rows for r in some])
    scale = table["preset"] + " preset on " + table["data"]
    steps, precisions = table["settings.max_steps"], table["settings.precision"]
    words = sorted(scale.unique())
    if any(table["preset"] != "paper") or any(steps != 0):
        words.append("smaller than the paper's")
    words += [f"{n} steps a row" for n in sorted(set(steps)) if n]
    if SHAPED in set(table["data"]):
        words.append("drawn images: no result")
    words += sorted(set(precisions) - {"float32"})
    return ", ".join(words) + mixture(*rows)


def hardware(record: dict) -> str:
    """Processor or GPU, and the number of processes where there were several."""
    found = record["hardware"]
    name = found["gpu"] or f"{found['cpu']}, {found['cores']} cores"
    return f"{record['processes']} x {name}" if record.get("processes") else name


def interval(found: Difference | None) -> str:
    """A difference with its interval, or why there is none."""
    return "under 2 seeds: none" if found is None else str(found)


def table_3(folder: Path) -> list[tuple]:
    """Rows under HEADER_3: sizes and times."""
    found = []
    for row, some in zip(paper.ROWS, load_rows(folder).values(), strict=True):
        ours = (OPEN, OPEN, OPEN, "")
        if some:
            seconds = float(np.median([r["step_seconds"] for r in some]))
            hours = seconds * 2000 * np.ceil(900 / some[0]["settings"]["batch"]) / 3600
            size = f"{some[0]['metrics']['network_parameters']:,}"
            ours = (size, f"{seconds:.3f}", f"{hours:.1f}", hardware(some[0]))
        theirs = (row.title, f"{row.parameters:,}", f"{row.minutes / 60:.1f}")
        found.append((*theirs[:2], ours[0], theirs[2], *ours[1:]))
    return found


def table_4(folder: Path) -> list[tuple]:
    """Rows under HEADER_4: Dice, mean over seeds, and the paired difference to UNet."""
    every, found = load_rows(folder), []
    for row in paper.ROWS:
        some, size = every[row.name], {"patch": row.patch, "batch": row.batch}
        ours = (OPEN, *[""] * 5)
        if some:
            size, told = some[0]["settings"], some[0]["metrics"]
            gain = interval(row_difference(some, every["unet"])) if row.name != "unet" else ""
            hours = np.mean([r["seconds"] for r in some]) / 3600
            dice = np.mean([r["metrics"]["mean_dice"] for r in some])
            steps = size["max_steps"] or told["epochs"] * -(
                -told["training_images"] // size["batch"]
            )
            ours = (f"{dice:.3f}", gain, len(some), steps, f"{hours:.2f}", hardware(some[0]))
        found.append((row.title, size["patch"], size["batch"], f"{row.dice:.3f}", *ours))
    return found


def table_5(folder: Path) -> list[tuple]:
    """Rows under HEADER_5: F1 of the test images (Tuning) where there are any, else of val."""
    every, found = load_rows(folder), []
    for row in paper.ROWS:
        some, other, ours = every[row.name], every["segresnet-deconv"], (OPEN, "", "", "")
        if some:
            part = "test" if all("test" in r for r in some) else "metrics"
            f1 = [np.mean([r[part][k] for r in some]) for k in ("mean_f1", "modality_mean_f1")]
            gain = "" if some is other else interval(row_difference(some, other, "f1", part))
            ours = (*(f"{x:.3f}" for x in f1), gain, len(some))
        found.append((row.title, "" if row.f1 is None else f"{row.f1:.3f}", *ours))
    return found


TABLES = {"3": (HEADER_3, table_3), "4": (HEADER_4, table_4), "5": (HEADER_5, table_5)}


def scales(folder: Path) -> list[Path]:
    """The folders of all scales that have records."""
    return sorted({p.parent for p in Path(folder).glob("*/*-seed-*.json")})


def show(number: str, start: str = "") -> str:
    """One table for every scale whose folder's name begins with `start`, as text."""
    header, make = TABLES[number]
    folders = sorted(scales(records.ROWS), key=lambda f: SHAPED in f.name)  # no result comes last
    folders += scales(store.runs_dir() / "rows")
    texts = [
        report.text_table(header, make(f), f"Table {number}: {heading(f)}")
        for f in folders
        if f.name.startswith(start)
    ]
    if not texts:
        raise InputError(
            f"--rows {start}: no records of such rows; run one with `twodints run --row NAME`."
        )
    return "\n\n".join(texts)


def text(name: str, start: str = "", data: str = "simulated", save: str | None = None) -> str:
    """A table by the name that the command knows it by; `start` and `data` as its options."""
    if name in TABLES:
        return show(name, start)
    if name == "claims":
        return report.markdown(claims.HEADER, claims.table(claims.settled()))
    if name == "pretrained":
        return report.markdown(pretrained.HEADER, pretrained.rows())
    if name == "presets":
        return report.markdown(report.PRESET_HEADER, report.preset_rows(report.course_records()))
    if name in report.BENCH_TABLES:
        header, make = report.BENCH_TABLES[name]
        return report.markdown(header, make(files.read_json(records.HOME / f"bench-{name}.json")))
    if name == "parameters":
        return report.text_table(report.PARAMETER_HEADER, report.parameter_rows())
    setup = begin("laptop", data, 2022)
    statistics = report.measure_cells(setup.dataset)
    if save:
        files.write_json(save, store.record(setup, {"table": "cells"}, statistics, 0))
    return report.text_table(report.CELL_HEADER, report.cell_rows(statistics))
