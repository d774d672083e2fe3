"""The operations an edge may choose from: one table, read by supernet, derived network and costs.

An operation stands between the edge's ReLU and its instance norm: a module that maps
(B, C, H, W) to the same shape, without bias, since the norm takes the mean away. "skip" is the
identity, with neither ReLU nor norm. A new one is one line:

    OPERATIONS["pooled"] = Operation(lambda channels: nn.AvgPool2d(3, 1, padding=1))
"""

from collections.abc import Callable
from typing import NamedTuple

from twodints_lib.errors import InputError


class Operation(NamedTuple):
    """How an operation is made for C channels, and what it keeps in memory for the backward pass.

    `memory` counts activations of the output's size, as MONAI does: ReLU, convolution, norm.
    """

    build: Callable[[int], object]
    memory: float = 3.0


def convolution(kernel: int, depthwise: bool = False) -> Operation:
    """A square convolution that keeps the size, over all channels or one channel at a time."""

    def build(channels: int):
        from torch import nn  # here: what reads codes alone needs no torch

        groups = channels if depthwise else 1
        return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups, bias=False)

    return Operation(build)


def _identity(channels):
    from torch import nn

    return nn.Identity()


OPERATIONS = {
    "skip": Operation(_identity, memory=0.0),
    "1x1": convolution(1),
    "3x3": convolution(3),
    "depthwise 3x3": convolution(3, depthwise=True),
    "5x5": convolution(5),
    "7x7": convolution(7),
}
TWO = ("skip", "3x3")  # the paper's two operations, MONAI's in 2D
SIX = tuple(OPERATIONS)  # the paper's six (2.2); the table may grow, this does not


def check(names) -> tuple[str, ...]:
    """The names as a tuple, or InputError for a name that is not in the table."""
    for name in names:
        if name not in OPERATIONS:
            raise InputError(f"operation {name!r} is not known; take from {', '.join(OPERATIONS)}.")
    if not names or len(set(names)) != len(names):
        raise InputError(f"operations={list(names)}: give each operation once, and at least one.")
    return tuple(names)


def weights(name: str, channels: int) -> int:
    """Weights of an operation on so many channels; also its multiply-accumulates a pixel."""
    import torch

    with torch.device("meta"):
        return sum(p.numel() for p in OPERATIONS[name].build(channels).parameters())
