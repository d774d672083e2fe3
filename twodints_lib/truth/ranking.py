"""How well anything ranks the networks of a table, beside the best that the table's noise allows.

records/truth/<name>-proxies.json holds what proxies said of each network. No torch.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from twodints_lib.truth import table as tables
from twodints_lib.truth.reliability import Estimate, estimate, rank_correlation, reliability
from twodints_lib.truth.searches import SCORE
from twodints_lib.truth.table import Table

RIVALS = {"parameters": "parameters", "multiply-accumulates": "macs"}  # they know nothing else


class Ranked(NamedTuple):
    """A predictor beside the table's scores.

    `rank`: Spearman's correlation over all networks; `beyond`: the same at equal parameters, a
    partial correlation; `improvement`: by how much the network that it puts first is better than
    the average random one, relative to that (Yang et al. 2020).
    """

    name: str
    rank: Estimate
    beyond: float
    improvement: float


def compare(table: Table, predictors: dict[str, list[float]], score: str = SCORE) -> list[Ranked]:
    """Every predictor, {name: one number a network, the higher the better}, best rank first."""
    truth, size = table.truth(score), table.costs["parameters"]
    found = []
    for name, values in predictors.items():
        values = np.asarray(values, float)
        rank = estimate(np.stack([values, truth], 1), rank_correlation)
        first = truth[values == values.max()].mean()  # of several equal ones any
        gain = float(first / truth.mean() - 1)
        found.append(Ranked(name, rank, _beyond(values, truth, size), gain))
    return sorted(found, key=lambda one: -one.rank.value)


def _beyond(values, truth, size) -> float:
    pairs = ((values, truth), (values, size), (truth, size))
    ones = np.ones((1, len(truth)))
    own, a, b = (float(rank_correlation(np.stack(p, 1), ones)[0]) for p in pairs)
    left = (1 - a**2) * (1 - b**2)
    return (own - a * b) / left**0.5 if left > 1e-12 else 0.0  # ranked as by size: nothing is left


def predictors(table: Table, record: dict) -> dict[str, list[float]]:
    """What a record of proxies says of each network, and the trivial rivals."""
    return record["scores"] | {name: table.costs[key].tolist() for name, key in RIVALS.items()}


def path_of(name: str, folder: Path = tables.FOLDER) -> Path:
    """Where the record of a table's proxies lies."""
    return Path(folder) / f"{name}-proxies.json"


HEADER = ("table", "predictor", "rank correlation", "at equal parameters", "its first network")


def rows(table: Table, record: dict, score: str = SCORE) -> list[tuple]:
    """Predictors under HEADER, and above them what the table allows at best."""
    truth = table.truth(score)
    best = ("the ceiling: no noise", str(reliability(table, score).ceiling), "")
    return [(table.name, *best, f"{truth.max() / truth.mean() - 1:+.1%}")] + [
        (table.name, r.name, str(r.rank), f"{r.beyond:.2f}", f"{r.improvement:+.1%}")
        for r in compare(table, predictors(table, record), score)
    ]
