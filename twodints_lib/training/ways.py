"""The ways to search that move alphas by gradient, and the plan that says how a search goes."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from twodints_lib.errors import InputError
from twodints_lib.space import budget, cost_tables, networks, objective, topology
from twodints_lib.space.lattice import Supernet
from twodints_lib.training import loop
from twodints_lib.training.patches import Patches

CHOICES = {
    "mode": ("paper", "dints", "shrinking", "trying"),
    "paths": ("all", "sampled"),
    "scaling": objective.SCALINGS,
    "decode_cost": cost_tables.COSTS,
}


@dataclass(frozen=True)
class Plan:
    """How a supernet is searched; the defaults of `dints` are those of MONAI's search scripts."""

    mode: str = "paper"  # paper, dints, shrinking or trying
    paths: str = "all"  # all; or sampled: each step trains one network drawn from the alphas
    warmup: float = 0.5  # all but paper: share of the epochs before the alphas move
    weight_rate: float = 0.025  # dints: SGD with momentum 0.9 and weight decay 4e-5
    scaling: str = "monai"  # dints: the extra terms as MONAI's, or normalised
    budget: float = 0.8  # all but paper: activation memory, as a share of all paths on
    ceiling: bool = False  # dints: the budget is an upper bound instead of MONAI's target
    decode_share: float = 1.0  # of the full grid's cost that the decoded network may take; 1: all
    decode_cost: str = "memory"  # what that is a share of: memory, macs or parameters

    def __post_init__(self):
        for name, values in CHOICES.items():
            if getattr(self, name) not in values:
                raise InputError(f"{name}={getattr(self, name)!r}: take {' or '.join(values)}.")
        if not 0 <= self.warmup < 1 or not 0 < self.budget <= 1 or not self.weight_rate > 0:
            raise InputError("warmup must be in [0, 1), budget in (0, 1], weight_rate above 0.")
        if not 0 < self.decode_share <= 1:
            raise InputError(f"decode_share={self.decode_share}: take a number in (0, 1].")

    def json(self) -> dict:
        """The plan as records hold it; how it is decoded is left out where no budget is set."""
        later = {} if self.decode_share < 1 else {"decode_share", "decode_cost"}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in later}


def halves(samples: list, seed: int) -> tuple[list, list]:
    """Two disjoint halves of the training samples, every modality in both: weights', alphas'."""
    if len(samples) < 2:
        raise InputError("mode='dints': two training images are needed, one for each half.")
    order = np.random.default_rng(seed).permutation(len(samples))
    order = sorted(order, key=lambda i: samples[i].modality)  # stable: shuffled within modality
    return [samples[i] for i in order[::2]], [samples[i] for i in order[1::2]]


class SingleLevel(loop.Joint):
    """One optimiser for weights and alphas (paper, 2.3); with sampled paths, one network a step."""

    def __init__(self, net, samples, recipe, seed, **plan):
        self.plan = Plan(**plan)
        super().__init__(net, samples, recipe, seed)

    def prepare(self, epoch: int, number: int) -> None:
        """Choose the network that this step trains."""
        if self.plan.paths == "sampled":
            if not all(np.isfinite(a).all() for a in alphas(self.net)):
                self.stop(float("nan"), max(0, number - 1))
            rng = np.random.default_rng([self.seed, epoch, number])
            self.net.only(topology.sample(*alphas(self.net), rng, self.net.names))

    def settle(self) -> None:
        """Score the whole mixture, or where that was never trained, the decoded part."""
        if self.plan.paths == "sampled":
            self.net.only(decoded(self.net, self.plan.decode_share, self.plan.decode_cost))


class BiLevel(SingleLevel):
    """Weights on one half of the data, alphas on the other (MONAI's search scripts)."""

    def __init__(self, net, samples, recipe, seed, **plan):
        ours, theirs = halves(samples, seed)
        super().__init__(net, ours, recipe, seed, **plan)
        self.arch_patches = Patches(theirs, recipe.patch, seed + 1, vectors=self.patches.vectors)

    def make_optimisers(self) -> list[torch.optim.Optimizer]:
        """SGD over the weights, Adam over the alphas; neither sees the other's parameters.

        The alphas' rate follows the schedule too; MONAI keeps it constant.
        """
        weights = {"params": networks.weight_parameters(self.net), "rate": "weight_rate"}
        arch = {"params": networks.arch_parameters(self.net), "rate": "arch_rate"}
        sgd = torch.optim.SGD([weights], self.plan.weight_rate, momentum=0.9, weight_decay=4e-5)
        return [sgd, torch.optim.Adam([arch], self.recipe.arch_rate, betas=(0.5, 0.999))]

    def epoch(self, epoch: int) -> dict:
        """One weight step a batch; after the warm-up one alpha step after each."""
        self.begin(epoch)
        start = self.plan.warmup * self.recipe.epochs
        rise = (epoch - start) / (self.recipe.epochs - start)  # w of the objective
        losses, arch_losses, row = [], [], {}
        ours = self.batches(self.patches, epoch)
        theirs = self.batches(self.arch_patches, epoch, len(ours))  # may be one batch fewer
        for number, (batch, arch_batch) in enumerate(zip(ours, theirs, strict=True)):
            self.prepare(epoch, number)
            self._train_only(networks.weight_parameters(self.net))
            loss = self.counts(self.patches, number) * self.loss(*batch)
            self.step(loss, self.optimisers[0])
            losses.append(loss.detach())
            if rise > 0:
                self._train_only(networks.arch_parameters(self.net))
                task = self.counts(self.arch_patches, number) * self.loss(*arch_batch)
                parts = {"segmentation": task} | self.extra(rise)
                if not row:
                    row = {"shares": objective.gradient_shares(self.net, parts)}
                self.step(sum(parts.values()), self.optimisers[1])
                arch_losses.append({k: v.detach() for k, v in parts.items()})
        self._train_only(list(self.net.parameters()))
        if arch_losses:
            row["terms"] = {k: self.mean([x[k] for x in arch_losses]) for k in arch_losses[0]}
        return {"loss": self.mean(losses)} | row

    def counted(self, epoch: int) -> bool:
        """After the warm-up alone: before it the alphas are those it started from."""
        return epoch > self.plan.warmup * self.recipe.epochs

    def extra(self, rise: float) -> dict[str, torch.Tensor]:
        """The terms beside the segmentation loss, in float32 whatever the network runs in."""
        plan = self.plan
        found = objective.terms(self.net, plan.scaling, plan.budget, plan.ceiling)
        return {name: rise * value for name, value in found.items()}

    def _train_only(self, chosen):
        ids = {id(p) for p in chosen}
        for p in self.net.parameters():
            p.requires_grad_(id(p) in ids)


def alphas(net: Supernet) -> tuple[np.ndarray, np.ndarray]:
    """Path logits (B, P) and operation logits (B, P, O) of a supernet, as arrays."""
    a, c = networks.arch_parameters(net)
    return a.detach().cpu().double().numpy(), c.detach().cpu().double().numpy()


def decoded(net: Supernet, share: float = 1.0, cost: str = "memory") -> dict:
    """The code of a supernet's alphas, held to a share of the full grid's cost (budget.py)."""
    if share == 1:
        return topology.decode(*alphas(net), net.names)
    return budget.decode_within(*alphas(net), share, cost_table(net, cost))


def cost_table(net: Supernet, cost: str = "memory") -> cost_tables.CostTable:
    """What the networks within a supernet cost: memory, macs or parameters."""
    blocks = len(net.log_alpha_a)
    return cost_tables.cost_table(cost, blocks, names=net.names, **net.sizes)
