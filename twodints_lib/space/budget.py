"""Decode under a budget, exactly: the best code whose cost is at most a share of the full grid's.

The plain decode where that fits. Else the feasible code, paths and operations chosen jointly, with
the greatest sum over blocks of log P(path subset), and over the paths that are on of what the
operation's log probability lacks of the best one's. (MONAI's floor of 1e-5 under the probability
of a subset is left out: under a tight budget nearly all are that unlikely, and would be alike.)

A price on the cost turns the budget into a term of the score, and one pass over node patterns gives
the best code at that price; the price at which the budget is met gives a bound for every choice
(Lagrange). What can't beat the best affordable code by its bound is dropped; over the few choices
left, one more pass keeps every undominated pair (cost, score) of each node pattern. Costs are not
rounded: the true cost never exceeds the budget.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twodints_lib.errors import InputError
from twodints_lib.space import topology
from twodints_lib.space.cost_tables import CostTable


def decode_within(log_alpha_a, log_alpha_c, share: float, table: CostTable) -> dict:
    """The best code that costs at most `share` of the table's full grid, from alphas as decode's.

    With share 1 it is topology.decode's. InputError where even the cheapest code costs more.
    """
    plain = topology.decode(log_alpha_a, log_alpha_c, table.names)
    limit = share * table.full
    if table.of(plain) <= limit:
        return plain
    space = _Space(log_alpha_a, log_alpha_c, table)
    cheapest = space.best(np.inf)
    if not cheapest.cost <= limit:
        least = np.ceil(1e4 * cheapest.cost / table.full) / 1e4
        raise InputError(
            f"share={share:g}: the cheapest network takes {least:g} of the full grid's "
            f"{table.name}; give a share of at least {least:g}."
        )
    found = space.search(limit, *space.price(limit, cheapest))
    return topology.as_code(found.paths, found.operations, table.names)


def front(
    log_alpha_a, log_alpha_c, shares: Sequence[float], table: CostTable
) -> list[tuple[float, dict, float]]:
    """Decodes of one search at several shares: rows (share, code, cost), costs the table's."""
    codes = [decode_within(log_alpha_a, log_alpha_c, share, table) for share in shares]
    return [(share, code, table.of(code)) for share, code in zip(shares, codes, strict=True)]


class _Found(NamedTuple):
    """A feasible code as arrays (B, P) of on/off and operation index, its cost and score."""

    cost: float
    score: float
    paths: np.ndarray
    operations: np.ndarray


class _Space:
    """The score and the cost of every edge, and passes over the node patterns."""

    def __init__(self, log_alpha_a, log_alpha_c, table):
        logits = topology.finite(log_alpha_c)
        # log P of a subset is the sum of its paths' logits and a constant of its block.
        regret = logits - logits.max(-1, keepdims=True)
        self.scores = topology.finite(log_alpha_a)[..., None] + regret  # (B, P, O)
        self.table, self.plain = table, logits.argmax(-1)
        self.members, self.consumed, self.produced = topology.subsets(table.num_depths)
        pair = self.consumed * 2**table.num_depths + self.produced
        self.order = np.argsort(pair, kind="stable")
        self.pairs, self.starts = np.unique(pair[self.order], return_index=True)
        self.ends = table.first, table.last

    def passes(self, price):
        """At a price: the edges' values (B, P, O), the subsets' (B, N), and the best values of
        what lies before and behind each node pattern, (B + 1, 2^D) each."""
        edges = -self.table.edges if np.isinf(price) else self.scores - price * self.table.edges
        first, last = (-(1 if np.isinf(price) else price) * x for x in self.ends)
        first[0] = last[0] = -np.inf  # no network has no node
        subsets = edges.max(-1) @ self.members.T
        size = len(first)
        steps = np.full((len(edges), size * size), -np.inf)
        steps[:, self.pairs] = np.maximum.reduceat(subsets[:, self.order], self.starts, axis=1)
        steps = steps.reshape(-1, size, size)
        before, behind = [first], [last]
        for step in steps:
            before.append((before[-1][:, None] + step).max(0))
        for step in steps[::-1]:
            behind.append((step + behind[-1]).max(1))
        return edges, subsets, np.array(before), np.array(behind[::-1])

    def best(self, price) -> _Found:
        """The best feasible code at a price; at an infinite one the cheapest."""
        edges, subsets, before, behind = self.passes(price)
        chosen, pattern = [], int((before[0] + behind[0]).argmax())
        for values, ahead in zip(subsets, behind[1:], strict=True):
            values = np.where(self.consumed == pattern, values + ahead[self.produced], -np.inf)
            chosen.append(int(values.argmax()))
            pattern = self.produced[chosen[-1]]
        return self.found(self.members[chosen], edges.argmax(-1))

    def found(self, paths, operations) -> _Found:
        """The code of these arrays, its cost and score; plain operations where a path is off."""
        operations = np.where(paths, operations, self.plain)
        score = np.take_along_axis(self.scores, operations[..., None], 2)[..., 0][paths].sum()
        code = topology.as_code(paths, operations, self.table.names)
        return _Found(self.table.of(code), float(score), paths, operations)

    def price(self, limit, cheapest) -> tuple[float, _Found]:
        """The price at which the bound on any affordable score is least, and the best code met
        on the way to it that is affordable."""
        above, below = self.best(0.0), cheapest
        while above.cost > limit and above.score > below.score:
            price = (above.score - below.score) / (above.cost - below.cost)
            middle = self.best(price)
            gain = middle.score - above.score - price * (middle.cost - above.cost)
            if gain <= 1e-12 * max(1, abs(above.score)):
                return price, below
            if middle.cost > limit:
                above = middle
            else:
                below = middle
        return 0.0, max(above, below, key=lambda x: (x.cost <= limit, x.score))

    def choices(self, slack, values):
        """Every subset with operations for its paths that loses less than its slack (B, N), as
        arrays: block, subset, slack left, operations (K, P)."""
        block, subset = np.nonzero(slack > 0)
        left, chosen = slack[block, subset], self.plain[block]
        loss = values.max(-1, keepdims=True) - values
        for path in range(chosen.shape[1]):
            on = self.members[subset, path]
            fits = loss[block, path] < left[:, None]
            fits[~on] = np.arange(loss.shape[2]) == self.plain[block[~on], path][:, None]
            row, operation = np.nonzero(fits)
            left = left[row] - np.where(on[row], loss[block[row], path, operation], 0)
            block, subset, chosen = block[row], subset[row], chosen[row]
            chosen[:, path] = operation
        return block, subset, chosen

    def search(self, limit, price, below) -> _Found:
        """The best affordable code, which is `below` or a better one among those that the bound at
        this price leaves."""
        passes = self.passes(price)
        least = -self.passes(np.inf)[3]  # cost of what must still come
        _, _, before, behind = passes
        top, bottom = (before[0] + behind[0]).max(), below.score - price * limit
        rounding = 1e-12 * max(1, abs(top), np.abs(self.scores).max())
        # The best code is mostly close to the bound: what lies far below it is looked at last.
        for part in (1 / 16, 1 / 4, 1):
            least_value = below.score - price * limit  # of any better code
            goal = max(top - part * (top - bottom), least_value) + rounding
            found = self.above(goal, limit, price, passes, least)
            below = max(below, found or below, key=lambda x: x.score)
            if below.score - price * limit >= goal - rounding:
                break
        return below

    def above(self, goal, limit, price, passes, least) -> _Found | None:
        """The best of all affordable codes whose value at this price exceeds the goal."""
        values, subsets, before, behind = passes
        bound = before[:-1, self.consumed] + subsets + behind[1:, self.produced]
        block, subset, chosen = self.choices(bound - goal, values)
        on = self.members[subset]
        costs, scores = (
            (np.take_along_axis(x[block], chosen[..., None], 2)[..., 0] * on).sum(1)
            for x in (self.table.edges, self.scores)
        )
        pattern = np.arange(1, 2**self.table.num_depths)
        cost, score, ways = self.ends[0][1:], np.zeros(len(pattern)), []
        for b in range(len(subsets)):
            items = np.flatnonzero(block == b)
            start, end = self.consumed[subset[items]], self.produced[subset[items]]
            label, item = np.nonzero(pattern[:, None] == start)
            cost = cost[label] + costs[items[item]]
            score, pattern = score[label] + scores[items[item]], end[item]
            fits = cost + least[b + 1][pattern] <= limit  # the last pattern's cost included
            fits &= score - price * cost + behind[b + 1][pattern] > goal
            kept = np.flatnonzero(fits)
            kept = kept[_undominated(pattern[kept], cost[kept], score[kept])]
            ways.append((label[kept], items[item[kept]]))
            pattern, cost, score = pattern[kept], cost[kept], score[kept]
        if not len(score):
            return None
        place, rows = int(score.argmax()), []
        for labels, items in reversed(ways):
            rows.append(items[place])
            place = labels[place]
        return self.found(on[rows[::-1]], chosen[rows[::-1]])


def _undominated(pattern, cost, score) -> np.ndarray:
    """Places of the pairs that no other of their pattern beats in cost and score."""
    order = np.lexsort((-score, cost, pattern))
    pattern, score = pattern[order], score[order]
    if not len(order):
        return order
    # One running maximum for all: a pattern's scores are lifted above those of the one before.
    lifted = score + pattern * (1 + np.ptp(score))
    running = np.maximum.accumulate(lifted)
    return order[np.append(True, lifted[1:] > running[:-1])]
