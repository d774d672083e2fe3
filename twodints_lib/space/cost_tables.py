"""What every path and operation costs, as tables that add up to the cost of a whole network.

A network of the lattice is a sum: its edges, the stems that its first nodes need, the merges that
its last nodes need, and the last layers. So its memory, multiply-accumulates and parameters are
known from its code, without building it. Reads no torch, but for an operation's weights.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from twodints_lib.errors import InputError
from twodints_lib.space import operations, specs, topology

COSTS = ("memory", "macs", "parameters")


@dataclass(frozen=True, eq=False)
class CostTable:
    """Additive costs of the networks of one space.

    `edges` (B, P, O): a path with an operation. `first` and `last` (2^D,): what is needed besides
    for each pattern of nodes, a bit mask over resolutions, before the first and after the last
    block. Any measured table may be given, latencies for example. Numbers are rounded up to the
    2^50th part of the whole table's sum, so that sums are exact in any order.
    """

    name: str  # what is counted, for messages
    names: tuple[str, ...]  # the operations
    edges: np.ndarray
    first: np.ndarray | float = 0.0
    last: np.ndarray | float = 0.0

    def __post_init__(self):
        edges = np.array(self.edges, np.float64)
        ends = np.zeros(2 ** topology.depths_of(edges))
        found = {"edges": edges, "first": ends + self.first, "last": ends + self.last}
        if edges.shape[2] != len(self.names) or not all(
            np.isfinite(x).all() and (x >= 0).all() for x in found.values()
        ):
            raise InputError(
                f"{self.name}: a cost is negative or not finite, or there is not one for each of "
                f"{list(self.names)}; give a table (blocks, paths, operations)."
            )
        unit = 2.0 ** (np.ceil(np.log2(max(sum(map(np.sum, found.values())), 1e-300))) - 50)
        for key, values in found.items():
            object.__setattr__(self, key, np.ceil(values / unit) * unit)

    @property
    def num_depths(self) -> int:
        """The number of resolutions."""
        return topology.depths_of(self.edges)

    @property
    def full(self) -> float:
        """The cost of the full grid: all paths on, each with its dearest operation."""
        return float(self.edges.max(-1).sum() + self.first[-1] + self.last[-1])

    def of(self, code: dict) -> float:
        """The cost of the network of a code; InputError where the code is of another space."""
        paths = np.asarray(code["paths"], bool)
        if paths.shape != self.edges.shape[:2] or not set(code["names"]) <= set(self.names):
            raise InputError(
                f"code: its paths {paths.shape} and operations {code['names']} are not those of "
                f"this table, {self.edges.shape[:2]} and {list(self.names)}."
            )
        chosen = np.array([self.names.index(n) for n in code["names"]])[code["operations"]]
        on = np.take_along_axis(self.edges, chosen[..., None], 2)[..., 0] * paths
        masks = topology.active_nodes(code)[[0, -1]] @ (1 << np.arange(self.num_depths))
        return float(on.sum() + self.first[masks[0]] + self.last[masks[1]])

    def expected(self, log_alpha_a, log_alpha_c) -> float:
        """The expected cost of the edges of a mixture: each by its probability (B, P), (B, P, O).

        As MONAI's search counts memory (get_ram_cost_usage): paths one by one, feasible or not.
        """
        operation = softmax(topology.finite(log_alpha_c), axis=-1)
        mean = (operation * self.edges).sum(-1)
        return float((topology.path_probabilities(log_alpha_a) * mean).sum())


def memory_table(num_depths: int, names: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Activations kept by each operation on each path, (P, O), and each path's output size, (P,).

    In units of the path's output and of the finest node's size. Resampling keeps 6 (up) or 5
    (down) more, as MONAI counts; a node one step coarser is half as large in 2D.
    """
    start, end = topology.path_ends(num_depths)
    resample = np.where(end < start, 6.0, np.where(end > start, 5.0, 0.0))
    own = np.array([operations.OPERATIONS[name].memory for name in names])
    return resample[:, None] + own, 0.5**end


def cost_table(
    cost: str,
    num_blocks: int,
    num_depths: int,
    names=operations.TWO,
    *,
    channel_mul: float,
    patch: int = 128,
    out_channels: int = 3,
    downsample: bool = False,
) -> CostTable:
    """The table of "memory", "macs" or "parameters" for networks of these sizes (specs.py).

    Memory: bytes of activations that the edges keep for one image, MONAI's estimate
    (`cost.estimated_bytes`); stems, merges and head are not counted there. Macs: of one image,
    patch x patch, and parameters: those of the whole network, exactly.
    """
    if cost not in COSTS:
        raise InputError(f"cost={cost!r} is not known; take one of {', '.join(COSTS)}.")
    names = operations.check(names)
    if cost == "memory":
        kept, size = memory_table(num_depths, names)
        finest = 4 * int(32 * channel_mul) * patch**2
        table = finest * size[:, None] * (1 + kept)
        return CostTable(cost, names, np.tile(table, (num_blocks, 1, 1)))
    macs, start, end = cost == "macs", *topology.path_ends(num_depths)
    every = specs.widths(channel_mul, num_depths, downsample)
    nodes, depths = np.array(every[downsample:]), np.arange(num_depths)

    def times(weights, depth):
        """Weights, or times the pixels of their output where multiply-accumulates are asked."""
        return weights * (patch / 2.0**depth) ** 2 if macs else weights

    own = np.array([[operations.weights(name, int(c)) for name in names] for c in nodes])
    resample = np.where(start == end, 0, nodes[start] * nodes[end])
    if macs:  # to the coarser resolution by one 2x2 convolution, half of it zeros (lattice.py)
        resample = np.where(end > start, 4 * resample, resample)
    edges = times(resample[:, None] + own[end], end[:, None] + downsample)
    stems = times(27 * np.array(every[:num_depths]), depths)
    if downsample:
        stems = stems + times(9 * np.array(every[:-1]) * nodes, depths + 1)
    above = np.array(every[:num_depths] if downsample else [every[0], *every[: num_depths - 1]])
    merges = times(9 * nodes * above, depths + downsample)
    head = times(every[0] * (9 * every[0] + out_channels), 0) + (0 if macs else out_channels)
    bits = np.arange(2**num_depths)[:, None] >> depths & 1
    deepest = np.array([depths[b > 0].max(initial=0) for b in bits])
    return CostTable(
        cost, names, np.tile(edges, (num_blocks, 1, 1)), bits @ stems,
        np.cumsum(merges)[deepest] + head,
    )  # fmt: skip
