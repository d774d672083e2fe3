"""Random codes as large as a given one: controls whose size cannot be what the search earned.

Size is multiply-accumulates. Codes drawn evenly hardly ever come near a dense or a sparse one, so
they are drawn with weights that favour the wanted size, and what is outside the window is dropped.
"""

import numpy as np
import torch

from twodints_lib.errors import InputError
from twodints_lib.space import cost, networks, operations, topology

WITHIN = 0.05  # of the wanted multiply-accumulates, to either side
TRIES = 2000


def code_macs(code: dict, channel_mul: float, patch: int) -> int:
    """Multiply-accumulates of a code's network for one image: counted, nothing is computed."""
    with torch.device("meta"):
        net = networks.derived_network(code, channel_mul)
    return cost.multiply_accumulates(net, patch)


def edge_macs(num_depths: int, names) -> np.ndarray:
    """Multiply-accumulates of every path with every operation, (P, O), up to a common factor.

    At half the resolution there are twice the channels, so that a convolution costs the same at
    each. (A depthwise one costs less at coarse ones: as a weight this is near enough.)
    """
    start, end = topology.path_ends(num_depths)
    channels = 8
    built = (operations.OPERATIONS[name].build(channels) for name in names)
    each = np.array([sum(w.numel() for w in module.parameters()) for module in built])
    return each / channels**2 + np.where(start == end, 0, 2)[:, None]


def code_like(code: dict, channel_mul: float, patch: int, rng: np.random.Generator) -> dict:
    """A random feasible code with the multiply-accumulates of `code`, within 5 %.

    The chance of a code is that of an even draw (topology.random_code) times e^(tilt * its size),
    the tilt such that the mean size is the wanted one: within so narrow a window nearly even.
    InputError where none is found.
    """
    names, wanted = code["names"], code_macs(code, channel_mul, patch)
    blocks, table = len(code["paths"]), edge_macs(topology.depths_of(code["paths"]), names)

    def draw(tilt):
        weight = tilt * table
        paths = np.log(np.exp(weight).mean(1))  # of a path that is on, whatever its operation
        logits = (np.broadcast_to(x, (blocks, *x.shape)) for x in (paths, weight))
        return topology.sample(*logits, rng, names)

    def size(code):
        chosen = np.take_along_axis(table[None], np.array(code["operations"])[..., None], 2)
        return (np.array(code["paths"]) * chosen[..., 0]).sum()

    # What edges cost, to what a network does: the rest hardly differs from code to code.
    some = [draw(0) for _ in range(8)] + [code]
    counts = [code_macs(x, channel_mul, patch) for x in some[:-1]] + [wanted]
    slope, rest = np.polyfit([size(x) for x in some], counts, 1)
    low, high = -2.0, 2.0
    for _ in range(10):
        tilt = (low + high) / 2
        found = rest + slope * np.mean([size(draw(tilt)) for _ in range(16)])
        low, high = (tilt, high) if found < wanted else (low, tilt)
    for _ in range(TRIES):
        drawn = draw((low + high) / 2)
        near = abs((rest + slope * size(drawn)) / wanted - 1) <= 2 * WITHIN
        if near and abs(code_macs(drawn, channel_mul, patch) / wanted - 1) <= WITHIN:
            return drawn
    raise InputError(f"code: no random one of its {wanted:,} MACs was found; take another code.")
