"""Tables 3, 4 and 5 of the paper with our rows beside them, from the rows' records alone; and
every other table that `twodints table` prints."""

from pathlib import Path

import numpy as np
import pandas as pd

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.reproduction import (
    claims,
    peers,
    placed_table,
    planted_table,
    results,
    transfer_table,
    verdicts,
)
from twodints_lib.reproduction.results import class_dice, load_rows, mixture, row_difference
from twodints_lib.runs import paper, pretrained, records, report, store
from twodints_lib.runs.setup import begin
from twodints_lib.truth import report as truth

OPEN = "not run"
NO_FRONT = "no record yet: twodints study --only front"
SHAPED = "neurips-shaped"  # drawn images in the challenge's layout
HEADERS = {
    "3": (
        "row", "parameters, paper", "parameters here", "hours, paper", "seconds a step",
        "hours for 2000 epochs of 900 images", "hardware",
    ),
    "4": (
        "row", "patch", "batch", "Dice, paper", "Dice, ours", "Dice minus UNet's",
        "F1 minus UNet's", "seeds", "of interior", "of boundary", "steps", "hours", "hardware",
    ),
    "5": (
        "row", "F1, paper", "F1, ours", "over modalities", "ours minus SegResNet (Deconv)",
        "seeds",
    ),
}  # fmt: skip


def heading(folder: Path) -> str:
    """Which scale the rows of a folder were run at, in words, and what is mixed in a row."""
    rows = [some for some in load_rows(folder).values() if some]
    if not rows:
        return "no record yet: twodints run --row NAME"
    table = pd.json_normalize([r for some in rows for r in some])
    presets, data = table["preset"], table["data"]
    steps, precisions = (sorted(set(table[f"settings.{k}"])) for k in ("max_steps", "precision"))
    words = [
        *sorted(set(presets + " preset on " + data)),
        *["smaller than the paper's"] * (any(presets != "paper") or any(steps)),
        *(f"{n} steps a row" for n in steps if n),
        *["drawn images: no result"] * (SHAPED in set(data)),
        *(p for p in precisions if p != "float32"),
    ]
    return ", ".join(words) + mixture(*rows)


def hardware(record: dict) -> str:
    """Processor or GPU, and the number of processes where there were several."""
    found = record["hardware"]
    name = found["gpu"] or f"{found['cpu']}, {found['cores']} cores"
    return f"{record['processes']} x {name}" if record.get("processes") else name


def told_cells(row: paper.Row) -> dict:
    """What the paper says of a row, by the columns of HEADERS."""
    return {
        "row": row.title,
        "patch": row.patch,
        "batch": row.batch,
        "parameters, paper": f"{row.parameters:,}",
        "hours, paper": f"{row.minutes / 60:.1f}",
        "Dice, paper": f"{row.dice:.3f}",
        "F1, paper": "" if row.f1 is None else f"{row.f1:.3f}",
    }


def our_cells(some: list[dict], every: dict[str, list[dict]]) -> dict:
    """What the records of a row say, beside those of every row, by the columns of HEADERS.

    F1 is that of the test images (the challenge's Tuning) where there are any, else of validation.
    """
    size, first = some[0]["settings"], some[0]["metrics"]
    part = "test" if all("test" in r for r in some) else "metrics"
    dice = np.mean([r["metrics"]["mean_dice"] for r in some])
    f1, over = (np.mean([r[part][k] for r in some]) for k in ("mean_f1", "modality_mean_f1"))
    step = np.median([r["step_seconds"] for r in some])
    hours = step * 2000 * -(-900 // size["batch"]) / 3600
    whole = first["epochs"] * -(-first["training_images"] // size["batch"])

    def gain(other, *score):
        found = row_difference(some, every[other], *score)
        same = some is every[other]
        return "" if same else "under 2 seeds: none" if found is None else str(found)

    return {
        "patch": size["patch"],
        "batch": size["batch"],
        "parameters here": f"{first['network_parameters']:,}",
        "seconds a step": f"{step:.3f}",
        "hours for 2000 epochs of 900 images": f"{hours:.1f}",
        "hardware": hardware(some[0]),
        "Dice, ours": f"{dice:.3f}",
        "Dice minus UNet's": gain("unet"),
        "F1 minus UNet's": gain("unet", "f1"),
        **dict(zip(("of interior", "of boundary"), class_dice(some), strict=True)),
        "seeds": len(some),
        "steps": size["max_steps"] or whole,
        "hours": f"{np.mean([r['seconds'] for r in some]) / 3600:.2f}",
        "F1, ours": f"{f1:.3f}",
        "over modalities": f"{over:.3f}",
        "ours minus SegResNet (Deconv)": gain("segresnet-deconv", "f1", part),
    }


def rows(number: str, folder: Path) -> list[tuple]:
    """Table 3, 4 or 5 under its header, every row of the paper, our records those of one scale."""
    every, lines = load_rows(folder), []
    blank = dict.fromkeys(("parameters here", "seconds a step", "Dice, ours", "F1, ours"), OPEN)
    for row in paper.ROWS:
        some = every[row.name]
        cells = told_cells(row) | (our_cells(some, every) if some else blank)
        lines.append(tuple(cells.get(column, "") for column in HEADERS[number]))
    return lines


def show(number: str, start: str = "") -> str:
    """One table for every scale whose folder's name begins with `start`, as text."""
    found = [
        {p.parent for p in folder.glob(f"{start}*/*-seed-*.json")}
        for folder in (records.ROWS, store.runs_dir() / "rows")
    ]
    # What is no result comes last, a user's own runs after ours.
    folders = [f for some in found for f in sorted(some, key=lambda f: (SHAPED in f.name, f))]
    if not folders:
        raise InputError(
            f"--rows {start}: no records of such rows; run one with `twodints run --row NAME`."
        )
    texts = (
        report.text_table(HEADERS[number], rows(number, f), f"Table {number}: {heading(f)}")
        for f in folders
    )
    return "\n\n".join(texts)


def text(name: str, start: str = "", data: str = "simulated", save: str | None = None) -> str:
    """A table by the name that the command knows it by; `start` and `data` as its options."""
    if name in HEADERS:
        return show(name, start)
    if name == "parameters":
        return report.text_table(report.PARAMETER_HEADER, report.parameter_rows())
    if name == "cells":
        setup = begin("laptop", data, 2022)
        statistics = report.measure_cells(setup.dataset)
        if save:
            files.write_json(save, store.record(setup, {"table": "cells"}, statistics, 0))
        return report.text_table(report.CELL_HEADER, report.cell_rows(statistics))
    if name in truth.TABLES:
        whole = name == "truth" and start
        return report.markdown(*(truth.details(start) if whole else truth.TABLES[name]()))
    if name in report.BENCH_TABLES:
        header, make = report.BENCH_TABLES[name]
        return report.markdown(header, make(files.read_json(records.HOME / f"bench-{name}.json")))
    if name == "front":
        study = results.load_study("front", data)
        table = report.markdown(verdicts.FRONT_HEADER, verdicts.front_rows(study))
        return f"{results.caption(study)}\n\n{table}" if study else NO_FRONT
    header, make = {
        "planted": (
            planted_table.HEADER,
            lambda: planted_table.rows(results.load_study("planted")),
        ),
        "placed": (
            placed_table.HEADER,
            lambda: placed_table.rows(results.load_study("placed")),
        ),
        "transfer": (
            transfer_table.HEADER,
            lambda: transfer_table.rows(results.load_study("transfer")),
        ),
        "doors": (report.DOOR_HEADER, report.door_rows),
        "claims": (claims.HEADER, lambda: claims.table(claims.settled())),
        "peers": (peers.HEADER, peers.rows),
        "pretrained": (pretrained.HEADER, pretrained.rows),
        "presets": (report.PRESET_HEADER, lambda: report.preset_rows(report.course_records())),
    }[name]
    return report.markdown(header, make())
