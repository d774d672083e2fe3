"""Studies of the search: what it earned against controls. `make study`, over as many sittings.

Every training is one job with a record of its own, records/study/<study>/<job>.json: a job that has
one is not run again. The scale is small and stated in each record; nothing here is the paper's.
"""

import dataclasses
import os

import numpy as np
import torch

from twodints_lib import files
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.messages import log
from twodints_lib.reproduction import tiny
from twodints_lib.runs import environment
from twodints_lib.runs.setup import Setup, begin
from twodints_lib.space import topology
from twodints_lib.training import diagnose, search
from twodints_lib.training.replay import best_epoch
from twodints_lib.training.search import Plan

RECORDS = files.shipped("records") / "study"
SEEDS = (1, 2, 3)
SCALE = {
    "patch": 64,
    "batch": 8,
    "channel_mul": 0.125,
    "num_blocks": 4,
    "num_depths": 4,
    "search_epochs": 30,
    "derived_epochs": 40,
    "arch_rate": 0.02,
    "val_start": 10,
    "val_every": 10,
}
# Large enough that a step's time is the network's, not the loader's.
SAMPLING = SCALE | {"patch": 128, "batch": 4, "channel_mul": 0.25, "search_epochs": 12}
SAMPLING |= {"derived_epochs": 30, "val_start": 30}
# Validated often: which epoch is best depends on the score it is chosen by.
INSTANCES = SCALE | {"val_start": 3, "val_every": 3}
# The official weight rate is made for thousands of steps; a short search needs a faster one.
PLANS = {
    "paper": Plan(),
    "sampled": Plan(paths="sampled"),
    "dints": Plan("dints", weight_rate=0.1, warmup=0.25),
    "dints, normalised": Plan(
        "dints", weight_rate=0.1, warmup=0.25, scaling="normalised", budget=0.5, ceiling=True
    ),
}
SEARCHED = tuple(f"searched: {name}" for name in PLANS)
CONTROLS = (
    "random 1",
    "random 2",
    "untouched alphas",
    *(f"fixed: {shape}" for shape in topology.SHAPES),
)


def setup_of(data: str, seed: int, scale: dict) -> Setup:
    """The laptop preset at the study's scale."""
    return begin("laptop", data, seed, **scale)


def place(study: str, data: str) -> str:
    """The folder of a study's records on a data set; InputError where there is no such set."""
    name = open_data(data).name
    return study if name == "simulated" else f"{study}-{name}"


def once(study: str, job: str, make) -> dict:
    """The record of a job: read where it exists, else made by `make()` and written."""
    name = job.replace(":", "").replace(" ", "-").replace(",", "")
    path = RECORDS / study / f"{name}.json"
    if not path.is_file():
        log.info(f"{study}: {job}")
        files.write_json(path, make())
    return files.read_json(path)


def code_of(setup: Setup, variant: str) -> dict:
    """The code that a variant trains: searched, random, decoded from untouched alphas, or fixed."""
    blocks, depths = setup.preset.num_blocks, setup.preset.num_depths
    kind, _, name = variant.partition(": ")
    if kind == "searched":
        return search.found_code(search.search_supernet(setup, PLANS[name]))
    if kind == "fixed":
        return topology.known_shape(name, blocks, depths)
    if variant == "untouched alphas":
        return topology.decode(*search.untouched(setup))
    if variant.startswith("random"):
        return topology.random_code(blocks, depths, 100 * setup.seed + int(variant[-1]))
    raise InputError(f"variant={variant!r} is not known to the study.")


def control_job(data: str, variant: str, seed: int) -> dict:
    """Train one variant from scratch; its record holds one Dice and F1 an image."""
    setup = setup_of(data, seed, SCALE)
    folder = search.train_code(setup, code_of(setup, variant))
    record = slim(files.read_json(folder / "record.json"))
    if variant.startswith("searched"):
        plan = PLANS[variant.partition(": ")[2]]
        scores = search.three_scores(setup, plan)
        record["three"] = {
            name: {k: s[k] for k in ("mean_dice", "mean_f1")} for name, s in scores.items()
        }
        found = search.search_supernet(setup, plan)
        record["search_seconds"] = files.read_json(found / "record.json")["seconds"]
        history = files.read_json(found / "history.json")["history"]
        before, after = search.untouched(setup), search.alphas(predict.load_network(found)[0])
        record["moved"] = [diagnose.moved(a, b) for a, b in zip(after, before, strict=True)]
        record["margin"] = topology.margin(after[0])
        shares = [row["shares"] for row in history if "shares" in row]
        record["shares"] = {"first": shares[0], "last": shares[-1]} if shares else None
    return record


def sampling_job(data: str, plan: str, seed: int) -> dict:
    """A search with all paths or with sampled ones, its time, and its network trained anew."""
    setup = setup_of(data, seed, SAMPLING)
    folder = search.search_supernet(setup, PLANS[plan])
    found = search.train_code(setup, search.found_code(folder))
    seconds = files.read_json(folder / "record.json")["seconds"]
    return slim(files.read_json(found / "record.json")) | {"search_seconds": seconds}


def slim(record: dict) -> dict:
    """A run's record with one Dice and F1 an image, and none of the rest of its rows."""
    rows = record["metrics"].pop("per_image")
    record["metrics"]["images"] = {r["name"]: [r["dice"], r["f1"]] for r in rows}
    return record


def modality_job(data: str, modality: str, which: str, seed: int) -> dict:
    """Search on all modalities (joint) or on this one (own); retrain on this one; score it."""
    scale = SCALE | {"derived_epochs": 4 * SCALE["derived_epochs"] // 2}
    joint = setup_of(data, seed, SCALE)
    own = dataclasses.replace(setup_of(data, seed, scale), only=modality)
    # A quarter of the images, four times the epochs: as many steps as the joint search.
    longer = dataclasses.replace(own.preset, search_epochs=4 * SCALE["search_epochs"])
    searching = dataclasses.replace(own, preset=longer) if which == "own" else joint
    code = search.found_code(search.search_supernet(searching, PLANS["paper"]))
    return slim(files.read_json(search.train_code(own, code) / "record.json"))


def instance_job(data: str, head: str, score: str, seed: int) -> dict:
    """Search with a head, take the code of the epoch best by dice or f1, retrain it as a ladder."""
    setup = setup_of(data, seed, INSTANCES)
    select = "dice" if head == "3-class" else "f1"
    folder = search.search_supernet(setup, PLANS["paper"], head=head, select=select)
    history = files.read_json(folder / "history.json")["history"]
    chosen = best_epoch(history, score)
    code = topology.decode(np.array(chosen["alpha_a"]), np.array(chosen["alpha_c"]))
    record = files.read_json(search.train_code(setup, code, "ladder") / "record.json")
    ladder = record["metrics"].pop("representations")
    record["ladder"] = {
        name: {"mean_f1": s["mean_f1"], "f1": s["f1"]} for name, s in ladder.items()
    }
    scores = {key: chosen[key] for key in ("epoch", "dice", "f1")}
    return slim(record) | {"chosen": scores, "code": code}


def tiny_table(data: str, seed: int) -> dict:
    """Train every network of the tiny space once, with what made the table."""
    setup = setup_of(data, seed, tiny.SCALE)
    return {
        "settings": tiny.SCALE,
        "seed": seed,
        "data": setup.dataset.name,
        "data_hash": setup.dataset.hash,
        "commit": environment.commit(),
        "hardware": environment.hardware() | {"threads": torch.get_num_threads()},
        "paths": [code["paths"] for code in tiny.codes(setup)],
        "networks": tiny.table(setup),
    }


def run(data: str = "simulated", only=(), seeds=SEEDS):
    """Run every job that has no record yet."""
    known = {
        "controls": _controls,
        "sampling": _sampling,
        "modalities": _modalities,
        "tiny": _tiny,
        "instances": _instances,
    }
    for name in only:
        if name not in known:
            raise InputError(f"--only {name}: no such study; there are {', '.join(known)}.")
    os.environ.pop("TWODINTS_PRESET", None)  # a study has its own scale
    for name, study in known.items():
        if not only or name in only:
            study(data, seeds)


def _controls(data, seeds):
    for seed in seeds:
        for variant in SEARCHED + CONTROLS:
            make = lambda v=variant, s=seed: control_job(data, v, s)  # noqa: E731
            once(place("controls", data), f"{variant} seed {seed}", make)


def _sampling(data, seeds):
    for seed in seeds:
        for plan in ("paper", "sampled"):
            make = lambda p=plan, s=seed: sampling_job(data, p, s)  # noqa: E731
            once(place("sampling", data), f"{plan} seed {seed}", make)


def _modalities(data, seeds):
    for seed in seeds:
        for modality in setup_of(data, seed, SCALE).dataset.modalities:
            for which in ("joint", "own"):
                make = lambda m=modality, w=which, s=seed: modality_job(data, m, w, s)  # noqa: E731
                once(place("modalities", data), f"{modality} {which} seed {seed}", make)


def _tiny(data, seeds):
    for seed in seeds if seeds != SEEDS else tiny.TABLES:
        make = lambda s=seed: tiny_table(data, s)  # noqa: E731
        once(place("tiny", data), f"table seed {seed}", make)
    for seed in seeds:
        for plan in ("paper", "sampled"):
            setup = setup_of(data, seed, tiny.SCALE)
            make = lambda s=setup, p=plan: tiny.search_job(s, PLANS[p])  # noqa: E731
            once(place("tiny", data), f"{plan} seed {seed}", make)


def _instances(data, seeds):
    for seed in seeds:
        for head in ("3-class", "ladder"):
            for score in ("dice", "f1"):
                make = lambda h=head, c=score, s=seed: instance_job(data, h, c, s)  # noqa: E731
                once(place("instances", data), f"{head} by {score} seed {seed}", make)
