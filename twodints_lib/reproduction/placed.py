"""Where in a table of truth does a search's network stand? Searches in the space of cells-99.

A supernet of the table's space, 3x3 on every path, learns by the table's protocol: the same images,
resized, the same patches, loss and rate, and as many weight steps as each network of the table was
trained for. What its alphas decode to, without a budget and within several, is a network of the
table, so nothing is trained again: `placed_table` reads its place and its score there. The other
settings are those of the studies and were not tried out on the table.
"""

import time
from dataclasses import replace
from functools import cache, lru_cache

import torch

from twodints_lib.data.dataset import Dataset
from twodints_lib.inference import predict
from twodints_lib.runs import environment, settings
from twodints_lib.runs.setup import Setup
from twodints_lib.space import networks
from twodints_lib.space.specs import SupernetSpec
from twodints_lib.training import search, ways
from twodints_lib.training.patches import load_samples
from twodints_lib.training.recipes import Recipe
from twodints_lib.truth import make, protocol, table

TABLE = "cells-99"
# The table's networks see batches twice as large; the records were made with these.
PROTOCOL = replace(protocol.protocol_of(TABLE), batch=4)
SEEDS = (1, 2, 3, 4, 5)
BUDGETS = (0.7, 0.5, 0.35)  # shares of the full grid's activation memory
STEPS = 24  # weight steps of an epoch: one pass over the images
SCALE = {
    "patch": PROTOCOL.patch,
    "batch": PROTOCOL.batch,
    "channel_mul": PROTOCOL.channel_mul,
    "num_blocks": PROTOCOL.blocks,
    "num_depths": PROTOCOL.depths,
    "learning_rate": PROTOCOL.learning_rate,
    "schedule": "constant",
    "search_epochs": PROTOCOL.steps[-1] // STEPS,
    "arch_rate": 0.02,
}


class Drawn:
    """For a way to search: patches as the table's networks see them, again and again."""

    def batches(self, patches, epoch: int, count: int | None = None) -> list[tuple]:
        """The batches of an epoch, or `count` of them from its first on."""
        numbers = {id(sample): n for n, sample in enumerate(_samples())}
        some = _drawn(tuple(numbers[id(sample)] for sample in patches.samples), self.seed)
        start = (epoch - 1) * STEPS
        turned = (some[i % len(some)] for i in range(start, start + (count or STEPS)))
        return [tuple(x.float() for x in batch) for batch in turned]


@cache
def data() -> Dataset:
    """The images of the table; drawn when missing."""
    return protocol.dataset(PROTOCOL)


@cache
def _samples():
    return [protocol.resized(s, PROTOCOL) for s in load_samples(data().split("train"))]


@lru_cache(maxsize=4)  # each some 50 MB; the searches of a seed share theirs
def _drawn(numbers, seed):
    return make.draw([_samples()[n] for n in numbers], PROTOCOL, seed)


def variants(plans: dict[str, ways.Plan]) -> dict[str, dict]:
    """{job: what `search_job` is given}: a search decoded at every budget; `shrinking`, which
    aims at one, searched for each."""
    found = {name: {"plan": plan, "shares": [1.0, *BUDGETS]} for name, plan in plans.items()}
    return found | {
        f"shrinking {share:g}": {"plan": ways.Plan("shrinking", budget=share), "shares": [share]}
        for share in BUDGETS
    }


def setup(seed: int) -> Setup:
    """What a job of this study works with."""
    return Setup(settings.load("laptop", **SCALE), data(), seed)


def search_job(setup: Setup, plan: ways.Plan, shares: list[float]) -> dict:
    """Search once, decode within each share of the memory: {"found": codes}, in that order."""
    preset = setup.preset
    spec = SupernetSpec.of(preset, (table.OPERATION,), PROTOCOL.head)
    recipe = Recipe.of(preset, preset.search_epochs, spec)
    torch.manual_seed(setup.seed)
    net = networks.build(spec).to(predict.device())
    way = type("Way", (Drawn, search.WAYS[plan.mode]), {})
    trainer = way(net, _samples(), recipe, setup.seed, **plan.json())
    begun = time.perf_counter()
    for epoch in range(1, recipe.epochs + 1):
        trainer.check(trainer.epoch(epoch))
    return {
        "data": setup.dataset.name,
        "table": TABLE,
        "search_seconds": round(time.perf_counter() - begun, 1),
        "alphas": ways.alphas(net)[0].round(3).tolist(),
        "found": [ways.decoded(net, share) for share in shares],
    } | environment.origin()
