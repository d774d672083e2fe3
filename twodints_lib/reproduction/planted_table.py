"""What the records of the planted tasks say: which search found the answer, how often, by chance.

A network solves a task whose score passes the limit that its record names; a search has found the
answer where the network that it decodes to, trained from scratch, solves the task.
"""

import numpy as np

from twodints_lib.reproduction.results import Records, by_variant

HEADER = (
    "task", "budget", "way", "solved", "95 %", "median score", "seconds a search",
    "random codes' chance in that time",
)  # fmt: skip


def rows(study: Records) -> list[tuple]:
    """Each task and way: how many networks solve it, with Wilson's interval of the share."""
    from scipy.stats import binomtest  # takes half a second

    found, rivals = [], {}
    for variant, some in sorted(by_variant(study).items(), key=_order):
        task, nets = some[0]["data"], [n for r in some for n in r.get("networks", [r])]
        scores = [net["score"] for net in nets]
        solved = sum(score > some[0]["solved"] for score in scores)
        low, high = binomtest(solved, len(scores)).proportion_ci(method="wilson")
        seconds = [r["search_seconds"] for r in some if "search_seconds" in r]
        if "networks" in some[0]:
            rivals[task] = solved / len(nets), np.mean([net["seconds"] for net in nets])
        found.append(
            (
                task,
                f"{some[0]['budget']:.0%}",
                variant.removeprefix(task.replace(" ", "-") + "-").replace(
                    "random", "random codes"
                ),
                f"{solved} of {len(scores)}",
                f"{low:.0%} to {high:.0%}",
                f"{np.median(scores):.2f}",
                f"{np.mean(seconds):.0f}" if seconds else "",
                f"{_chance(some, *rivals[task]):.0%}" if seconds and task in rivals else "",
            )
        )
    return found


def _chance(some, share, seconds) -> float:
    """That one random code solves the task, of as many as are trained in the time that a search
    and the training of its network take, given the share that does and the seconds of one."""
    whole = np.mean([record["search_seconds"] + record["seconds"] for record in some])
    return 1 - (1 - share) ** (whole // seconds)


def _order(pair):
    """Task by task, random codes first."""
    variant, some = pair
    return some[0]["data"], "networks" not in some[0], variant
