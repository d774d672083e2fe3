"""The ways to search that take paths out by measurement, until what is left fits the budget."""

import copy

import numpy as np
import torch

from twodints_lib.space import budget, networks, topology
from twodints_lib.training.ways import SingleLevel, alphas, cost_table


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
