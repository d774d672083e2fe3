"""What is known of a network before it is trained: zero-cost proxies and one-shot scores. (torch)

`ranking` compares them with a table; they are computed once and kept beside it. The higher a proxy,
the better the network is said to be. Parameters and multiply-accumulates, the trivial rivals, are
columns of the table itself.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.messages import log
from twodints_lib.runs import environment
from twodints_lib.space import derive, lattice, networks, topology
from twodints_lib.space.specs import DerivedSpec
from twodints_lib.targets.heads import head_of
from twodints_lib.training import ways
from twodints_lib.training.patches import load_samples
from twodints_lib.truth import table as tables
from twodints_lib.truth.make import Batch, draw
from twodints_lib.truth.protocol import dataset, protocol_of, resized
from twodints_lib.truth.ranking import path_of
from twodints_lib.truth.scenes import MAPS, Windows, marks, windows
from twodints_lib.truth.table import Table


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
    found, where = {name: [] for name in PROXIES}, predict.device()
    batches = {seed: tuple(x.to(where) for x in batch) for seed, batch in batches.items()}
    for number, spec in enumerate(specs, 1):
        for name, proxy in PROXIES.items():
            each = [proxy(_fresh(spec, seed), b, spec.head) for seed, b in batches.items()]
            found[name].append(float(np.mean(each)))
        if number % 50 == 0:
            log.info(f"proxies of {number} of {len(specs)} networks")
    return found


def inherited(folder: Path, table: Table, score: Callable[[nn.Module], float]) -> list[float]:
    """One-shot scores: each network's with the weights that it has in the supernet of a run."""
    net, _ = predict.load_network(folder)
    return [score(derive.inherit(net, code)) for code in table.codes]


def chosen_by_alphas(folder: Path, table: Table) -> list[float]:
    """The logarithm of each network's probability under the path logits of a supernet's run."""
    net, _ = predict.load_network(folder)
    return topology_likelihoods(ways.alphas(net)[0], table)


def topology_likelihoods(log_alpha_a: np.ndarray, table: Table) -> list[float]:
    """Sum over blocks of log P(the block's paths), for path logits (B, P)."""
    logs = topology.log_subset_probabilities(log_alpha_a)
    members, _, _ = topology.subsets(topology.depths_of(log_alpha_a))
    place = {tuple(row): i for i, row in enumerate(members.astype(int).tolist())}
    return [
        float(sum(log[place[tuple(row)]] for log, row in zip(logs, code["paths"], strict=True)))
        for code in table.codes
    ]


def keep(name: str, supernets: Sequence[Path] = (), folder: Path = tables.FOLDER) -> Path:
    """Write the record of a table's proxies, and of what each supernet's run says; its path.

    Proxies are computed on the first batch of each of the table's seeds. Those of a record that is
    there already stay; what another supernet says is added. InputError for an unknown table, and
    for a supernet of another space or head.
    """
    table, protocol, path = tables.load(name, folder), protocol_of(name), path_of(name, folder)
    data, found = dataset(protocol), {}
    if path.is_file():
        found = files.read_json(path)
        found = found["scores"] if found["digest"] == table.made["digest"] else {}

    def samples(split):
        return [resized(s, protocol) for s in load_samples(data.split(split))]

    if not found:
        specs = [DerivedSpec(protocol.channel_mul, c, head=protocol.head) for c in table.codes]
        train, one = samples("train"), replace(protocol, drawn=1)
        drawn = {seed: draw(train, one, seed)[0] for seed in table.seeds}
        found = measure(specs, {seed: tuple(x.float() for x in b) for seed, b in drawn.items()})
    if supernets:
        seen = windows(samples("val"), protocol.window, protocol.windows)
    for run in supernets:
        who = _told(run, protocol)
        found[f"inherited weights: {who}"] = inherited(run, table, lambda net: f1_best(net, seen))
        found[f"alphas: {who}"] = chosen_by_alphas(run, table)
    told = {"table": name, "digest": table.made["digest"], "scores": found}
    return files.write_json(path, told | environment.origin(), None)


def _told(run, protocol) -> str:
    """The plan and the seed of a supernet's run."""
    record = files.read_json(Path(run) / "record.json")
    spec, plan = record["parameters"]["spec"], record["parameters"].get("search", {})
    if spec["kind"] != "supernet" or spec.get("head", "3-class") != protocol.head:
        raise InputError(f"{run}: is no supernet with the head '{protocol.head}'; search one.")
    words = [f"{k}={v}" for k, v in plan.items() if v != getattr(ways.Plan(), k)]
    return ", ".join([*words, f"seed {record['seed']}"])


@torch.no_grad()
def f1_best(net: nn.Module, seen: Windows) -> float:
    """The F1 of a network by its best decoder, on the windows that a table is scored on."""
    where, drawn = next(net.parameters()).device, []
    for start in range(0, len(seen.image), 8):
        logits = net(torch.from_numpy(seen.image[start : start + 8]).to(where))
        drawn.append(head_of("ladder").activate(logits)[:, :MAPS].float().cpu().numpy())
    return marks(np.concatenate(drawn), seen)["f1_best"]


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
