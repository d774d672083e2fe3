"""Run the rows of the paper's Table 4, at their true size or at the scale of another preset.

A preset scales all rows alike: `paper` is 256 pixels, batch 16, width 1 and 8 blocks, and what
another preset has instead is what every row is multiplied by. Table 4's Dice is most likely the
supernet's own (Table 3 counts it), so a DiNTS row is a supernet trained the paper's way.
Every row and seed leaves one record; a row that has one is not run again.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from twodints_lib import files, messages
from twodints_lib.data.dataset import Item
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.messages import log
from twodints_lib.runs import paper, records, settings, store
from twodints_lib.runs.setup import Setup, begin
from twodints_lib.space.specs import Spec, SupernetSpec
from twodints_lib.training import distributed, loop, search
from twodints_lib.training.patches import load_samples

WHOLE = settings.PAPER  # 256 pixels, batch 16, width 1, 8 blocks


def row_setup(name: str, preset: str, data: str, seed: int, **given) -> Setup:
    """The setup of a row: the preset's numbers, times what the row has more or less of.

    `given` replaces single values, for example max_steps or a batch that fits the memory; what is
    UNSET in it stays the row's.
    """
    row, base = paper.row(name), settings.load(preset)
    sizes = {
        "patch": base.patch * row.patch // WHOLE.patch,
        "batch": max(1, base.batch * row.batch // WHOLE.batch),
    }
    if isinstance(row.spec, SupernetSpec):
        sizes["channel_mul"] = base.channel_mul * row.spec.channel_mul
        sizes["num_blocks"] = max(2, base.num_blocks * row.spec.num_blocks // WHOLE.num_blocks)
    return begin(preset, data, seed, **sizes | _set(given))


def _set(given: dict) -> dict:
    return {k: v for k, v in given.items() if v != settings.UNSET.get(type(v))}


def folder_of(setup: Setup, steps: bool = False) -> Path:
    """Where the records of a scale lie: the reproduction's own in the repository, others among the
    runs, as all do where there is no repository."""
    kept = setup.preset.name in ("quarter", "paper") and files.in_checkout()
    base = records.ROWS if kept else store.runs_dir() / "rows"
    capped = f"-{setup.preset.max_steps}-steps" if steps else ""
    return base / f"{store.scale(setup)}{capped}"


def made_of(setup: Setup, spec: Spec) -> str:
    """The key of all that a row's numbers depend on; sweeps and records of rows are held to it."""
    told = {k: v for k, v in asdict(setup.preset).items() if k != "minutes"}
    inputs = {"settings": told, "data": setup.dataset.hash, "seed": setup.seed}
    return store.key(inputs | {"spec": spec.json()})


def sweep_scale(preset: str, data: str, steps: str = "0") -> str:
    """The folder of a sweep's notebooks: of these data, this cap and today's code alone."""
    largest = "dints-1-8-six"  # has all operations
    setup = row_setup(largest, preset, data, 0, max_steps=int(steps))
    made = made_of(setup, row_spec(setup, largest))
    return f"{folder_of(setup, steps != '0').name}-{made}"


def row_spec(setup: Setup, name: str) -> Spec:
    """The network of a row at this scale."""
    spec = paper.row(name).spec
    return SupernetSpec.of(setup.preset, spec.names) if isinstance(spec, SupernetSpec) else spec


def run_row(name: str, preset: str, data: str, seed: int, **given) -> Path:
    """Train a row and write its record, or find it; the record's path.

    InputError where a record is there that other settings or data made.
    """
    setup, row = row_setup(name, preset, data, seed, **given), paper.row(name)
    path = folder_of(setup, "max_steps" in _set(given)) / f"{name}-seed-{seed}.json"
    made = made_of(setup, row_spec(setup, name))
    if distributed.agree(path.is_file()):
        values = {k: v for k, v in asdict(setup.preset).items() if k != "minutes"}
        spec = {"spec": row_spec(setup, name).json()}
        wanted = {"settings": values, "data_hash": setup.dataset.hash, "parameters": spec}
        found = files.read_json(path)
        records.check_made(path, found, wanted)
        # The repository's own stay through changes of the code; one among the runs is what a
        # training of today's code says, and is written anew from that.
        if path.is_relative_to(records.ROWS) or found.get("made") == made:
            log.info(f"{path.name}: found, run before")
            return path
    log.info(f"{row.title}: {setup.preset.patch} px, batch {setup.preset.batch}, seed {seed}")
    if isinstance(row.spec, SupernetSpec):
        run = search.search_supernet(setup, names=row.spec.names)
    else:
        run = loop.train_network(setup, row.spec, setup.preset.baseline_epochs)
    if distributed.rank() == 0:
        files.write_json(path, row_record(name, setup, run) | {"made": made})
    distributed.agree(None)
    return path


def row_record(name: str, setup: Setup, run: Path) -> dict:
    """The record of a row from its run: slim, with its curve, its speed and Dice by modality."""
    record = files.read_json(run / "record.json")
    history = files.read_json(run / "history.json")["history"]
    # Labelled test images: of the challenge, the tuning set that Table 5 is about.
    tested = [i for i in setup.dataset.items if i.split == "test" and i.label]
    return (
        records.slim(record)
        | ({"test": test_scores(run, tested)} if tested else {})
        | {
            "row": name,
            "step_seconds": step_seconds(history, record),
            "modality_dice": modality_dice(record["metrics"]["per_image"]),
            "curve": [{k: r[k] for k in ("epoch", "loss", "dice")} for r in history],
        }
    )


def test_scores(run: Path, items: list[Item]) -> dict:
    """The scores of a run's network on test images, one image in memory at a time."""
    net, record = predict.load_network(run)
    patch = record["parameters"]["recipe"]["patch"]
    rows = [r for i in items for r in predict.score_samples(net, load_samples([i]), patch)]
    return records.slim({"metrics": predict.summary(rows)})["metrics"]


def step_seconds(history: list[dict], record: dict) -> float:
    """Median seconds of a training step without the validations, from the second epoch on."""
    settings = record["settings"]
    whole = -(-record["metrics"]["training_images"] // settings["batch"])
    found = []
    for row in history:
        left = settings["max_steps"] - (row["epoch"] - 1) * whole  # of the last epoch, a part
        steps = min(whole, left) if settings["max_steps"] else whole
        found.append((row["seconds"] - (row.get("validation_seconds") or 0)) / steps)
    return float(np.median(found[1:] or found))


def modality_dice(per_image: list[dict]) -> dict[str, float]:
    """Mean class Dice over the images of each modality, where any of them has one."""
    found = pd.DataFrame(per_image).groupby("modality", sort=False)["dice"]
    return found.apply(lambda dice: dice.astype(float).mean()).dropna().to_dict()


def run_rows(names: Sequence[str], preset: str, data: str, given: dict[str, str]) -> None:
    """Rows of Table 4 by name, or "all", with the texts of -p options; in several processes where
    torchrun or accelerate started some."""
    os.environ.pop("TWODINTS_PRESET", None)  # the preset asked for here must win
    distributed.start()
    messages.show(quiet=distributed.rank() > 0)
    kinds = settings.OVERRIDES | {"seed": int}
    for name in given.keys() - kinds.keys():
        raise InputError(f"-p {name}: no such value; known are {', '.join(kinds)}.")
    values = {"seed": 2022} | {k: settings.typed(k, v, kinds[k]) for k, v in given.items()}
    rows = paper.ROWS if list(names) == ["all"] else [paper.row(name) for name in names]
    for row in rows:
        log.info(f"record: {run_row(row.name, preset, data, **values)}")
