"""Random codes of a given cost: controls that have the size of what they control."""

import numpy as np
from scipy.special import logsumexp

from twodints_lib.errors import InputError
from twodints_lib.space import topology
from twodints_lib.space.cost_tables import CostTable

TRIES = 2000


def random_within(rng, low: float, high: float, table: CostTable, tries: int = TRIES) -> dict:
    """A random code whose cost by the table lies in [low, high], in the table's units.

    Drawn as `topology.random_code` draws, every feasible set of paths and on them every operation
    alike, given that the cost is such. Codes are drawn at a price that makes this cost their mean,
    and kept with the probability that undoes the price, so that the draw is exact. `rng` is a
    numpy Generator. InputError where none of so many `tries` is kept.
    """
    price = _price((low + high) / 2, table)
    weights, operations = _weights(price, table)
    totals = topology.log_totals(weights)
    rarest = high if price > 0 else low  # what the price makes too rare is always kept
    for _ in range(tries):
        paths = topology.draw_paths(weights, totals, rng)
        noise = rng.gumbel(size=operations.shape)  # a softmax draw, as in topology.sample
        code = topology.as_code(paths, (operations + noise).argmax(-1), table.names)
        cost = table.of(code)
        if low <= cost <= high and rng.random() < np.exp(price * (cost - rarest)):
            return code
    raise InputError(
        f"{table.name} from {low:g} to {high:g}: none of {tries} random codes costs that; "
        f"take a wider range within the {table.full:g} of the full grid."
    )


def _weights(price, table):
    """Logarithms of weights at a price: of each block's path subsets, and of operations (B, P, O);
    a code's is minus its cost times the price."""
    operations = -price * table.edges
    paths = logsumexp(operations, axis=-1) - np.log(len(table.names))
    members, consumed, produced = topology.subsets(table.num_depths)
    weights = paths @ members.T
    weights[0] -= price * table.first[consumed]
    weights[-1] -= price * table.last[produced]
    return weights, operations


def _price(mean, table):
    """The price at which codes cost so much in the mean, or the end of a wide range."""
    from scipy.optimize import minimize_scalar  # takes a third of a second

    unit = 1 / table.edges.max()

    def dual(x):  # convex; where it is least, the mean is as asked for
        weights, _ = _weights(x * unit, table)
        return logsumexp(topology.log_totals(weights)[-1][1:]) + x * unit * mean

    return unit * minimize_scalar(dual, bounds=(-60, 60), method="bounded").x
