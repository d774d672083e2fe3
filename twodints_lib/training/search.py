"""Search a topology, in four named modes, two of them with all paths or with sampled ones.

`paper`: one optimiser trains weights and alphas on all the data, and the supernet is what is kept
for inference. `dints`: two halves of the training data; SGD steps the weights on one and, after a
warm-up, Adam steps the alphas on the other, with the entropy, topology and memory terms of
objective.py; the decoded network is then trained from scratch. `shrinking`: all paths are trained,
then taken out by measurement until what is left fits the budget. `trying`: the same, but what is
left is chosen by a short training of many candidates. A score always says which network it belongs
to: supernet, derived with copied weights, or derived and retrained.
"""

import copy
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.runs.setup import Setup
from twodints_lib.space import budget, cost_tables, derive, networks, objective, topology
from twodints_lib.space.lattice import Supernet
from twodints_lib.space.operations import TWO
from twodints_lib.space.specs import DerivedSpec, SupernetSpec
from twodints_lib.training import loop
from twodints_lib.training.patches import Patches, load_samples

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


class Shrinking(SingleLevel):
    """From all paths to a network within the budget, an epoch at a time, by measurement.

    In a warm-up all paths with all their operations are trained, plainly summed: nothing is decided
    before something is learned. Then the network is cut down at the beginning of some epochs, by a
    decode under a share of the full grid's memory that falls to the budget, and trained on. What a
    path is worth is measured: by how much the loss rises without it; an operation likewise, alone
    on its path (after Wang et al. 2021, who choose operations so). A gradient cannot tell: once the
    weights have settled, scaling any path up or down gains nothing, whether it is needed or not.
    The alphas hold what is on (LOGIT) and off (-LOGIT), so that their decode is the network left.

    Cutting measures each path and operation left on MEASURED batches: on a large lattice with few
    images this takes longer than the training.
    """

    LOGIT = 4.0
    OFF, LEAST = -1000.0, 1e-5  # logits of a path that is off, and of one that is worth nothing
    CUTS, MEASURED = 5, 4  # times that the network is cut down; batches by which it is measured
    SETTLING = 0.2  # share of the epochs at the end that change nothing any more

    def __init__(self, net, samples, recipe, seed, **plan):
        super().__init__(net, samples, recipe, seed, **plan)
        self.now = self.recipe.epochs  # the epoch that is trained, or was last

    def make_optimisers(self) -> list[torch.optim.Optimizer]:
        """AdamW over the weights alone: the alphas are set, not trained."""
        weights = {"params": networks.weight_parameters(self.net), "rate": "learning_rate"}
        return [torch.optim.AdamW([weights], self.recipe.learning_rate)]

    def share(self, epoch: int) -> float:
        """Memory that the network of an epoch may take, as a share of the full grid's."""
        epochs = self.recipe.epochs
        first = self.plan.warmup * epochs
        span = max((1 - self.SETTLING) * epochs - first, 1e-9)
        done = np.clip((epoch - first) / span, 0, 1)
        return self.plan.budget ** float(np.ceil(done * self.CUTS) / self.CUTS)

    def epoch(self, epoch: int) -> dict:
        """Cut down where it is time to, then train what is left on one patch of every image."""
        self.now = epoch
        if self.share(epoch) < self.share(epoch - 1):
            self._cut(epoch)
        return super().epoch(epoch)

    def prepare(self, epoch: int, number: int) -> None:
        """All paths with all operations; once it is cut down, the network left."""
        self.net.keep = self._left(epoch)

    def _left(self, epoch):
        """(B, P, O) bool: what the network of an epoch is made of."""
        if self.share(epoch) == 1:
            return np.ones(self.net.log_alpha_c.shape, bool)
        return self.net.mask(topology.decode(*alphas(self.net), self.net.names))

    def settle(self) -> None:
        """Score the network left."""
        self.net.keep = self._left(self.now)

    def counted(self, epoch: int) -> bool:
        """Once it is within the budget."""
        return self.share(epoch) <= self.plan.budget

    def _cut(self, epoch):
        """Take what is worth least out of the network, until it fits its share."""
        batches = list(self.batches(self.patches, self.recipe.epochs + epoch, self.MEASURED))
        left = self._left(epoch - 1)
        paths, operations = self._worth(left, batches)
        on = self._choose(epoch, left, paths, operations, batches)
        chosen = np.where(on.any(-1, keepdims=True), on, operations == 0)
        with torch.no_grad():
            for alpha, part in zip(
                networks.arch_parameters(self.net), (on.any(-1), chosen), strict=True
            ):
                alpha.copy_(self.LOGIT * torch.as_tensor(np.where(part, 1, -1)))

    def _choose(self, epoch, left, paths, operations, batches):
        """(B, P, O) bool: of what is left, what is worth most and fits the share of this epoch."""
        share, table = self.share(epoch), cost_table(self.net)
        return self.net.mask(budget.decode_within(paths, operations, share, table))

    @torch.no_grad()
    def _worth(self, left, batches) -> tuple[np.ndarray, np.ndarray]:
        """By how much the loss rises without each path (B, P), and falls with one operation alone
        (B, P, O), as logits that decode_within adds up. A path that is off stays off, and one
        without which nothing reaches the output stays on."""

        def loss(path, kept):
            self.net.keep = left.copy()
            self.net.keep[path] = kept
            if not topology.active_nodes({"paths": self.net.keep.any(-1)})[-1].any():
                return -self.OFF
            return self.mean([self.loss(*batch) for batch in batches])

        usual, each = loss((), left), np.eye(left.shape[-1], dtype=bool)
        paths, operations = np.full(left.shape[:2], self.OFF), np.zeros(left.shape)
        for path in map(tuple, np.argwhere(left.any(-1))):
            # What seems to do harm is noise, or would be mended by training: never below nought.
            paths[path] = max(loss(path, False) - usual, self.LEAST)
            for o, alone in enumerate(each):
                same = (left[path] == alone).all()
                operations[path][o] = 0 if same else -max(loss(path, alone) - usual, self.LEAST)
        return paths, operations


class Trying(Shrinking):
    """Shrinking that tries what it cuts down to before it decides.

    Worth is measured path by path, and that misleads: of two paths that can replace each other
    each seems worth nothing, and both go. So at every cut DRAWN networks are drawn from the one
    that is left, all within the share: half by worth and chance, half by chance alone. The TRIED
    of them that lose least as they are, and the one of most worth, are trained for STEPS batches
    from the weights of now; the one with the lowest loss at the end goes on, with its weights.
    The rate of the weights stays the same to the end: what is cut down late must learn late.
    """

    DRAWN, TRIED, STEPS = 300, 24, 32

    def begin(self, epoch: int) -> None:
        """Every group's full rate."""
        super().begin(epoch)
        for group in self.groups:
            group["lr"] = group["full"]

    def _choose(self, epoch, left, paths, operations, batches):
        first = super()._choose(epoch, left, paths, operations, batches)
        drawn = self._draw(epoch, left, paths, operations)
        best = sorted(drawn, key=lambda keep: self._loss(keep, batches))[: self.TRIED]
        number, now = self.recipe.epochs + epoch, copy.deepcopy(self.state_dict())
        training, tried = list(self.batches(self.patches, number, self.STEPS)), []
        for keep in [first, *(keep for keep in best if (keep != first).any())]:
            self.load_state_dict(copy.deepcopy(now))
            tried.append((self._try(epoch, keep, training), keep, copy.deepcopy(self.state_dict())))
        _, chosen, state = min(tried, key=lambda one: one[0])
        self.load_state_dict(state)
        return chosen

    def _draw(self, epoch, left, paths, operations):
        """Different networks (B, P, O) bool within what is left and the share of this epoch."""
        rng, on = np.random.default_rng([self.seed, epoch, self.DRAWN]), left.any(-1)
        share, table, found = self.share(epoch), cost_table(self.net), {}
        known = on & (paths < -self.OFF)  # without the others nothing reaches the output
        unit = max(paths[known].std(), self.LEAST) if known.any() else 1.0
        for number in range(self.DRAWN):
            trust = (number + 1) % 2 / unit
            chance = (rng.gumbel(size=x.shape) for x in (paths, operations))
            a = np.where(on, np.minimum(paths * trust, 50) + next(chance), self.OFF)
            c = np.where(left, operations * trust + next(chance), self.OFF)
            keep = self.net.mask(budget.decode_within(a, c, share, table))
            found[keep.tobytes()] = keep
        return found.values()

    @torch.no_grad()
    def _loss(self, keep, batches):
        self.net.keep = keep
        return self.mean([self.loss(*batch) for batch in batches])

    def _try(self, epoch, keep, batches):
        """Train a network on some batches; its mean loss on the second half of them."""
        self.begin(epoch)
        self.net.keep, losses = keep, []
        for number, batch in enumerate(batches):
            loss = self.counts(self.patches, number) * self.loss(*batch)
            self.step(loss, self.optimisers[0])
            losses.append(loss.detach())
        return self.mean(losses[len(losses) // 2 :])


SNAPSHOTS = 32_000  # numbers of a replay; each takes about nine bytes
WAYS = {"paper": SingleLevel, "dints": BiLevel, "shrinking": Shrinking, "trying": Trying}


def alphas(net: Supernet) -> tuple[np.ndarray, np.ndarray]:
    """Path logits (B, P) and operation logits (B, P, O) of a supernet, as arrays."""
    a, c = networks.arch_parameters(net)
    return a.detach().cpu().double().numpy(), c.detach().cpu().double().numpy()


def search_supernet(
    setup: Setup, plan: Plan | None = None, names=TWO, head: str = "3-class", select: str = ""
) -> Path:
    """The run folder of a searched supernet, found by its key or made now.

    record.json scores the supernet itself, as the paper does; history.json has the alphas of at
    most about a hundred epochs, rounded, to replay the search: under 300 KB of them.
    """
    plan, epochs = plan or Plan(), setup.preset.search_epochs

    def snapshot(net, epoch, recipe):
        a, c = alphas(net)
        kept = min(100, max(2, SNAPSHOTS // (a.size + c.size)))
        if epoch % -(-recipe.epochs // kept) and epoch != recipe.epochs:
            return {}
        return {"alpha_a": a.round(4).tolist(), "alpha_c": c.round(4).tolist()}

    spec, way = SupernetSpec.of(setup.preset, names, head), WAYS[plan.mode]
    return loop.train_network(setup, spec, epochs, way, plan.json(), snapshot, select)


def untouched(setup: Setup, names=TWO) -> tuple[np.ndarray, np.ndarray]:
    """The alphas that a search of this setup starts from."""
    torch.manual_seed(setup.seed)
    return alphas(networks.build(SupernetSpec.of(setup.preset, names)))


def decoded(net: Supernet, share: float = 1.0, cost: str = "memory") -> dict:
    """The code of a supernet's alphas, held to a share of the full grid's cost (budget.py)."""
    if share == 1:
        return topology.decode(*alphas(net), net.names)
    return budget.decode_within(*alphas(net), share, cost_table(net, cost))


def cost_table(net: Supernet, cost: str = "memory") -> cost_tables.CostTable:
    """What the networks within a supernet cost: memory, macs or parameters."""
    blocks = len(net.log_alpha_a)
    return cost_tables.cost_table(cost, blocks, names=net.names, **net.sizes)


def found_code(folder: Path, share: float | None = None, cost: str = "memory") -> dict:
    """The code decoded from the alphas of a searched supernet's best weights.

    It costs at most `share` of the full grid's memory, macs or parameters; by default as the plan
    of the search says.
    """
    net, record = predict.load_network(folder)
    plan = Plan(**record["parameters"].get("search", {}))
    own = (plan.decode_share, plan.decode_cost) if share is None else (share, cost)
    return decoded(net, *own)


def train_code(setup: Setup, code: dict, head: str = "3-class") -> Path:
    """Train the network of a code from scratch, on all the training data."""
    spec = DerivedSpec(setup.preset.channel_mul, code, head=head)
    return loop.train_network(setup, spec, setup.preset.derived_epochs)


def train_derived(setup: Setup, plan: Plan | None = None) -> Path:
    """Search (or find) the supernet, decode it and train the derived network from scratch."""
    return train_code(setup, found_code(search_supernet(setup, plan)))


def three_scores(setup: Setup, plan: Plan | None = None) -> dict[str, dict]:
    """The scores of a search's three networks by name, each with its metrics and parameters.

    "supernet": the mixture that was trained. "derived, copied weights": what the decode keeps of
    it, without training. "derived, retrained": the same topology trained from scratch.
    """
    folder = search_supernet(setup, plan)
    net, record = predict.load_network(folder)
    code = found_code(folder)
    copied = derive.inherit(net, code)
    rows = predict.score_samples(copied, load_samples(setup.val()), setup.preset.patch)
    retrained = files.read_json(train_code(setup, code) / "record.json")["metrics"]
    size = {"network_parameters": networks.count_parameters(copied), "epochs": 0}
    return {
        "supernet": record["metrics"],
        "derived, copied weights": predict.summary(rows) | size,
        "derived, retrained": retrained,
    }
