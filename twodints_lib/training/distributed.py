"""Several processes train one network, each on its share of every batch.

`torchrun --nproc-per-node N` or `accelerate launch` start them; alone, everything here does
nothing. Gradients are averaged by hand, not by DistributedDataParallel: a search freezes weights
and alphas in turn and sampled paths leave parameters without gradient, which that class forbids.
"""

import atexit
import importlib
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

T = TypeVar("T")


def start() -> None:
    """Join the other processes where a launcher has started some (its WORLD_SIZE says so)."""
    if int(os.environ.get("WORLD_SIZE", 1)) < 2 or distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    # its functions take the group of their import as a default: imported later, as optimizers do,
    # it would keep the group alive, and a worker of gloo that still runs at the exit aborts
    importlib.import_module("torch.distributed.nn")
    distributed.init_process_group(backend, timeout=timedelta(hours=12))  # others wait for scores
    atexit.register(distributed.destroy_process_group)


def rank() -> int:
    """This process among `size()`; 0 writes the files and speaks."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """Number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def share(items: list) -> list:
    """This process's part of a list; `gather` puts the parts together again."""
    return list(items[rank() :: size()])


def gather(part: list) -> list:
    """The whole list from every process's share, each item once, in its order."""
    if size() == 1:
        return part
    parts = [None] * size()
    distributed.all_gather_object(parts, part)
    whole = [None] * sum(map(len, parts))
    for i, some in enumerate(parts):
        whole[i :: size()] = some
    return whole


def weight(whole: int) -> float:
    """What the mean loss of this process's share of `whole` images counts, so that the mean over
    processes is the mean over the images."""
    return len(range(rank(), whole, size())) * size() / whole


def average_gradients(parameters: Iterable) -> None:
    """The mean over processes in place of each parameter's own gradient."""
    grads = [p.grad for p in parameters if p.grad is not None]
    if size() == 1 or not grads:
        return
    flat = torch.cat([g.flatten() for g in grads])
    distributed.all_reduce(flat)
    flat /= size()
    for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(part.view_as(grad))


def mean(values: list[float], device=None) -> list[float]:
    """Means over processes of a list of numbers."""
    if size() == 1:
        return list(values)
    found = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(found)
    return (found / size()).tolist()


def agree(value: T) -> T:
    """What process 0 says; the others wait for it."""
    if size() == 1:
        return value
    said = [value]
    distributed.broadcast_object_list(said)
    return said[0]
