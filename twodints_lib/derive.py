"""From architecture parameters to one network: decode a topology, build it, keep it as JSON.

A code says which paths are on and which operation each takes. Depth D gives 3D - 2 paths a
block (each resolution goes up, stays, goes down). The code of B blocks is a plain dict:
{"paths": B lists of 3D - 2 zeros and ones, "operations": B lists of 3D - 2 indices}.
"""

import contextlib
import io
from functools import lru_cache

import numpy as np
from monai.networks.nets.dints import DiNTS, TopologyInstance
from torch import nn

from twodints_lib import space
from twodints_lib.errors import InputError

OPERATIONS = ("skip", "3x3")  # MONAI's order in 2D


def path_ends(num_depths: int) -> tuple[np.ndarray, np.ndarray]:
    """Resolution index each path starts from and ends at, two arrays of 3D - 2 entries."""
    pairs = [(d + s, d) for d in range(num_depths) for s in (-1, 0, 1) if 0 <= d + s < num_depths]
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])


@lru_cache(maxsize=8)
def _subsets(num_depths: int):
    """All non-empty path subsets of one block and the node patterns they consume and produce.

    A node pattern is a bit mask over resolutions. Returns (N, P) bool, (N,) int, (N,) int with
    P = 3D - 2 and N = 2^P - 1.
    """
    start, end = path_ends(num_depths)
    codes = np.arange(1, 2 ** len(start))
    subsets = (codes[:, None] >> np.arange(len(start))[::-1] & 1).astype(bool)
    consumed = np.zeros(len(codes), int)
    produced = np.zeros(len(codes), int)
    for path in range(len(start)):
        consumed |= np.where(subsets[:, path], 1 << start[path], 0)
        produced |= np.where(subsets[:, path], 1 << end[path], 0)
    return subsets, consumed, produced


def path_probabilities(log_alpha_a) -> np.ndarray:
    """P(path on), given that a block has at least one path on; (B, P) (MONAI get_prob_a)."""
    p = 1 / (1 + np.exp(-np.asarray(log_alpha_a, np.float64)))
    return p / (1 - np.prod(1 - p, axis=1, keepdims=True))


def _subset_costs(alpha, subsets) -> np.ndarray:
    """-log of each subset's probability in one block, (N,), as MONAI's decode weighs it."""
    p = 1 / (1 + np.exp(-alpha))
    product = np.where(subsets, p, 1 - p).prod(axis=1)
    return -np.log(product / (1 - np.prod(1 - p)) + 1e-5)


def decode(log_alpha_a, log_alpha_c) -> dict:
    """The most probable feasible code (the arg max that MONAI's DiNTS finds by Dijkstra).

    Feasible: the nodes that one block produces are exactly the nodes that the next consumes.
    Since only that pattern couples the blocks, one Viterbi pass over the 2^D - 1 node patterns
    is exact: linear in blocks, milliseconds where the dense Dijkstra takes seconds.
    Operations are the arg max on each path. `log_alpha_a` (B, P), `log_alpha_c` (B, P, O).
    """
    alphas = np.asarray(log_alpha_a, np.float64)
    num_depths = (alphas.shape[1] + 2) // 3
    subsets, consumed, produced = _subsets(num_depths)
    best = np.zeros(2**num_depths)  # cheapest way to reach each node pattern so far
    back = []
    for alpha in alphas:
        total = best[consumed] + _subset_costs(alpha, subsets)
        order = np.lexsort((total, produced))  # cheapest subset of each produced pattern first
        pattern, first = np.unique(produced[order], return_index=True)
        best, choice = np.full(2**num_depths, np.inf), np.full(2**num_depths, -1)
        best[pattern], choice[pattern] = total[order[first]], order[first]
        back.append(choice)
    paths, state = [], int(np.argmin(best))
    for choice in reversed(back):
        paths.append(subsets[choice[state]].astype(int).tolist())
        state = consumed[choice[state]]
    operations = np.asarray(log_alpha_c).argmax(-1).tolist()
    return {"paths": paths[::-1], "operations": operations}


def active_nodes(code) -> np.ndarray:
    """(B + 1, D) bool: which resolutions carry features before each block and after the last."""
    paths = np.asarray(code["paths"], bool)
    num_depths = (paths.shape[1] + 2) // 3
    start, end = path_ends(num_depths)
    nodes = np.zeros((len(paths) + 1, num_depths), bool)
    nodes[0, start[paths[0]]] = True
    for block, on in enumerate(paths):
        nodes[block + 1, end[on]] = True
    return nodes


def is_feasible(code) -> bool:
    """Whether each block consumes exactly the nodes that the block before it produced."""
    paths, nodes = np.asarray(code["paths"], bool), active_nodes(code)
    start, _ = path_ends(nodes.shape[1])
    consumed = [set(start[on]) for on in paths]
    return all(c and c == set(np.flatnonzero(n)) for c, n in zip(consumed, nodes[:-1], strict=True))


def count_topologies(num_blocks: int, num_depths: int = 4) -> int:
    """How many feasible path codes there are, exactly (operations not counted)."""
    _, consumed, produced = _subsets(num_depths)
    ways = dict.fromkeys(range(1, 2**num_depths), 1)  # to arrive at a node pattern
    steps, times = np.unique(np.stack([consumed, produced], 1), axis=0, return_counts=True)
    for _ in range(num_blocks):
        arrived = dict.fromkeys(ways, 0)
        for (a, b), n in zip(steps.tolist(), times.tolist(), strict=True):
            arrived[b] += ways[a] * n
        ways = arrived
    return sum(ways.values())


def random_code(num_blocks: int, num_depths: int = 4, seed: int = 0) -> dict:
    """A feasible code decoded from wide random alphas: a control for any search."""
    rng = np.random.default_rng(seed)
    paths = 3 * num_depths - 2
    return decode(rng.normal(0, 2, (num_blocks, paths)), rng.normal(0, 1, (num_blocks, paths, 2)))


def derived_network(code, channel_mul: float) -> nn.Module:
    """The network of one code, its weights fresh (MONAI TopologyInstance in a DiNTS stem)."""
    if not is_feasible(code):
        raise InputError("code: a block consumes nodes that none produces; decode it again.")
    nodes = active_nodes(code)
    arch = [np.asarray(code["paths"]), np.asarray(code["operations"])]
    with contextlib.redirect_stdout(io.StringIO()):  # MONAI prints advice for other input sizes
        instance = TopologyInstance(
            arch,
            channel_mul=channel_mul,
            num_blocks=len(nodes) - 1,
            num_depths=nodes.shape[1],
            **space.DINTS,
        )
    return DiNTS(
        instance,
        in_channels=space.CHANNELS,
        num_classes=space.CLASSES,
        node_a=nodes.astype(int),
        **space.DINTS,
    )


def build(spec) -> nn.Module:
    """The network a spec describes (see space.py); "derived" takes a code and channel_mul."""
    options = {k: v for k, v in spec.items() if k != "kind"}
    if spec["kind"] == "derived":
        return derived_network(options["code"], options["channel_mul"])
    builders = {"unet": space.unet, "segresnet": space.segresnet, "supernet": space.supernet}
    if spec["kind"] not in builders:
        raise InputError(f"network {spec['kind']!r} is not known; take one of {tuple(builders)}.")
    return builders[spec["kind"]](**options)
