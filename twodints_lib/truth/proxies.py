"""What is known of a network before it is trained: zero-cost proxies and one-shot scores. (torch)

`ranking` compares them with a table; they are computed once and kept beside it. The higher a proxy,
the better the network is said to be. Parameters and multiply-accumulates, the trivial rivals, are
columns of the table itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from twodints_lib.inference import predict
from twodints_lib.space import derive, lattice, networks, topology
from twodints_lib.space.specs import DerivedSpec
from twodints_lib.targets.heads import head_of
from twodints_lib.training import search
from twodints_lib.truth.table import Table

Batch = tuple[torch.Tensor, torch.Tensor]  # images (B, 3, P, P), a head's maps (B, C, P, P)


def gradient_norm(net: nn.Module, batch: Batch, head: str) -> float:
    """The norm of the loss's gradient, added up over the layers (Abdelfattah et al. 2021)."""
    image, maps = batch
    weights = _weights(net)
    loss = head_of(head).loss(net(image), maps)
    return float(sum(g.norm() for g in torch.autograd.grad(loss, weights)))


def synflow(net: nn.Module, batch: Batch, head: str) -> float:
    """Logarithm of the sum of |weight x gradient| of a network that is made positive (Tanaka et al.
    2020).

    Weights are replaced by their absolute values, the image by ones, and the output is added up:
    then the sum counts the paths of weights from input to output. Norms are taken out, as the
    authors do with batch norm: an instance norm subtracts the mean of each channel, and of an
    image of ones nothing would be left. In double precision, since it grows with every layer. It
    reads no data: of the batch only the size counts.
    """
    image = torch.ones_like(batch[0][:1], dtype=torch.float64)
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    net.double()
    try:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.abs_()
        with without_norms():
            weights = _weights(net)
            gradients = torch.autograd.grad(net(image).sum(), weights)
        total = sum((w * g).abs().sum() for w, g in zip(weights, gradients, strict=True))
    finally:
        net.float().load_state_dict(kept)
    return float(total.detach().log())


def jacobian_covariance(net: nn.Module, batch: Batch, head: str) -> float:
    """How differently the images' output depends on their pixels (Mellor et al. 2020, version 1).

    Rows are the images' gradients of one number of the output; from the eigenvalues v of their
    correlations it is minus the sum of log(v + k) + 1 / (v + k). For a classifier the number is
    the sum of all logits. Here that would be a constant, whatever the image, since the last norm
    sets the sum of each map: so pixels and maps are added with fixed random signs.
    """
    image = batch[0].clone().requires_grad_()
    drawn = net(image)
    signs = torch.randn(drawn.shape[1:], generator=torch.Generator().manual_seed(0)).sign()
    (jacobian,) = torch.autograd.grad((drawn * signs.to(drawn)).sum(), image)
    found = np.corrcoef(jacobian.flatten(1).double().cpu().numpy())
    values = np.linalg.eigvalsh(found).clip(0) + 1e-5
    return float(-(np.log(values) + 1 / values).sum())


PROXIES: dict[str, Callable[[nn.Module, Batch, str], float]] = {
    "gradient norm": gradient_norm,
    "SynFlow": synflow,
    "Jacobian covariance": jacobian_covariance,
}


def measure(specs: list[DerivedSpec], batches: dict[int, Batch]) -> dict[str, list[float]]:
    """Every proxy of every network, the mean over {seed: batch}: weights fresh from the seed."""
    found = {name: [] for name in PROXIES}
    for spec in specs:
        for name, proxy in PROXIES.items():
            each = [proxy(_fresh(spec, seed), b, spec.head) for seed, b in batches.items()]
            found[name].append(float(np.mean(each)))
    return found


def inherited(folder: Path, table: Table, score: Callable[[nn.Module], float]) -> list[float]:
    """One-shot scores: each network's with the weights that it has in the supernet of a run."""
    net, _ = predict.load_network(folder)
    return [score(derive.inherit(net, code)) for code in table.codes]


def chosen_by_alphas(folder: Path, table: Table) -> list[float]:
    """The logarithm of each network's probability under the path logits of a supernet's run."""
    net, _ = predict.load_network(folder)
    return topology_likelihoods(search.alphas(net)[0], table)


def topology_likelihoods(log_alpha_a: np.ndarray, table: Table) -> list[float]:
    """Sum over blocks of log P(the block's paths), for path logits (B, P)."""
    logs = topology.log_subset_probabilities(log_alpha_a)
    members, _, _ = topology.subsets(topology.depths_of(log_alpha_a))
    place = {tuple(row): i for i, row in enumerate(members.astype(int).tolist())}
    return [
        float(sum(log[place[tuple(row)]] for log, row in zip(logs, code["paths"], strict=True)))
        for code in table.codes
    ]


@contextmanager
def without_norms() -> Iterator[None]:
    """Networks of the lattice lack their norms in the block: nodes are plain sums."""
    kept = lattice.instance_norm, lattice.mix
    lattice.instance_norm, lattice.mix = (lambda x: x), _plain_sum
    try:
        yield
    finally:
        lattice.instance_norm, lattice.mix = kept


def _plain_sum(raw, plain, weight=None):
    terms = [*raw, *plain]
    if weight is not None:
        terms = [w * x for w, x in zip(weight, terms, strict=True)]
    return sum(terms[1:], terms[0])


def _weights(net):
    """The kernels of its convolutions; biases are left out."""
    return [p for p in net.parameters() if p.ndim > 1]


def _fresh(spec, seed):
    torch.manual_seed(seed)
    return networks.build(spec).to(predict.device())
