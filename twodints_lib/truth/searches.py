"""Searches that no gradient drives, replayed on a table of truth. No torch.

Each is a function of a table and a numpy Generator and returns its `History`. A query trains one
network with a seed of the table drawn at random, as a real training would, or goes on with one; it
costs its share of a full training, and the seconds that it took. A search ends when its budget, in
full trainings, is spent.
"""

import warnings
from collections import deque

import numpy as np

from twodints_lib.errors import InputError
from twodints_lib.truth.table import Table

SCORE = "f1_best"  # what a search tries to raise
BUDGET = 50  # full trainings: half of the smallest table


class History:
    """What a search asked a table: rows, epochs, scores seen, seconds, one entry a query."""

    def __init__(self, table: Table, rng: np.random.Generator, budget: float, score: str = SCORE):
        table.score(score)  # an unknown one is told at once
        self.table, self.rng, self.budget, self.score = table, rng, budget, score
        self.rows, self.epochs, self.seen = [], [], []
        self.shares, self.seconds = [], []  # costs: of a full training, and in seconds
        self._last = {}  # of each row: the seed and the length of its last training

    def train(self, code: dict, epochs: int | None = None, go_on: bool = False) -> float:
        """The score of a training of this network, from scratch with a seed drawn at random.

        `go_on`: instead the last training of this network goes on, and only what is added counts.
        """
        epochs = epochs or self.table.epochs[-1]
        row, seed, done = self.table.place(code), int(self.rng.choice(self.table.seeds)), None
        if go_on and row in self._last:
            seed, done = self._last[row]
        found = self.table.query(code, seed, epochs)
        paid = self.table.query(code, seed, done)["seconds"] if done else 0.0
        self._last[row] = seed, epochs
        self.rows.append(row)
        self.epochs.append(epochs)
        self.seen.append(found[self.score])
        self.seconds.append(found["seconds"] - paid)
        self.shares.append((epochs - (done or 0)) / self.table.epochs[-1])
        return found[self.score]

    @property
    def spent(self) -> float:
        """Cost of all queries, in full trainings."""
        return sum(self.shares)

    @property
    def over(self) -> bool:
        """Whether the next full training would exceed the budget."""
        return self.spent + 1 > self.budget + 1e-9

    @property
    def queries(self) -> np.ndarray:
        """Cost after each query, in full trainings."""
        return np.cumsum(self.shares)

    def incumbents(self) -> np.ndarray:
        """The row that would be chosen after each query: the best score seen, of the longest
        trainings."""
        best, found = 0, []
        for now, key in enumerate(zip(self.epochs, self.seen, strict=True)):
            if key > (self.epochs[best], self.seen[best]):
                best = now
            found.append(self.rows[best])
        return np.array(found)

    def regret(self) -> np.ndarray:
        """After each query: the best network's score minus that of the incumbent, both means over
        seeds."""
        truth = self.table.truth(self.score)
        return truth.max() - truth[self.incumbents()]


def random_search(
    table: Table, rng: np.random.Generator, budget: float = BUDGET, score: str = SCORE
) -> History:
    """Networks in random order, none twice."""
    asked = History(table, rng, budget, score)
    for row in rng.permutation(len(table)):
        if asked.over:
            break
        asked.train(table.codes[row])
    return asked


def regularised_evolution(
    table: Table, rng: np.random.Generator, budget: float = BUDGET, score: str = SCORE,
    population: int = 10, sample: int = 3,
) -> History:  # fmt: skip
    """Of a few of the living the best has a mutated child; the oldest dies (Real et al. 2019)."""
    asked, living = History(table, rng, budget, score), deque(maxlen=population)
    while not asked.over:
        if len(living) < population:
            code = table.codes[rng.integers(len(table))]
        else:
            some = [living[i] for i in rng.integers(population, size=sample)]
            code = mutate(table, max(some, key=lambda one: one[0])[1], rng)
        living.append((asked.train(code), code))
    return asked


def successive_halving(
    table: Table, rng: np.random.Generator, budget: float = BUDGET, score: str = SCORE,
    start: int = 27, keep: int = 3,
) -> History:  # fmt: skip
    """Many short trainings, the best `1 / keep` of them longer (Jamieson and Talwalkar 2016).

    `start` random networks at the shortest length, of which the best third goes on to the next, and
    a third of these to the last; then the next bracket starts, from scratch.
    """
    asked = History(table, rng, budget, score)
    while not asked.over:
        some = [table.codes[i] for i in rng.permutation(len(table))[:start]]
        for epochs in table.epochs:
            found = []
            for code in some:
                if asked.over:
                    return asked
                found.append((asked.train(code, epochs, epochs > table.epochs[0]), code))
            found.sort(key=lambda one: -one[0])
            some = [code for _, code in found[: max(1, len(found) // keep)]]
    return asked


def tpe(
    table: Table, rng: np.random.Generator, budget: float = BUDGET, score: str = SCORE
) -> History:
    """A model of good and of bad networks, Optuna's tree-structured Parzen estimator.

    Each path is a yes or no of its own, all modelled together; what it asks for is trained as the
    nearest network of the table, and that is what it is told. InputError without Optuna.
    """
    optuna = _optuna()
    asked, bits = History(table, rng, budget, score), table.bits
    yes_or_no = optuna.distributions.CategoricalDistribution([0, 1])
    space = {f"path {p}": yes_or_no for p in range(bits.shape[1])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the joint model is experimental
        sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**31)), multivariate=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        while not asked.over:
            trial = study.ask(space)
            row = _nearest(bits, list(trial.params.values()), rng)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)  # what was asked for is forgotten
            value = asked.train(table.codes[row])
            paths = dict(zip(space, bits[row].tolist(), strict=True))
            study.add_trial(
                optuna.trial.create_trial(params=paths, distributions=space, value=value)
            )
    return asked


SEARCHES = {
    "random search": random_search,
    "regularised evolution": regularised_evolution,
    "successive halving": successive_halving,
    "TPE": tpe,
}


def mutate(table: Table, code: dict, rng: np.random.Generator) -> dict:
    """The code with one path toggled, and as few others as it then takes to be in the table."""
    bits, own = table.bits, np.array(code["paths"]).ravel()
    path = rng.permutation(np.flatnonzero((bits != own).any(0)))[0]
    there = np.flatnonzero(bits[:, path] != own[path])
    return table.codes[there[_nearest(bits[there], own, rng)]]


def _nearest(bits, wanted, rng) -> int:
    """The row that differs in fewest paths; of several one at random."""
    distance = (bits != np.asarray(wanted)).sum(1)
    return int(rng.choice(np.flatnonzero(distance == distance.min())))


def _optuna():
    try:
        import optuna
    except ModuleNotFoundError:
        raise InputError("TPE needs Optuna; install it with `pip install optuna`.") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
