"""What DiNTS adds to the segmentation loss of a search: entropies, topology, memory.

    L = L_seg + w * (entropy_a + entropy_c + memory + 0.001 * topology),  w rising from 0 to 1

as in MONAI's search scripts. With scaling "monai" the terms are theirs, number for number. With
"normalised" entropies and topology are divided by their value at untouched alphas: 1 is undecided,
0 decided. In any scaling an entropy has no gradient where alphas are equal: it can finish a
decision, not start one (notebook 06).
"""

from functools import lru_cache

import numpy as np
import torch

from twodints_lib.errors import InputError
from twodints_lib.space import topology
from twodints_lib.space.cost_tables import memory_table
from twodints_lib.space.lattice import Supernet

SCALINGS = ("monai", "normalised")
WEIGHTS = {"entropy_a": 1.0, "entropy_c": 1.0, "memory": 1.0, "topology": 0.001}
EPS = 1e-5


@lru_cache(maxsize=8)
def _patterns(num_depths, dtype, device):
    """Path subsets (N, P), and which of the 2^D - 1 node patterns each consumes, produces."""
    members, consumed, produced = topology.subsets(num_depths)
    one_hot = np.eye(2**num_depths)
    where = {"dtype": dtype, "device": device}
    arrays = (members, one_hot[consumed][:, 1:], one_hot[produced][:, 1:])
    return tuple(torch.as_tensor(a, **where) for a in arrays)


def subset_probabilities(log_alpha_a: torch.Tensor) -> torch.Tensor:
    """Probability of every non-empty path subset of every block, (B, N); MONAI get_prob_a."""
    depths = topology.depths_of(log_alpha_a)
    members, _, _ = _patterns(depths, log_alpha_a.dtype, log_alpha_a.device)
    return (log_alpha_a @ members.T).softmax(-1)


def path_entropy(probability: torch.Tensor) -> torch.Tensor:
    """Mean of -p log p over blocks and path subsets (MONAI's entropy_alpha_a)."""
    return -(probability * (probability + EPS).log()).mean()


def operation_entropy(log_alpha_c: torch.Tensor) -> torch.Tensor:
    """Mean of -p log p over blocks, paths and operations (MONAI's entropy_alpha_c)."""
    return -(log_alpha_c.softmax(-1) * log_alpha_c.log_softmax(-1)).mean()


def topology_loss(probability: torch.Tensor) -> torch.Tensor:
    """How ill the nodes that a block produces fit those that the next consumes.

    Cross-entropy of each node pattern's probabilities, summed over patterns and neighbouring
    blocks (MONAI get_topology_entropy, its loops as two matrix products).
    """
    depths = (int(np.log2(probability.shape[1] + 1)) + 2) // 3
    _, consumed, produced = _patterns(depths, probability.dtype, probability.device)
    made, used = probability[:-1] @ produced, probability[1:] @ consumed
    return -(made * (used + EPS).log() + (1 - made) * (1 - used + EPS).log()).sum()


@lru_cache(maxsize=8)
def _memory_on(num_depths, names, dtype, device):
    """memory_table as tensors, moved to the device once."""
    found = memory_table(num_depths, names)
    return tuple(torch.as_tensor(a, dtype=dtype, device=device) for a in found)


def memory_fraction(net: Supernet) -> torch.Tensor:
    """Expected activation memory over that of all paths on, 0 to 1 (MONAI get_ram_cost_usage)."""
    alphas = net.log_alpha_c
    cost, size = _memory_on(net.num_depths, net.names, alphas.dtype, alphas.device)
    mean = size * (1 + (alphas.softmax(-1) * cost).sum(-1))  # (B, P)
    return (net.path_probabilities() * mean).sum() / mean.sum()


def memory_loss(net: Supernet, budget: float, ceiling: bool) -> torch.Tensor:
    """MONAI's distance to a target, |budget - memory|, or a true ceiling: 0 below the budget."""
    excess = memory_fraction(net) - budget
    return excess.clamp_min(0) if ceiling else excess.abs()


def terms(
    net: Supernet, scaling: str = "monai", budget: float = 0.8, ceiling: bool = False
) -> dict[str, torch.Tensor]:
    """The weighted terms of the objective by name, differentiable; the search adds their sum."""
    if scaling not in SCALINGS:
        raise InputError(f"scaling={scaling!r} is not known; take one of {', '.join(SCALINGS)}.")
    found = _plain_terms(net.log_alpha_a, net.log_alpha_c)
    if scaling == "normalised":
        with torch.no_grad():
            undecided = _plain_terms(
                *(torch.zeros_like(a) for a in (net.log_alpha_a, net.log_alpha_c))
            )
        found = {name: value / undecided[name].clamp_min(EPS) for name, value in found.items()}
    found["memory"] = memory_loss(net, budget, ceiling)
    return {name: WEIGHTS[name] * found[name] for name in WEIGHTS} if scaling == "monai" else found


def _plain_terms(log_alpha_a, log_alpha_c):
    probability = subset_probabilities(log_alpha_a)
    return {
        "entropy_a": path_entropy(probability),
        "entropy_c": operation_entropy(log_alpha_c),
        "topology": topology_loss(probability),
    }


def gradient_shares(net: Supernet, losses: dict) -> dict[str, list[float]]:
    """Share of each loss in the summed absolute gradient of the alphas, (paths, operations).

    `losses`: scalars by name, differentiable in the alphas. Shares of each pair sum to 1.
    """
    sizes = {}
    for name, loss in losses.items():
        alphas = [net.log_alpha_a, net.log_alpha_c]
        grads = torch.autograd.grad(loss, alphas, retain_graph=True, allow_unused=True)
        sizes[name] = [0.0 if g is None else float(g.abs().sum()) for g in grads]
    total = np.maximum(np.sum(list(sizes.values()), axis=0), 1e-30)
    return {name: (np.array(size) / total).tolist() for name, size in sizes.items()}
