"""The study "front": score against cost, of what searches find under budgets and of its rivals.

Budgets are shares of the full grid's multiply-accumulates. Each search is made once and decoded
within each budget; beside it stand random codes that cost as much, the known shapes, and UNets of
several widths. Every network is trained from scratch in the same way.
"""

from itertools import product

import numpy as np
import torch

from twodints_lib import files
from twodints_lib.runs import records
from twodints_lib.runs.setup import Setup
from twodints_lib.space import cost, networks, topology
from twodints_lib.space.cost_tables import CostTable, cost_table
from twodints_lib.space.random_codes import random_within
from twodints_lib.space.specs import DerivedSpec, Spec, UNetSpec
from twodints_lib.training import loop, search
from twodints_lib.training.ways import Plan

SHARES = (0.15, 0.3, 0.5, 0.8)
RANDOM = 3  # codes a budget and seed
BELOW = 0.05  # of the budget, that a random code may cost less
WIDTHS = (4, 8, 16, 32)  # channels of a UNet's finest level


def variants(plans: dict[str, Plan]) -> dict[str, tuple]:
    """{job: (function, what it is given)}: searches and random codes by budget, shapes, UNets."""
    found = {
        f"searched-{name}-{share:g}": (searched_job, {"plan": plan, "share": share})
        for (name, plan), share in product(plans.items(), SHARES)
    }
    found |= {
        f"matched-{share:g}-{k}": (random_job, {"share": share, "number": k})
        for share, k in product(SHARES, range(1, RANDOM + 1))
    }
    found |= {f"fixed-{s}": (shape_job, {"shape": s}) for s in topology.SHAPES}
    return found | {f"unet-{w}": (unet_job, {"width": w}) for w in WIDTHS}


def macs_table(setup: Setup) -> CostTable:
    """Multiply-accumulates of the networks of a setup's lattice."""
    preset = setup.preset
    sizes = {"channel_mul": preset.channel_mul, "patch": preset.patch}
    return cost_table("macs", preset.num_blocks, preset.num_depths, **sizes)


def trained(setup: Setup, spec: Spec) -> dict:
    """The record of a network, trained from scratch, with its multiply-accumulates an image."""
    folder = loop.train_network(setup, spec, setup.preset.derived_epochs)
    with torch.device("meta"):
        macs = cost.multiply_accumulates(networks.build(spec), setup.preset.patch)
    return records.slim(files.read_json(folder / "record.json")) | {"macs": macs}


def searched_job(setup: Setup, plan: Plan, share: float) -> dict:
    """What a search finds within a budget; the search is made once for all budgets."""
    folder = search.search_supernet(setup, plan)
    code = search.found_code(folder, share, "macs")
    seconds = files.read_json(folder / "record.json")["seconds"]
    return trained(setup, DerivedSpec(setup.preset.channel_mul, code)) | {"search_seconds": seconds}


def random_job(setup: Setup, share: float, number: int) -> dict:
    """A random code that costs the budget, or up to 5 % less."""
    table, rng = macs_table(setup), np.random.default_rng([setup.seed, number])
    limit = share * table.full
    code = random_within(rng, (1 - BELOW) * limit, limit, table)
    return trained(setup, DerivedSpec(setup.preset.channel_mul, code))


def shape_job(setup: Setup, shape: str) -> dict:
    """A known shape of the space."""
    code = topology.known_shape(shape, setup.preset.num_blocks, setup.preset.num_depths)
    return trained(setup, DerivedSpec(setup.preset.channel_mul, code))


def unet_job(setup: Setup, width: int) -> dict:
    """A UNet of a width."""
    return trained(setup, UNetSpec(width))
