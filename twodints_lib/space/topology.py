"""Topologies as data: count them, decode them from alphas, draw them at random, write known ones.

A code says which paths (edges) are on and which operation each takes. Depth D gives 3D - 2 paths
a block: each resolution goes up, stays, goes down. The code of B blocks is a plain dict that JSON
can hold: {"paths": B lists of 3D - 2 zeros and ones, "operations": B lists of 3D - 2 indices
into "names", "names": the operations}. It is feasible when every block consumes exactly the nodes
that the block before it produced. Only that pattern of nodes couples the blocks, so one pass over
the 2^D - 1 patterns answers every question here: the best code, the k best, how many, a sample.
"""

from functools import lru_cache

import numpy as np
from scipy.special import log_softmax, softmax

from twodints_lib.errors import InputError
from twodints_lib.space import operations


def path_ends(num_depths: int) -> tuple[np.ndarray, np.ndarray]:
    """Resolution index each path starts from and ends at, two arrays of 3D - 2 entries."""
    pairs = [(d + s, d) for d in range(num_depths) for s in (-1, 0, 1) if 0 <= d + s < num_depths]
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])


@lru_cache(maxsize=8)
def subsets(num_depths: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All non-empty path subsets of one block and the node patterns they consume and produce.

    A node pattern is a bit mask over resolutions. Returns (N, P) bool, (N,) int, (N,) int with
    P = 3D - 2 and N = 2^P - 1, in MONAI's order.
    """
    start, end = path_ends(num_depths)
    codes = np.arange(1, 2 ** len(start))
    members = (codes[:, None] >> np.arange(len(start))[::-1] & 1).astype(bool)
    consumed = np.zeros(len(codes), int)
    produced = np.zeros(len(codes), int)
    for path in range(len(start)):
        consumed |= np.where(members[:, path], 1 << start[path], 0)
        produced |= np.where(members[:, path], 1 << end[path], 0)
    return members, consumed, produced


def path_probabilities(log_alpha_a) -> np.ndarray:
    """P(path on), given that a block has at least one path on; (B, P) (MONAI get_prob_a)."""
    return np.minimum(subset_probabilities(log_alpha_a) @ subsets(depths_of(log_alpha_a))[0], 1)


def subset_probabilities(log_alpha_a) -> np.ndarray:
    """Probability of every path subset in every block, (B, 2^P - 1) (MONAI get_prob_a(child))."""
    return np.exp(log_subset_probabilities(log_alpha_a))


def log_subset_probabilities(log_alpha_a) -> np.ndarray:
    """Its logarithm, (B, 2^P - 1), right for any finite logits; InputError where one is not.

    Given that a path is on, a subset's odds are the product of its paths' odds, e^logit each.
    """
    alphas = finite(log_alpha_a)
    return log_softmax(alphas @ subsets(depths_of(alphas))[0].T, axis=1)


def finite(logits) -> np.ndarray:
    """The logits as float64; InputError where they are not all finite."""
    found = np.asarray(logits, np.float64)
    if not np.isfinite(found).all():
        raise InputError("alphas: some are not finite, the search diverged; lower arch_rate.")
    return found


def depths_of(paths) -> int:
    """Number of resolutions, from an array whose second axis is the 3D - 2 paths."""
    return (np.shape(paths)[1] + 2) // 3


def k_best(log_alpha_a, k: int = 1) -> tuple[list[np.ndarray], np.ndarray]:
    """The k cheapest feasible path codes, (B, P) bool each, and their costs (k,), cheapest first.

    The cost is MONAI's: the sum over blocks of -log(P(subset) + 1e-5). A Viterbi pass that keeps
    k ways for each node pattern: exact, linear in blocks, where MONAI runs Dijkstra on a dense
    graph of B * (2^P - 1) nodes. Fewer than k are returned where fewer exist.
    """
    members, consumed, produced = subsets(depths_of(log_alpha_a))
    logs = log_subset_probabilities(log_alpha_a)  # (B, N)
    # Of subsets that all lie below 1e-5 the likelier one: costs are multiples of 2^-32, of which
    # sums are exact, so that a tie is one and its true probability, the second number, decides.
    costs = np.stack([np.rint(-np.log(np.exp(logs) + 1e-5) * 2**32) / 2**32, -logs], -1)
    patterns = 2 ** depths_of(log_alpha_a)
    best, ways = np.zeros((patterns, 1, 2)), []  # cost to reach each pattern, cheapest first
    for cost in costs:
        total = best[consumed] + cost[:, None]  # (N, ways kept, 2)
        kept, width = total.shape[1], min(k, total.shape[0] * total.shape[1])
        flat = total.reshape(-1, 2)
        owner = np.repeat(produced, kept)
        order = np.lexsort((flat[:, 1], flat[:, 0], owner))
        owner = owner[order]
        rank = np.arange(len(order)) - np.searchsorted(owner, owner)  # within its pattern
        owner, order, rank = (x[rank < width] for x in (owner, order, rank))
        best, choice = np.full((patterns, width, 2), np.inf), np.full((patterns, width), -1)
        best[owner, rank], choice[owner, rank] = flat[order], order
        ways.append((choice, kept))
    flat = best.reshape(-1, 2)
    ends = np.lexsort((flat[:, 1], flat[:, 0]))[:k]
    ends = ends[np.isfinite(flat[ends, 0])]
    codes = []
    for end in ends:
        pattern, rank = divmod(int(end), best.shape[1])
        rows = []
        for choice, kept in reversed(ways):
            subset, rank = divmod(int(choice[pattern, rank]), kept)
            rows.append(members[subset])
            pattern = consumed[subset]
        codes.append(np.array(rows[::-1]))
    return codes, flat[ends, 0]


def decode(log_alpha_a, log_alpha_c, names=operations.TWO) -> dict:
    """The most probable feasible code (the arg max that MONAI's DiNTS finds by Dijkstra).

    Operations are the arg max on each path. `log_alpha_a` (B, P), `log_alpha_c` (B, P, O).
    """
    return as_code(k_best(log_alpha_a)[0][0], finite(log_alpha_c).argmax(-1), names)


def margin(log_alpha_a) -> float:
    """How much dearer the second best feasible code is, in nats; near 0 the decode is a toss."""
    _, costs = k_best(log_alpha_a, 2)
    return float(costs[1] - costs[0]) if len(costs) > 1 else float("inf")


def as_code(paths, indices, names) -> dict:
    """A code from arrays (B, P) of on/off and (B, P) of operation indices into `names`."""
    paths, indices = np.asarray(paths).astype(int), np.asarray(indices).astype(int)
    if indices.size and not 0 <= indices.min() <= indices.max() < len(names):
        raise InputError(f"code: has operation {indices.max()} of {len(names)}, counted from 0.")
    return {
        "paths": paths.tolist(),
        "operations": indices.tolist(),
        "names": list(operations.check(names)),
    }


def sample(log_alpha_a, log_alpha_c, rng, names=operations.TWO) -> dict:
    """One feasible code, drawn exactly from the alphas' distribution over feasible codes.

    Messages run from the last block to the first (how much probability lies behind each node
    pattern), then subsets are drawn from the first to the last. With all alphas 0 every feasible
    code has the same chance. `rng` is a numpy Generator.
    """
    logs = log_subset_probabilities(log_alpha_a)
    rows = draw_paths(logs, log_totals(logs), rng)
    logits = finite(log_alpha_c)
    noise = rng.gumbel(size=logits.shape)  # arg max of logits + Gumbel noise: a softmax draw
    return as_code(rows, (logits + noise).argmax(-1), names)


def log_totals(logs) -> list[np.ndarray]:
    """How much weight lies behind each node pattern before each block, logarithms, last first.

    `logs` (B, 2^P - 1): the logarithm of each subset's weight in each block; a code weighs the
    product. What belongs to pattern 0, which nothing consumes, has no meaning.
    """
    depths = (int(np.log2(np.shape(logs)[1] + 1)) + 2) // 3
    _, consumed, produced = subsets(depths)
    behind = [np.zeros(2**depths)]
    for log in logs[::-1]:
        weight, top = log + behind[-1][produced], np.full_like(behind[0], -np.inf)
        np.maximum.at(top, consumed, weight)
        # nothing consumes the empty pattern 0, and its weight is never read
        total = np.bincount(consumed, np.exp(weight - top[consumed]), len(top))
        behind.append(top + np.log(np.maximum(total, 1)))
    return behind


def draw_paths(logs, totals, rng) -> np.ndarray:
    """Feasible paths (B, P) drawn exactly by their weights, from `log_totals` of the same."""
    members, consumed, produced = subsets(int(np.log2(len(totals[0]))))
    rows, pattern = [], None
    for log, ahead in zip(logs, totals[-2::-1], strict=True):
        weight = log + ahead[produced]
        if pattern is not None:
            weight[consumed != pattern] = -np.inf
        subset = rng.choice(len(weight), p=softmax(weight))
        rows.append(members[subset])
        pattern = produced[subset]
    return np.array(rows)


def random_code(num_blocks: int, num_depths: int = 4, seed: int = 0, names=operations.TWO) -> dict:
    """A code drawn uniformly from all feasible ones: the control for any search."""
    shape = (num_blocks, 3 * num_depths - 2)
    zeros = np.zeros((*shape, len(names)))
    return sample(zeros[..., 0], zeros, np.random.default_rng(seed), names)


SHAPES = ("unet", "full grid", "skip-only", "straight")


def known_shape(shape: str, num_blocks: int, num_depths: int = 4, names=operations.TWO) -> dict:
    """A known network as a code of the space.

    "unet": down, up, and skip connections between, as deep as the blocks allow; "full grid": all
    paths on, all convolving; "skip-only": all paths on, none convolving (but for the resampling);
    "straight": full resolution only. The convolution is the first operation that is not skip.
    """
    if shape not in SHAPES:
        raise InputError(f"shape={shape!r} is not known; take one of {', '.join(SHAPES)}.")
    skip = list(names).index("skip") if "skip" in names else 0
    conv = next((i for i, name in enumerate(names) if name != "skip"), None)
    if (shape == "skip-only" and "skip" not in names) or (shape != "skip-only" and conv is None):
        raise InputError(f"names={list(names)}: lacks what the shape {shape!r} is made of.")
    start, end = path_ends(num_depths)
    if shape == "straight":
        on = np.tile((start == 0) & (end == 0), (num_blocks, 1))
        return as_code(on, np.full(on.shape, conv), names)
    if shape != "unet":
        on = np.ones((num_blocks, len(start)), bool)
        return as_code(on, np.full(on.shape, skip if shape == "skip-only" else conv), names)
    deepest = min(num_depths - 1, num_blocks // 2)
    column = np.arange(num_blocks)[:, None]  # of the nodes that a block starts from
    alive = lambda r, c: (r <= c) & (r <= num_blocks - c) & (r <= deepest)  # noqa: E731
    turn = (end > start) & (column == start) | (end < start) & (column == num_blocks - start)
    on = alive(start, column) & alive(end, column + 1) & ((start == end) | turn)
    levels = np.where(start == end, np.where(start == deepest, conv, skip), conv)
    return as_code(on, np.broadcast_to(levels, on.shape), names)


def edges(code) -> list[dict[int, tuple[str, ...]]]:
    """The edges a network of this code has: for each block, path number to operation names."""
    names = code.get("names", operations.TWO)
    return [
        {p: (names[o],) for p, (on, o) in enumerate(zip(*rows, strict=True)) if on}
        for rows in zip(code["paths"], code["operations"], strict=True)
    ]


def active_nodes(code) -> np.ndarray:
    """(B + 1, D) bool: which resolutions carry features before each block and after the last."""
    paths = np.asarray(code["paths"], bool)
    start, end = path_ends(depths_of(paths))
    nodes = np.zeros((len(paths) + 1, depths_of(paths)), bool)
    nodes[0, start[paths[0]]] = True
    for block, on in enumerate(paths):
        nodes[block + 1, end[on & nodes[block, start]]] = True
    return nodes


def is_feasible(code) -> bool:
    """Whether each block consumes exactly the nodes that the block before it produced."""
    paths, nodes = np.asarray(code["paths"], bool), active_nodes(code)
    start, _ = path_ends(nodes.shape[1])
    consumed = [set(start[on]) for on in paths]
    return all(c and c == set(np.flatnonzero(n)) for c, n in zip(consumed, nodes[:-1], strict=True))


def count_topologies(num_blocks: int, num_depths: int = 4) -> int:
    """How many feasible path codes there are, exactly (operations not counted)."""
    _, consumed, produced = subsets(num_depths)
    steps = np.zeros((2**num_depths,) * 2, object)  # of Python's integers, which do not overflow
    np.add.at(steps, (consumed, produced), 1)
    return int(np.linalg.matrix_power(steps, num_blocks).sum())


def every_code(
    num_blocks: int, num_depths: int, operation: int = 1, names=operations.TWO
) -> list[dict]:
    """All feasible codes of a tiny space, with one operation on every path."""
    members, _, _ = subsets(num_depths)
    found = [[row] for row in members]
    for _ in range(num_blocks - 1):
        longer = ([*rows, row] for rows in found for row in members)
        found = [rows for rows in longer if is_feasible({"paths": rows[-2:]})]
    return [as_code(rows, np.full(np.shape(rows), operation), names) for rows in found]
