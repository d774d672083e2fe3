"""What a search falls short of the best network, over many repeats; measured once, then kept.

records/truth/<name>-searches.json holds the curves. No torch.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from twodints_lib import files
from twodints_lib.runs import environment
from twodints_lib.truth import table as tables
from twodints_lib.truth.searches import BUDGET, SCORE, SEARCHES, History
from twodints_lib.truth.table import Table

REPEATS = 200
SPREAD = {"low": 10, "median": 50, "high": 90}  # percentiles over repeats
MARKS = (10, 25, 50)  # full trainings at which tables tell the regret


def replay(
    table: Table, search: Callable[..., History], repeats: int = REPEATS, **options
) -> list[History]:
    """A search over and over, each time with a Generator of its own; `options` are the search's."""
    return [search(table, np.random.default_rng(i), **options) for i in range(repeats)]


def curves(histories: list[History], at: Iterable[float], over: str = "queries") -> np.ndarray:
    """(repeats, len(at)): regret once so many "queries" (in full trainings) or "seconds" are spent.

    Before the first training has ended it is that of a network taken at random, on average.
    """
    truth = histories[0].table.truth(histories[0].score)
    untrained = truth.max() - truth.mean()
    found = []
    for history in histories:
        cost = history.queries if over == "queries" else np.cumsum(history.seconds)
        done = np.searchsorted(cost, np.asarray(at) + 1e-9, side="right")
        found.append(np.append(untrained, history.regret())[done])
    return np.array(found)


def spread(regrets: np.ndarray) -> dict[str, list[float]]:
    """{"low": 10 %, "median", "high": 90 %} over repeats, of each column."""
    return {k: np.percentile(regrets, q, axis=0).round(6).tolist() for k, q in SPREAD.items()}


def measure(
    table: Table, searches: Iterable[str] = tuple(SEARCHES), score: str = SCORE,
    repeats: int = REPEATS, budget: float = BUDGET,
) -> dict:  # fmt: skip
    """The record of every search's regret, over queries and over seconds.

    Seconds are marked in steps of one full training's mean. InputError for an unknown score.
    """
    truth, at = table.truth(score), np.arange(1, int(budget) + 1)
    mean = float(table.seconds[:, :, -1].mean())
    found = {}
    for name in searches:
        start = time.perf_counter()
        some = replay(table, SEARCHES[name], repeats, budget=budget, score=score)
        found[name] = {over: spread(curves(some, at * (mean if over == "seconds" else 1), over))
                       for over in ("queries", "seconds")}  # fmt: skip
        last = [table.codes[history.incumbents()[-1]] for history in some]
        found[name]["rank"] = spread(np.array([table.rank(code, score) for code in last]))
        found[name]["wall_seconds"] = round(time.perf_counter() - start, 1)
    return {
        "table": table.name,
        "digest": table.made.get("digest"),
        "score": score,
        "repeats": repeats,
        "at": {"queries": at.tolist(), "seconds": (at * mean).round(3).tolist()},
        "best": round(float(truth.max()), 6),
        "untrained": round(float(truth.max() - truth.mean()), 6),
        "searches": found,
    }


def path_of(name: str, folder: Path = tables.FOLDER) -> Path:
    """Where the record of a table's searches lies."""
    return Path(folder) / f"{name}-searches.json"


def keep(name: str, folder: Path = tables.FOLDER) -> Path:
    """Replay every search on the table of that name and write the record; its path."""
    found = measure(tables.load(name, folder)) | environment.origin()
    return files.write_json(path_of(name, folder), found, None)


def bands(record: dict, over: str = "queries") -> dict[str, tuple]:
    """{search: (cost, low, median, high)} of a record, what plots.spreads draws."""
    at = record["at"][over]
    return {n: (at, *(found[over][k] for k in SPREAD)) for n, found in record["searches"].items()}


HEADER = (
    "table",
    "search",
    *(f"regret after {n} trainings" for n in MARKS),
    "in the time of 25",
    "rank at last",
)


def rows(record: dict) -> list[tuple]:
    """A record's searches under HEADER: the median over repeats and where 80 % of them lie."""

    def told(found, at, n):
        if n not in at:
            return ""
        low, middle, high = (found[k][at.index(n)] for k in SPREAD)
        return f"{middle:.3f} [{low:.3f}, {high:.3f}]"

    def ranks(low, median, high):
        return f"{median:.0f} [{low:.0f}, {high:.0f}]"

    at = record["at"]["queries"]  # the marks of seconds are as many mean trainings
    first = (record["table"], "none: a random network", f"{record['untrained']:.3f} on average")
    return [(*first, *[""] * len(MARKS), "")] + [
        (record["table"], name, *(told(found["queries"], at, n) for n in MARKS),
         told(found["seconds"], at, 25), ranks(**found["rank"]))
        for name, found in record["searches"].items()
    ]  # fmt: skip
