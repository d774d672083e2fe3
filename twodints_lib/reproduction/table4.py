"""Run the rows of the paper's Table 4, at their true size or at the scale of another preset.

A preset scales all rows alike: `paper` is 256 pixels, batch 16, width 1 and 8 blocks, and what
another preset has instead is what every row is multiplied by. Table 4's Dice is most likely the
supernet's own (Table 3 counts it), so a DiNTS row is a supernet trained the paper's way.
Every row and seed leaves one record; a row that has one is not run again.
"""

import os
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from twodints_lib import files, messages
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.messages import log
from twodints_lib.reproduction.study import slim
from twodints_lib.runs import paper, settings, store
from twodints_lib.runs.settings import typed
from twodints_lib.runs.setup import Setup, begin
from twodints_lib.scoring.statistics import paired_bootstrap
from twodints_lib.space.specs import SupernetSpec
from twodints_lib.training import distributed, loop, search
from twodints_lib.training.patches import load_samples

RECORDS = files.shipped("records") / "rows"
WHOLE = settings.PAPER  # 256 pixels, batch 16, width 1, 8 blocks


def setup_of(name: str, preset: str, data: str, seed: int, **given) -> Setup:
    """The setup of a row: the preset's numbers, times what the row has more or less of.

    `given` replaces single values, for example max_steps or a batch that fits the memory.
    """
    row, base = paper.row(name), settings.load(preset)
    sizes = {
        "patch": base.patch * row.patch // WHOLE.patch,
        "batch": max(1, base.batch * row.batch // WHOLE.batch),
    }
    if isinstance(row.spec, SupernetSpec):
        sizes["channel_mul"] = base.channel_mul * row.spec.channel_mul
        sizes["num_blocks"] = max(2, base.num_blocks * row.spec.num_blocks // WHOLE.num_blocks)
    return begin(preset, data, seed, **sizes | given)


def folder_of(setup: Setup, steps: bool = False) -> Path:
    """Where the records of a scale lie: the reproduction's own in the repository, others among the
    runs."""
    kept = setup.preset.name in ("quarter", "paper")
    base = RECORDS if kept else store.runs_dir() / "rows"
    capped = f"-{setup.preset.max_steps}-steps" if steps else ""
    return base / f"{setup.preset.name}-{setup.dataset.name}{capped}"


def run_row(name: str, preset: str, data: str, seed: int, **given) -> Path:
    """Train a row and write its record, or find it; the record's path."""
    setup = setup_of(name, preset, data, seed, **given)
    path = folder_of(setup, "max_steps" in given) / f"{name}-seed-{seed}.json"
    if distributed.agree(path.is_file()):
        found = files.read_json(path)
        if (found["settings"], found["data_hash"]) != (asdict(setup.preset), setup.dataset.hash):
            raise InputError(
                f"{path}: was made with other settings or data; move it away to run it anew."
            )
        log.info(f"{path.name}: found, run before")
        return path
    row = paper.row(name)
    log.info(f"{row.title}: {setup.preset.patch} px, batch {setup.preset.batch}, seed {seed}")
    if isinstance(row.spec, SupernetSpec):
        run = search.search_supernet(setup, names=row.spec.names)
    else:
        run = loop.train_network(setup, row.spec, setup.preset.baseline_epochs)
    if distributed.rank() == 0:
        record = files.read_json(run / "record.json")
        history = files.read_json(run / "history.json")["history"]
        more = {"row": name, "step_seconds": step_seconds(history, record)}
        more |= {"modality_dice": modality_dice(record["metrics"]["per_image"])}
        more |= {"curve": [{k: r[k] for k in ("epoch", "loss", "dice")} for r in history]}
        more |= {"test": test_scores(setup, run)} if tested(setup) else {}
        files.write_json(path, slim(record) | more)
    distributed.agree(None)
    return path


def tested(setup) -> list:
    """The labelled test images: of the challenge, the tuning set that Table 5 is about."""
    return [i for i in setup.dataset.items if i.split == "test" and i.label]


def test_scores(setup, run) -> dict:
    """The test images' scores, one image in memory at a time."""
    net, _ = predict.load_network(run)
    found = []
    for item in tested(setup):
        found += predict.score_samples(net, load_samples([item]), setup.preset.patch)
    return slim({"metrics": predict.summary(found)})["metrics"]


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
    """Mean class Dice over the images of each modality."""
    found = {}
    for r in per_image:
        found.setdefault(r["modality"], []).append(np.nan if r["dice"] is None else r["dice"])
    return {modality: float(np.nanmean(values)) for modality, values in found.items()}


def load(folder) -> dict[str, list[dict]]:
    """{row name: its records over seeds} of one scale."""
    found = {row.name: [] for row in paper.ROWS}
    for path in sorted(Path(folder).glob("*-seed-*.json")):
        record = files.read_json(path)
        found[record["row"]].append(record)
    return found


def scales(folder=None) -> list[Path]:
    """The folders of all scales that have records."""
    return sorted({p.parent for p in Path(folder or RECORDS).glob("*/*-seed-*.json")})


def scores(records: list[dict], score: int = 0, part: str = "metrics") -> dict[int, list[float]]:
    """{seed: one score an image}; `score` 0: Dice, 1: F1; `part`: metrics (validation) or test."""
    found = {}
    for r in records:
        values = [v[score] for v in r[part]["images"].values()]
        found[r["seed"]] = [np.nan if v is None else v for v in values]
    return found


def difference(ours: list[dict], theirs: list[dict], score=0, part="metrics") -> tuple | None:
    """Mean difference of two rows and its 95 % interval, paired by seed and image; None where
    they share fewer than two seeds: one seed's interval knows nothing of trainings."""
    a, b = scores(ours, score, part), scores(theirs, score, part)
    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < 2:
        return None
    pair = np.array([[a[s] for s in seeds], [b[s] for s in seeds]], float)
    known = ~np.isnan(pair).any((0, 1))  # an image without a class has no Dice
    return paired_bootstrap(*pair[:, :, known])


def run_rows(names: list[str], preset: str, data: str, given: dict[str, str]):
    """Rows of Table 4 by name, or "all", with the texts of -p options; in several processes where
    torchrun or accelerate started some."""
    os.environ.pop("TWODINTS_PRESET", None)  # the preset asked for here must win
    distributed.start()
    messages.show(quiet=distributed.rank() > 0)
    kinds = {f.name: f.type for f in fields(settings.Preset)} | {"seed": int}
    for name in given:
        if name not in kinds or name in ("name", "is_result", "minutes"):
            raise InputError(f"-p {name}: no such value; known are {', '.join(kinds)}.")
    values = {"seed": 2022} | {k: typed(k, v, kinds[k]) for k, v in given.items()}
    names = list(paper.BY_NAME) if names == ["all"] else names
    for name in names:
        paper.row(name)  # a wrong name is told before the first training
    for name in names:
        path = run_row(name, preset, data, **values)
        log.info(f"record: {path}")
