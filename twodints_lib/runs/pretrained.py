"""Trained networks that come with the project, each with its record and the hash of its weights.

A folder of pretrained/ is a run's folder: record.json, history.json and best.pt, under 2 MB.
"""

import shutil
from pathlib import Path

from twodints_lib import files
from twodints_lib.errors import InputError

HOME = files.shipped("pretrained")
LIMIT = 2 * 10**6  # bytes of weights
HEADER = ("name", "trained on", "parameters", "MB", "seed", "F1 over modalities", "by modality")


def names() -> list[str]:
    """What there is."""
    return sorted(p.parent.name for p in HOME.glob("*/record.json"))


def folder(model: str | Path) -> Path:
    """The folder of a run, or of a pretrained network by its name."""
    path = Path(model)
    if path.is_dir():
        return path
    if str(model) not in names():
        raise InputError(
            f"{model}: no such run; give a run's folder or one of {', '.join(names())}."
        )
    return HOME / str(model)


def check(path: Path, record: dict) -> None:
    """InputError unless the weights are those that the record names, where it names any."""
    wanted = record.get("weights_sha256")
    if wanted and files.digest(path) != wanted:
        raise InputError(f"{path}: is not what its record names; take it from the repository anew.")


def keep(run: str | Path, name: str) -> Path:
    """Copy a finished run to pretrained/<name>; its record gets the weights' hash."""
    run, target = Path(run), HOME / name
    record = files.read_json(run / "record.json")
    weights = run / "best.pt"
    if not files.in_checkout():
        raise InputError(f"{name}: is kept in a clone of the repository; this install is none.")
    if target.exists():
        raise InputError(f"{target}: exists already; choose another name.")
    if not record["is_result"] or "spec" not in record["parameters"]:
        raise InputError(f"{run}: is no trained network, or a smoke run; give a real one.")
    if weights.stat().st_size > LIMIT:
        raise InputError(f"{weights}: is over {LIMIT // 10**6} MB; store a smaller network.")
    record["metrics"].pop("per_image", None)
    with files.whole_folder(target) as partial:
        partial.mkdir()
        shutil.copy(weights, partial / "best.pt")
        shutil.copy(run / "history.json", partial / "history.json")
        files.write_json(
            partial / "record.json", record | {"weights_sha256": files.digest(weights)}
        )
    return target


def scores_of(record: dict) -> dict:
    """The F1 summary of a trained network's record by the decoder that goes with it."""
    ways, name = record["metrics"].get("representations"), record.get("representation", "distance")
    return ways.get(f"{name}, tuned", ways[name]) if ways else record["metrics"]


def best() -> str:
    """The shipped network with the highest F1 over modalities on micro4's validation images.

    On one data set, since F1 of different images does not compare; and on real images, since a
    network that learned drawn cells is no tool for others.
    """
    records = {name: files.read_json(HOME / name / "record.json") for name in names()}
    f1 = {n: scores_of(r)["modality_mean_f1"] for n, r in records.items() if r["data"] == "micro4"}
    if not f1:
        raise InputError(f"{HOME}: holds no network; give --model: the folder of a training run.")
    return max(f1, key=f1.__getitem__)


def rows() -> list[tuple]:
    """The model card's table, under HEADER."""
    found = []
    for name in names():
        r = files.read_json(HOME / name / "record.json")
        scores, size = scores_of(r), (HOME / name / "best.pt").stat().st_size / 10**6
        each = ", ".join(f"{m} {f1:.2f}" for m, f1 in scores["per_modality"].items())
        count = f"{r['metrics']['network_parameters']:,}"
        over = f"{scores['modality_mean_f1']:.2f}"
        found.append((name, r["data"], count, f"{size:.1f}", r["seed"], over, each))
    return found
