"""Tables 3, 4 and 5 of the paper with our rows beside them, from the records of rows.py alone; and
every other table that `twodints table` prints."""

import numpy as np

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.reproduction import claims, table4
from twodints_lib.runs import paper, pretrained, report, store
from twodints_lib.runs.setup import begin

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


def hardware(record: dict) -> str:
    """Processor or GPU, and the number of processes where there were several."""
    found = record["hardware"]
    name = found["gpu"] or f"{found['cpu']}, {found['cores']} cores"
    return f"{record['processes']} x {name}" if record.get("processes") else name


def heading(folder) -> str:
    """Which scale the rows of a folder were run at, in words."""
    records = [r for some in table4.load(folder).values() for r in some]
    if not records:
        return "no record yet: twodints run --row NAME"
    settings = {k: {r["settings"][k] for r in records} for k in ("max_steps", "precision")}
    first = records[0]
    words = [f"{first['preset']} preset on {first['data']}"]
    if first["preset"] != "paper" or settings["max_steps"] != {0}:
        words.append("smaller than the paper's")
    words += [f"{n} steps a row" for n in sorted(settings["max_steps"]) if n]
    if first["data"] == SHAPED:
        words.append("drawn images: no result")
    return ", ".join(words + sorted(settings["precision"] - {"float32"}))


def interval(found) -> str:
    """A difference with its interval, or why there is none."""
    if found is None:
        return "under 2 seeds: none"
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(*found)


def mean(records, key) -> float:
    """A metric's mean over records."""
    return float(np.mean([r["metrics"][key] for r in records]))


def table_3(folder) -> list[tuple]:
    """Rows under HEADER_3: sizes and times."""
    found = []
    for row in paper.ROWS:
        some = table4.load(folder)[row.name]
        known = (row.title, f"{row.parameters:,}")
        if not some:
            found.append((*known, OPEN, f"{row.minutes / 60:.1f}", OPEN, OPEN, ""))
            continue
        seconds = float(np.median([r["step_seconds"] for r in some]))
        batch = some[0]["settings"]["batch"]
        hours = seconds * 2000 * np.ceil(900 / batch) / 3600
        size = f"{some[0]['metrics']['network_parameters']:,}"
        found.append(
            (*known, size, f"{row.minutes / 60:.1f}", f"{seconds:.3f}", f"{hours:.1f}",
             hardware(some[0]))
        )  # fmt: skip
    return found


def table_4(folder) -> list[tuple]:
    """Rows under HEADER_4: Dice, mean over seeds, and the paired difference to UNet."""
    every, found = table4.load(folder), []
    for row in paper.ROWS:
        some = every[row.name]
        if not some:
            found.append((row.title, row.patch, row.batch, f"{row.dice:.3f}", OPEN, *[""] * 5))
            continue
        settings = some[0]["settings"]
        gain = "" if row.name == "unet" else interval(table4.difference(some, every["unet"]))
        hours = f"{np.mean([r['seconds'] for r in some]) / 3600:.2f}"
        steps = settings["max_steps"] or some[0]["metrics"]["epochs"] * int(
            np.ceil(some[0]["metrics"]["training_images"] / settings["batch"])
        )
        found.append(
            (row.title, settings["patch"], settings["batch"], f"{row.dice:.3f}",
             f"{mean(some, 'mean_dice'):.3f}", gain, len(some), steps, hours, hardware(some[0]))
        )  # fmt: skip
    return found


def table_5(folder) -> list[tuple]:
    """Rows under HEADER_5: F1 of the test images (Tuning) where there are any, else of val."""
    every, found = table4.load(folder), []
    for row in paper.ROWS:
        some = every[row.name]
        told = "" if row.f1 is None else f"{row.f1:.3f}"
        if not some:
            found.append((row.title, told, OPEN, "", "", ""))
            continue
        part = "test" if all("test" in r for r in some) else "metrics"
        f1, over = (
            float(np.mean([r[part][k] for r in some])) for k in ("mean_f1", "modality_mean_f1")
        )
        other = every["segresnet-deconv"]
        same = row.name == "segresnet-deconv"
        gain = "" if same else interval(table4.difference(some, other, 1, part))
        found.append((row.title, told, f"{f1:.3f}", f"{over:.3f}", gain, len(some)))
    return found


TABLES = {"3": (HEADER_3, table_3), "4": (HEADER_4, table_4), "5": (HEADER_5, table_5)}


def show(number: str, start: str = "") -> str:
    """One table for every scale whose folder's name begins with `start`, as text."""
    header, make = TABLES[number]
    folders = [f for f in table4.scales() if f.name.startswith(start)]
    folders.sort(key=lambda f: SHAPED in f.name)  # what is no result comes last
    folders += [f for f in table4.scales(store.runs_dir() / "rows") if f.name.startswith(start)]
    if not folders:
        raise InputError(
            f"--rows {start}: no records of such rows; run one with `twodints run --row NAME`."
        )
    texts = [report.text_table(header, make(f), f"Table {number}: {heading(f)}") for f in folders]
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
        record = files.read_json(files.shipped("records") / f"bench-{name}.json")
        return report.markdown(header, make(record))
    if name == "parameters":
        return report.text_table(report.PARAMETER_HEADER, report.parameter_rows())
    setup = begin("laptop", data, 2022)
    statistics = report.measure_cells(setup.dataset)
    if save:
        files.write_json(save, store.record(setup, {"table": "cells"}, statistics, 0))
    return report.text_table(report.CELL_HEADER, report.cell_rows(statistics))
