"""Is a search healthy, did it find anything: alarms with limits, and comparisons with intervals."""

import numpy as np

from twodints_lib.space import cost_tables, topology

INITIAL_SIGMA = 0.01  # of the alphas before training
SKIP_LIMIT, GAP_LIMIT, SIGMA_LIMIT = 0.75, 0.10, 3.0
FULL_LIMIT, LINE_LIMIT = 0.90, 1.25  # share of all paths; paths a block, one is a line


def skip_share(code: dict) -> float:
    """Share of skip among the operations of the paths that are on."""
    names = [name for block in topology.edges(code) for (name,) in block.values()]
    return names.count("skip") / len(names)


def moved(alpha, untouched) -> float:
    """Root mean square distance of alphas from where they started, in sigmas of their start."""
    difference = np.asarray(alpha, float) - np.asarray(untouched, float)
    return float(np.sqrt((difference**2).mean()) / INITIAL_SIGMA)


def memory_shares(alphas, names, code=None) -> dict[str, float]:
    """Activation memory before and after the decode, as shares of the full grid's: the mean that
    the search is held to, paths by their probabilities, and that of the decoded network (`code`,
    or the plain decode)."""
    blocks, depths = len(alphas[0]), topology.depths_of(alphas[0])
    table = cost_tables.cost_table("memory", blocks, depths, names, channel_mul=1)
    code = code or topology.decode(*alphas, names)
    costs = table.expected(*alphas), table.of(code)
    return dict(zip(("mixture", "decoded"), (c / table.full for c in costs), strict=True))


def alarms(
    untouched, alphas, names, supernet_score=None, copied_score=None, code=None
) -> list[tuple]:
    """Rows (what, value, limit, verdict) on a finished search.

    `untouched` and `alphas` are pairs (path logits, operation logits) before and after it. Skip
    collapse: nearly every path on takes skip. Noise: the path logits have hardly left where they
    started, or the decode is still that of untouched alphas. Discretisation gap: the score falls
    when the supernet is cut down to the decoded network, weights copied. Everything on, or nothing
    but a line: nothing was chosen; under a budget decode within it (budget.py), and give that code.
    """
    code = code or topology.decode(*alphas, names)
    first = topology.decode(*untouched, names)
    shift = moved(alphas[0], untouched[0])
    same = code["paths"] == first["paths"]
    on = np.array(code["paths"], bool)
    many, few = on.mean() > FULL_LIMIT, on.sum(1).mean() <= LINE_LIMIT
    share = skip_share(code)
    rows = [
        ("skip among active paths", f"{share:.0%}", f"{SKIP_LIMIT:.0%}", share > SKIP_LIMIT),
        ("path logits moved", f"{shift:.1f} sigma", f"{SIGMA_LIMIT} sigma", shift < SIGMA_LIMIT),
        ("paths as before the search", "all" if same else "not all", "not all", same),
        ("everything on", f"{on.sum()} of {on.size} paths", f"{FULL_LIMIT:.0%}", many),
        ("nothing but a line", f"{on.sum(1).mean():.1f} paths a block", f"{LINE_LIMIT}", few),
    ]
    if supernet_score is not None and copied_score is not None:
        gap = supernet_score - copied_score
        rows.append(("discretisation gap", f"{gap:+.3f}", f"{GAP_LIMIT:.2f}", gap > GAP_LIMIT))
    return [(*row, "ALARM" if bad else "ok") for *row, bad in rows]


ALARM_HEADER = ("sign", "value", "limit", "verdict")
