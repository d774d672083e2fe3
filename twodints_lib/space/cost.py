"""What a network costs: parameters, multiply-accumulates, activation memory, time."""

import time

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from twodints_lib.space import cost_tables, networks, operations, topology


def multiply_accumulates(net: nn.Module, patch: int) -> int:
    """Multiply-accumulates of one image (3, patch, patch), forward."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net(_image(net, 1, patch))
    return counter.get_total_flops() // 2


def activation_bytes(net: nn.Module, patch: int, batch: int = 1) -> int:
    """Bytes that autograd keeps of one forward pass, counted once each, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so no address recurs
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        net(_image(net, batch, patch))
    return sum(size for size, _ in kept.values())


def estimated_bytes(code: dict, channel_mul: float, patch: int, batch: int = 1) -> float:
    """MONAI's estimate for a derived network: what ReLU, convolution and norm of each edge keep.

    Bytes in float32 (MONAI get_ram_cost_usage, of one code instead of an expectation).
    """
    names = tuple(code.get("names", operations.TWO))
    depths = topology.depths_of(code["paths"])
    cost, size = cost_tables.memory_table(depths, names)  # (P, O), (P,)
    chosen = np.take_along_axis(cost[None], np.array(code["operations"])[..., None], 2)[..., 0]
    values = (np.array(code["paths"]) * (1 + chosen) * size).sum()
    return float(4 * values * batch * int(32 * channel_mul) * patch**2)


def seconds_per_image(net: nn.Module, patch: int, repeats: int = 5) -> float:
    """Median time of a forward pass of one image on the network's device, after a warm-up."""
    image, found = _image(net, 1, patch), []
    net.eval()
    with torch.no_grad():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            net(image)
            if image.is_cuda:
                torch.cuda.synchronize()
            found.append(time.perf_counter() - start)
    return float(np.median(found[1:]))


HEADER = ("network", "parameters", "MACs", "activations", "ms an image")


def row(name: str, net: nn.Module, patch: int) -> tuple[str, ...]:
    """One network under HEADER, for one image of patch x patch."""
    return (
        name,
        f"{networks.count_parameters(net):,}",
        f"{multiply_accumulates(net, patch) / 1e9:.2f} G",
        f"{activation_bytes(net, patch) / 2**20:.0f} MiB",
        f"{1000 * seconds_per_image(net, patch):.0f}",
    )


def _image(net, batch, patch):
    p = next(net.parameters())
    return torch.rand(batch, networks.CHANNELS, patch, patch, device=p.device, dtype=p.dtype)
