"""The places of found networks in a table of truth, beside random codes of the same cost.

The table has every network, so the random codes are all that it has of such a cost, and what is
expected of one is their mean. Read from records and the table alone, without torch.
"""

from functools import cache

import numpy as np

from twodints_lib.reproduction.results import Records
from twodints_lib.scoring.statistics import Difference, crossed_interval
from twodints_lib.space import topology
from twodints_lib.space.cost_tables import cost_table
from twodints_lib.truth.searches import SCORE
from twodints_lib.truth.table import OPERATION, Table, load

HEADER = (
    "search", "budget", "seeds", "median place", "from, to", "place of random codes of its memory",
    "F1 minus theirs", "F1 minus those of its parameters", "seconds a search",
)  # fmt: skip
ALIKE = 0.1  # of a network's cost, by which a random code may differ


@cache
def memory(table_name: str) -> np.ndarray:
    """(networks,): activation memory of a table's networks, as a share of the full grid's."""
    table = load(table_name)
    made = table.made["protocol"]
    costs = cost_table(
        "memory", made["blocks"], made["depths"], (OPERATION,), channel_mul=made["channel_mul"]
    )
    off = np.zeros(np.shape(table.codes[0]["paths"]), int)
    codes = (topology.as_code(code["paths"], off, (OPERATION,)) for code in table.codes)
    return np.array([costs.of(code) for code in codes]) / costs.full


def gain(table: Table, found: list[dict], cost: np.ndarray) -> Difference:
    """Scores of the codes that the seeds of a search found, minus the mean of all networks whose
    cost differs by at most a tenth, with its interval over searches and trainings of the table."""
    scores, rows = table.score(SCORE)[:, :, -1], []
    for place in map(table.place, found):
        rows.append(scores[place] - scores[_alike(cost, place)].mean(0))
    return crossed_interval(rows)


def _alike(cost, place):
    return abs(cost - cost[place]) <= ALIKE * cost[place]


def found_by(study: Records) -> dict[tuple[str, float], list[tuple[dict, dict]]]:
    """{(search, share): the (record, code) of every seed}."""
    found = {}
    for job, record in study.items():
        name = job.rpartition("-seed-")[0]
        name = record["job"]["plan"]["mode"] if name.startswith("shrinking") else name
        for share, code in zip(record["job"]["shares"], record["found"], strict=True):
            found.setdefault((name, share), []).append((record, code))
    return found


def rows(study: Records) -> list[tuple]:
    """Every search and budget: the median place of what it found, and its gains."""
    told = []
    for (name, share), some in sorted(found_by(study).items(), key=lambda x: (x[0][0], -x[0][1])):
        table, codes = load(some[0][0]["table"]), [code for _, code in some]
        used, sizes = memory(table.name), table.costs["parameters"]
        places = [table.rank(code, SCORE) for code in codes]
        every = np.array([table.rank(code, SCORE) for code in table.codes])
        rivals = [np.median(every[_alike(used, table.place(code))]) for code in codes]
        seconds = np.mean([record["search_seconds"] for record, _ in some])
        told.append(
            (
                name,
                "none" if share == 1 else f"{share:.0%}",
                len(some),
                f"{np.median(places):g} of {len(table)}",
                f"{min(places)}, {max(places)}",
                f"{np.median(rivals):g}",
                *(str(gain(table, codes, cost)) for cost in (used, sizes)),
                f"{seconds:.0f}",
            )
        )
    return told
