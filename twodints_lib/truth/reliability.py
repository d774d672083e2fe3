"""How far a table of truth can be trusted: would other seeds rank the networks the same? No torch.

Reliability is the correlation between two trainings of the same networks. It grows with the number
of seeds whose mean is taken (Spearman-Brown), and its square root is the highest correlation that
even a ranking without any noise could have with the table.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from twodints_lib.errors import InputError
from twodints_lib.scoring.statistics import agreement_ceiling, spearman_brown
from twodints_lib.truth.table import Table

DRAWS = 400  # of the bootstrap over networks


class Estimate(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


class Reliability(NamedTuple):
    """Of one score at one length of training.

    `rank`: the mean Spearman correlation between two seeds; `intraclass`: ICC(C,1), the share of
    the spread that is the networks' own, what a seed adds to all of them left out (McGraw & Wong
    1996). Both are of a single seed.
    """

    score: str
    epochs: int
    networks: int
    seeds: int
    rank: Estimate
    intraclass: Estimate

    def of_mean(self, seeds: int | None = None) -> Estimate:
        """Rank reliability of the mean over so many seeds (Spearman-Brown); all by default."""
        return Estimate(*(spearman_brown(x, seeds or self.seeds) for x in self.rank))

    @property
    def ceiling(self) -> Estimate:
        """The rank correlation with the mean over seeds that a noise-free ranking would have."""
        return Estimate(*map(agreement_ceiling, self.of_mean()))


def reliability(table: Table, score: str, epochs: int | None = None) -> Reliability:
    """Of a score after `epochs` (the full length by default), its intervals by a bootstrap over
    networks.

    Networks on which the settings were chosen (by what made the table) are left out.
    InputError where there are fewer than 2 seeds or 3 networks.
    """
    length = -1 if epochs is None else table.length(epochs)
    outside = np.array(table.made.get("not_in_pilot", [True] * len(table)))
    values = table.score(score)[outside, :, length]
    count, seeds = values.shape
    if seeds < 2 or count < 3:
        raise InputError(
            f"table {table.name}: reliability needs 2 seeds and 3 networks outside the pilot, "
            f"and it has {seeds} and {count}; train more."
        )
    found = [estimate(values, statistic) for statistic in (rank_correlation, intraclass)]
    return Reliability(score, table.epochs[length], count, seeds, *found)


def estimate(values: np.ndarray, statistic: Callable[..., np.ndarray]) -> Estimate:
    """A statistic of (networks, columns) with its interval, by a bootstrap over networks.

    `statistic(values, weights)` takes (draws, networks), how often each network was drawn.
    """
    found = statistic(values, _drawn(len(values)))
    return Estimate(float(found[0]), *np.percentile(found[1:], [2.5, 97.5]).tolist())


@lru_cache(maxsize=4)
def _drawn(count) -> np.ndarray:
    """(1 + DRAWS, count): each network once, then how often each sample holds it."""
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    return np.vstack([np.ones((1, count)), drawn])


def every(table: Table) -> list[Reliability]:
    """The reliability of every score at every length."""
    return [reliability(table, score, e) for score in table.scores for e in table.epochs]


HEADER = (
    "score", "epochs", "networks", "seeds", "rank, one seed", "ICC, one seed", "of the mean",
    "ceiling",
)  # fmt: skip


def rows(found: list[Reliability]) -> list[tuple]:
    """Reliabilities under HEADER."""
    return [
        (r.score, r.epochs, r.networks, r.seeds, *map(str, (r.rank, r.intraclass)),
         *map(str, (r.of_mean(), r.ceiling)))
        for r in found
    ]  # fmt: skip


def weighted_ranks(values, weights) -> np.ndarray:
    """Ranks of n values, each there as often as its weight says, ties at their middle.

    `weights`: (draws, n), whole numbers; returns (draws, n). This is ranking a bootstrap sample
    without drawing it up.
    """
    order = np.argsort(values)
    ordered = np.asarray(values)[order]
    below = np.pad(np.cumsum(weights[:, order], 1), ((0, 0), (1, 0)))
    first, last = (np.searchsorted(ordered, ordered, side) for side in ("left", "right"))
    ranks = np.empty(weights.shape)
    ranks[:, order] = (below[:, first] + below[:, last] + 1) / 2
    return ranks


def rank_correlation(values, weights) -> np.ndarray:
    """The mean Spearman correlation over pairs of columns, for each row of weights."""
    count, seeds = values.shape
    deviations = np.stack([weighted_ranks(v, weights) for v in values.T]) - (count + 1) / 2
    # The mean correlation of all pairs, from the variance of the sum of standardised ranks.
    spread = np.sqrt(np.einsum("dn,sdn,sdn->sd", weights, deviations, deviations))
    total = (deviations / np.where(spread > 0, spread, np.inf)[..., None]).sum(0)
    varied = (spread > 0).sum(0)  # a column without any spread correlates with none
    return (np.einsum("dn,dn,dn->d", weights, total, total) - varied) / (seeds * (seeds - 1))


def intraclass(values, weights) -> np.ndarray:
    """ICC(C,1) over columns for each row of weights: (MSR - MSE) / (MSR + (k - 1) MSE)."""
    count, seeds = values.shape
    values = values - values.mean()
    mean, columns = weights @ values.mean(1) / count, weights @ values / count
    between = seeds * (weights @ values.mean(1) ** 2 - count * mean**2)
    within = weights @ ((values - values.mean(1, keepdims=True)) ** 2).sum(1)
    within = within - count * ((columns - mean[:, None]) ** 2).sum(1)  # seeds' common shifts
    between, within = between / (count - 1), within / ((count - 1) * (seeds - 1))
    whole = between + (seeds - 1) * within
    return (between - within) / np.where(whole > 0, whole, np.inf)
