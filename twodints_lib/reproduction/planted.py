"""Does a search find an answer that is known? Tasks that only some topologies can solve.

The lattice is small (4 blocks, 2 resolutions), the tasks are lab.planted's, and the budget, a share
of the full grid's activation memory, excludes most networks that could solve them. Random codes
within the budget are trained from scratch: their share that solves a task is what chance does. A
search, decoded within the same budget and trained from scratch in the same way, must do better.
"""

import time
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from twodints_lib import fingerprint
from twodints_lib.data.dataset import Dataset
from twodints_lib.inference import predict
from twodints_lib.lab import planted
from twodints_lib.runs import environment, settings
from twodints_lib.runs.setup import Setup
from twodints_lib.space import budget, networks, receptive
from twodints_lib.space.cost_tables import CostTable, cost_table
from twodints_lib.space.random_codes import random_within
from twodints_lib.space.specs import DerivedSpec, SupernetSpec
from twodints_lib.training import loop, search, ways
from twodints_lib.training.recipes import Recipe

SCALE = {
    "batch": 2,
    "channel_mul": 0.25,
    "num_blocks": 4,
    "num_depths": 2,
    "learning_rate": 1e-2,
    "search_epochs": 10,
    "derived_epochs": 4,
    "arch_rate": 0.03,
}
SEEDS = tuple(range(1, 11))
TRAIN, HELD_OUT = 128, 32  # images
RANDOM = 6  # codes a seed
BUDGETS = {"far mark": 0.15, "fine detail": 0.12, "far and fine": 0.2}
# The budget is the task's.
CUT = {
    "shrinking": ways.Plan("shrinking", warmup=0.45),
    "trying": ways.Plan("trying", warmup=0.3),
}
# Half way between guessing one of two kinds and knowing it; stated before any training.
SOLVED = 0.75


class Picture(NamedTuple):
    """A generated image as trainings take samples."""

    image: torch.Tensor
    classes: torch.Tensor
    modality: str


class Drawn:
    """For a way to train: whole generated images in the order of (seed, epoch), not augmented."""

    def batches(self, patches, epoch: int, count: int | None = None) -> list[tuple]:
        """The batches of an epoch, or `count` of them, from the first again after the last."""
        size, pictures = self.recipe.batch, patches.samples
        order = np.random.default_rng([self.seed, epoch]).permutation(len(pictures))
        whole = [order[i : i + size] for i in range(0, len(order), size)]
        return [
            tuple(torch.stack([pictures[i][k] for i in part]) for k in (0, 1))
            for part in islice(cycle(whole), len(whole) if count is None else count)
        ]


class Plain(Drawn, loop.Joint):
    """A network of its own, trained from scratch."""


@cache
def _drawn(task, held_out):
    return planted.draw(task, HELD_OUT if held_out else TRAIN, seed=held_out)


def pictures(task: str) -> list[Picture]:
    """The training images of a task."""
    found = _drawn(task, False)
    return [
        Picture(torch.from_numpy(image), torch.from_numpy(classes)[None].long(), task)
        for image, classes in zip(found.images, found.classes, strict=True)
    ]


def setup(task: str, seed: int) -> Setup:
    """What a job of this study works with; the data's hash is that of their generator."""
    preset = settings.load("laptop", **SCALE, patch=planted.TASKS[task].size)
    made = [task, TRAIN, HELD_OUT, fingerprint.of_modules("lab.planted")]
    return Setup(preset, Dataset(task, Path(), (), fingerprint.digest(made, 16)), seed)


@torch.no_grad()
def score(net: torch.nn.Module, task: str) -> float:
    """Mean Dice of the two kinds over the scored pixels of all held-out images."""
    held, where = _drawn(task, True), predict.device()
    logits = net.eval()(torch.from_numpy(held.images).to(where))
    found = np.where(held.scored, logits.argmax(1).cpu().numpy(), 0)
    truth = np.where(held.scored, held.classes, 0)
    pairs = ((found == kind, truth == kind) for kind in (1, 2))
    return float(np.mean([2 * (a & b).sum() / max(a.sum() + b.sum(), 1) for a, b in pairs]))


@cache
def memory() -> CostTable:
    """Activation memory of the networks of this lattice, by MONAI's estimate."""
    blocks, depths = SCALE["num_blocks"], SCALE["num_depths"]
    return cost_table("memory", blocks, depths, channel_mul=SCALE["channel_mul"])


def memory_share(code: dict) -> float:
    """Activation memory of a code as a share of the full grid's."""
    return memory().of(code) / memory().full


def train_code(setup: Setup, code: dict) -> dict:
    """Train the network of a code from scratch: its score, its cost, how far it sees."""
    task, preset = setup.dataset.name, setup.preset
    spec = DerivedSpec(preset.channel_mul, code)
    recipe = Recipe.of(preset, preset.derived_epochs, spec)
    net, begun = _fresh(setup, spec), time.perf_counter()
    trainer = Plain(net, pictures(task), recipe, setup.seed)
    for epoch in range(1, recipe.epochs + 1):
        trainer.epoch(epoch)
    return {
        "score": score(net, task),
        "share": memory_share(code),
        "reach": receptive.reach(code, planted.TASKS[task].size),
        "seconds": round(time.perf_counter() - begun, 2),
        "code": code,
    }


def _fresh(setup, spec):
    torch.manual_seed(setup.seed)
    return networks.build(spec).to(predict.device())


def random_job(setup: Setup, share: float) -> dict:
    """Train RANDOM codes, drawn uniformly within a share of the memory, once each, from scratch."""
    rng, limit = np.random.default_rng(setup.seed), share * memory().full
    codes = [random_within(rng, 0, limit, memory()) for _ in range(RANDOM)]
    return _origin(setup, share) | {"networks": [train_code(setup, code) for code in codes]}


def search_job(setup: Setup, share: float, plan: ways.Plan) -> dict:
    """Search, decode within a share of the memory, train what was found from scratch.

    The alphas are those of the last epoch; `snapshots` are theirs on the way, rounded. "supernet"
    is the score of the mixture.
    """
    task, preset = setup.dataset.name, setup.preset
    spec = SupernetSpec.of(preset)
    recipe = Recipe.of(preset, preset.search_epochs, spec)
    net, begun, snapshots = _fresh(setup, spec), time.perf_counter(), []
    way = type("Way", (Drawn, search.WAYS[plan.mode]), {})
    trainer = way(net, pictures(task), recipe, setup.seed, **plan.json())
    for epoch in range(1, recipe.epochs + 1):
        trainer.epoch(epoch)
        snapshots.append([part.round(2).tolist() for part in ways.alphas(net)])
    seconds = round(time.perf_counter() - begun, 1)
    trainer.settle()
    code = budget.decode_within(*ways.alphas(net), share, memory())
    return _origin(setup, share) | {
        "search_seconds": seconds,
        "supernet": score(net, task),
        "snapshots": snapshots,
        **train_code(setup, code),
    }


def _origin(setup, share):
    told = {"data": setup.dataset.name, "budget": share, "solved": SOLVED}
    return told | environment.origin()
