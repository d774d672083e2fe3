"""What the records of the planted tasks say: which search found the answer, how often, by chance.

A network solves a task whose score passes the limit that its record names; a search has found the
answer where the network that it decodes to, trained from scratch, solves the task.
"""

import numpy as np

from twodints_lib.reproduction.results import Records, by_variant

HEADER = ("task", "budget", "way", "solved", "95 %", "median score", "seconds a search")


def rows(study: Records) -> list[tuple]:
    """Each task and way: how many networks solve it, with Wilson's interval of the share."""
    from scipy.stats import binomtest  # takes half a second

    found = []
    for variant, some in sorted(by_variant(study).items(), key=_order):
        task, scores = some[0]["data"], []
        for record in some:
            scores += [net["score"] for net in record.get("networks", [record])]
        solved = sum(score > some[0]["solved"] for score in scores)
        low, high = binomtest(solved, len(scores)).proportion_ci(method="wilson")
        seconds = [r["search_seconds"] for r in some if "search_seconds" in r]
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
            )
        )
    return found


def _order(pair):
    """Task by task, random codes first."""
    variant, some = pair
    return some[0]["data"], "networks" not in some[0], variant
