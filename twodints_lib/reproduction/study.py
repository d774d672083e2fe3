"""Studies of the search: what it earned against controls. `make study`, over as many sittings.

Every training is one job with a record of its own, records/study/<study>/<job>.json: a job that has
one is not run again, and refused where it would be another training by now. The scale is small and
stated in each record; nothing here is the paper's.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.messages import log
from twodints_lib.reproduction import front, placed, planted, results, tiny, transfer
from twodints_lib.runs import environment, records
from twodints_lib.runs.setup import Setup, begin
from twodints_lib.space import topology
from twodints_lib.space.cost_tables import cost_table
from twodints_lib.space.random_codes import random_within
from twodints_lib.training import diagnose, search, ways
from twodints_lib.training.replay import best_epoch
from twodints_lib.training.ways import Plan

STUDIES = (
    "controls", "sampling", "modalities", "tiny", "instances", "front", "planted", "placed",
    "transfer",
)  # fmt: skip
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
CONTROLS = (
    "random 1",
    "random 2",
    "untouched alphas",
    *(f"fixed: {shape}" for shape in topology.SHAPES),
)
MATCHED = 3  # random codes as large as what a search found, for each search and seed
WITHIN = 0.05  # of its multiply-accumulates, to either side


@dataclass(frozen=True)
class Job:
    """One training of a study, and the record that it leaves at `path`.

    `make(setup, **given)` makes it; `given` tells the job from its study's others: texts, a Plan.
    """

    path: Path
    setup: Setup
    make: Callable[..., dict]
    given: dict

    def decides(self) -> dict:
        """The part of a record that says what was trained: another value is another training."""
        preset, data = asdict(self.setup.preset), self.setup.dataset
        return {
            "settings": {k: v for k, v in preset.items() if k not in results.UNUSED},
            "seed": self.setup.seed,
            "data_hash": data.hash,
            "job": {k: v.json() if isinstance(v, Plan) else v for k, v in self.given.items()},
        }

    def once(self) -> dict:
        """The record: read where it exists, else made and written.

        InputError where it exists and other settings, seed, data or plan made it. The oldest
        records name no plan and fewer settings: they are held to what they name.
        """
        if self.path.is_file():
            found = files.read_json(self.path)
            records.check_made(self.path, found, self.decides())
            return found
        log.info(f"{self.path.parent.name}: {self.path.stem}")
        made = self.make(self.setup, **self.given)
        return files.read_json(files.write_json(self.path, self.decides() | made))


def unsearched(setup: Setup, variant: str) -> dict:
    """The code of a control: random, decoded from untouched alphas, or of a fixed shape."""
    blocks, depths = setup.preset.num_blocks, setup.preset.num_depths
    if variant.startswith("fixed: "):
        return topology.known_shape(variant.removeprefix("fixed: "), blocks, depths)
    if variant == "untouched alphas":
        return topology.decode(*search.untouched(setup))
    return topology.random_code(blocks, depths, 100 * setup.seed + int(variant[-1]))


def trained(setup: Setup, code: dict, head: str = "3-class") -> dict:
    """The record of a code's network, trained from scratch: one Dice and F1 an image."""
    return records.slim(files.read_json(search.train_code(setup, code, head) / "record.json"))


def control_job(setup: Setup, variant: str) -> dict:
    """Train a topology that nobody searched."""
    return trained(setup, unsearched(setup, variant))


def matched_job(setup: Setup, search: str, number: int) -> dict:
    """Train a random code with as many multiply-accumulates as what a search found, within 5 %.

    InputError where that search has no record yet: its code is read there.
    """
    found = results.place("controls", setup.dataset.name) / f"{search}-seed-{setup.seed}.json"
    if not found.is_file():
        raise InputError(f"{found}: is missing, and its code is to be matched; run `make study`.")
    code = files.read_json(found)["parameters"]["spec"]["code"]
    preset, names = setup.preset, tuple(code["names"])
    table = cost_table(
        "macs", preset.num_blocks, preset.num_depths, names,
        channel_mul=preset.channel_mul, patch=preset.patch,
    )  # fmt: skip
    macs, rng = table.of(code), np.random.default_rng([setup.seed, number, *search.encode()])
    control = random_within(rng, (1 - WITHIN) * macs, (1 + WITHIN) * macs, table)
    return trained(setup, control) | {"macs": {"wanted": macs, "has": table.of(control)}}


def searched_job(setup: Setup, plan: Plan) -> dict:
    """Search, train what was found; the record tells of the search too."""
    found = search.search_supernet(setup, plan)
    scores = search.three_scores(setup, plan)
    history = files.read_json(found / "history.json")["history"]
    net, code = predict.load_network(found)[0], search.found_code(found)
    before, after = search.untouched(setup), ways.alphas(net)
    shares = [row["shares"] for row in history if "shares" in row]
    return trained(setup, code) | {
        "three": {n: {k: s[k] for k in ("mean_dice", "mean_f1")} for n, s in scores.items()},
        "search_seconds": files.read_json(found / "record.json")["seconds"],
        "moved": [diagnose.moved(a, b) for a, b in zip(after, before, strict=True)],
        "margin": topology.margin(after[0]),
        "memory": diagnose.memory_shares(after, net.names, code),
        "shares": {"first": shares[0], "last": shares[-1]} if shares else None,
    }


def sampling_job(setup: Setup, plan: Plan) -> dict:
    """A search with all paths or with sampled ones, its time, and its network trained anew."""
    found = search.search_supernet(setup, plan)
    seconds = files.read_json(found / "record.json")["seconds"]
    return trained(setup, search.found_code(found)) | {"search_seconds": seconds}


def modality_job(setup: Setup, modality: str, which: str, plan: Plan) -> dict:
    """Search on all modalities (joint) or on this one (own); retrain and score on this one."""
    one = replace(setup, only=modality)
    # A quarter of the images, four times the epochs: as many steps as the joint search.
    longer = replace(setup.preset, search_epochs=4 * setup.preset.search_epochs)
    searching = replace(one, preset=longer) if which == "own" else setup
    return trained(one, search.found_code(search.search_supernet(searching, plan)))


def instance_job(setup: Setup, head: str, score: str, plan: Plan) -> dict:
    """Search with a head, take the code of the epoch best by dice or f1, retrain it as a ladder."""
    select = "dice" if head == "3-class" else "f1"
    found = search.search_supernet(setup, plan, head=head, select=select)
    chosen = best_epoch(files.read_json(found / "history.json")["history"], score)
    code = topology.decode(np.array(chosen["alpha_a"]), np.array(chosen["alpha_c"]))
    record = trained(setup, code, "ladder")
    ladder = record["metrics"].pop("representations")
    return record | {
        "ladder": {n: {k: s[k] for k in ("mean_f1", "f1")} for n, s in ladder.items()},
        "chosen": {k: chosen[k] for k in ("epoch", "dice", "f1")},
        "code": code,
    }


def table_job(setup: Setup) -> dict:
    """Train every network of the tiny space once, with what made the table."""
    return {
        "data": setup.dataset.name,
        "commit": environment.commit(),
        "hardware": environment.hardware() | {"threads": torch.get_num_threads()},
        "paths": [code["paths"] for code in tiny.codes(setup)],
        "networks": tiny.table(setup),
    }


def jobs(study: str, data: str, seeds: Sequence[int] = ()) -> list[Job]:
    """The jobs of a study on a data set, seed by seed; by default SEEDS, and tiny.TABLES.

    InputError where there is no such study or data set.
    """
    if study in ("planted", "placed"):
        return planted_jobs(seeds) if study == "planted" else placed_jobs(seeds)
    scales = dict.fromkeys(STUDIES, SCALE) | {"sampling": SAMPLING, "instances": INSTANCES}
    scales |= {"modalities": SCALE | {"derived_epochs": 2 * SCALE["derived_epochs"]}}
    scales |= {"tiny": tiny.SCALE, "transfer": SCALE | transfer.SCALE}
    if study not in scales:
        raise InputError(f"--only {study}: no such study; there are {', '.join(STUDIES)}.")
    setup, two = begin("laptop", data, SEEDS[0], **scales[study]), ("paper", "sampled")
    modalities, paper = setup.dataset.modalities, {"plan": PLANS["paper"]}
    variants = {
        "controls": {
            **{f"searched-{_plain(n)}": (searched_job, {"plan": p}) for n, p in PLANS.items()},
            **{_plain(v): (control_job, {"variant": v}) for v in CONTROLS},
            **{
                f"matched-{_plain(n)}-{k}": (
                    matched_job,
                    {"search": f"searched-{_plain(n)}", "number": k},
                )
                for n, k in product(PLANS, range(1, MATCHED + 1))
            },
        },
        "front": {_plain(n): job for n, job in front.variants(PLANS).items()},
        "sampling": {n: (sampling_job, {"plan": PLANS[n]}) for n in two},
        "modalities": {
            f"{m}-{which}": (modality_job, {"modality": m, "which": which} | paper)
            for m, which in product(modalities, ("joint", "own"))
        },
        "transfer": {
            f"{m}-{count}": (transfer.job, {"modality": m, "count": count})
            for m, count in product(modalities, (0, *transfer.COUNTS))
        },
        "tiny": {
            "table": (table_job, {}),
            **{n: (tiny.search_job, {"plan": PLANS[n]}) for n in two},
        },
        "instances": {
            f"{head}-by-{score}": (instance_job, {"head": head, "score": score} | paper)
            for head, score in product(("3-class", "ladder"), ("dice", "f1"))
        },
    }
    place = results.place(study, setup.dataset.name)
    found = [
        Job(place / f"{name}-seed-{seed}.json", replace(setup, seed=seed), make, given)
        for name, (make, given) in variants[study].items()
        for seed in seeds or (tiny.TABLES if name == "table" else SEEDS)
    ]
    return sorted(found, key=lambda job: job.setup.seed)


def planted_jobs(seeds: Sequence[int] = ()) -> list[Job]:
    """The jobs on tasks with a planted answer, which bring their own data and their own seeds."""
    place, found = results.place("planted", "simulated"), []
    for seed, (task, share) in product(seeds or planted.SEEDS, planted.BUDGETS.items()):
        plans = PLANS | {n: replace(plan, budget=share) for n, plan in planted.CUT.items()}
        variants = {"random": (planted.random_job, {})}
        variants |= {name: (planted.search_job, {"plan": plan}) for name, plan in plans.items()}
        for name, (make, given) in variants.items():
            path = place / f"{_plain(f'{task} {name}')}-seed-{seed}.json"
            found.append(Job(path, planted.setup(task, seed), make, {"share": share} | given))
    return found


def placed_jobs(seeds: Sequence[int] = ()) -> list[Job]:
    """The searches whose networks are looked up in a table of truth, with its data."""
    place, variants = results.place("placed", "simulated"), placed.variants(PLANS)
    return [
        Job(place / f"{_plain(n)}-seed-{s}.json", placed.setup(s), placed.search_job, given)
        for s, (n, given) in product(seeds or placed.SEEDS, variants.items())
    ]


def _plain(name):
    return name.replace(":", "").replace(" ", "-").replace(",", "")


def run(data: str = "simulated", only: Sequence[str] = (), seeds: Sequence[int] = ()) -> None:
    """Run every job of the studies `only`, or of all, that has no record yet."""
    os.environ.pop("TWODINTS_PRESET", None)  # a study has its own scale
    every = [job for study in only or STUDIES for job in jobs(study, data, seeds)]
    for job in every:  # a wrong name is told before the first training
        job.once()
