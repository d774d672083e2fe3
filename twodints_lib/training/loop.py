"""One training loop, top to bottom, for every network of the course."""

import time
from contextlib import nullcontext
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from monai.losses import DiceCELoss
from torch.utils.data import DataLoader

from twodints_lib.errors import InputError
from twodints_lib.files import digest, read_json, write_json
from twodints_lib.inference import predict, thresholds
from twodints_lib.messages import log
from twodints_lib.runs import records, store
from twodints_lib.runs.setup import Setup
from twodints_lib.space import networks
from twodints_lib.space.specs import Spec, spec_of
from twodints_lib.targets.heads import HEADS
from twodints_lib.training import distributed
from twodints_lib.training.checkpoints import is_whole, resume, save
from twodints_lib.training.patches import Patches, Sample, cache_of, load_samples, loader
from twodints_lib.training.recipes import Recipe, rate_factor


class Joint:
    """One optimiser (AdamW) over weights and alphas alike, on all the data: the paper's way.

    What `fit` needs of a way to train: recipe, epoch(e) -> row of the history, check(loss) after
    it, settle() before the network is scored, counted(e), state_dict() and load_state_dict().
    ways.py and shrinking.py have others.
    """

    def __init__(self, net, samples, recipe: Recipe, seed: int):
        self.net, self.seed = net, seed
        self.now, self.drawn = 0, []  # the epoch, and the names in each of its batches
        self.where = next(net.parameters()).device
        self.loss_of = DiceCELoss(include_background=True, to_onehot_y=True, softmax=True)
        if recipe.head != "3-class":
            self.loss_of = HEADS[recipe.head].loss
        self.patches = Patches(samples, recipe.patch, seed, vectors=HEADS[recipe.head].vectors)
        self.steps = -(-len(samples) // recipe.batch)  # of an epoch
        if recipe.max_steps:
            needed = -(-recipe.max_steps // self.steps)
            recipe = replace(recipe, epochs=min(recipe.epochs, needed))
        self.recipe = recipe
        self.scaler = torch.amp.GradScaler(self.where.type, enabled=recipe.precision == "float16")
        self.optimisers = self.make_optimisers()
        for group in self.groups:
            group["full"] = group["lr"]  # the rate before the schedule

    @property
    def groups(self) -> list[dict]:
        """The parameter groups of all optimisers; a checkpoint that is read makes them anew."""
        return [group for o in self.optimisers for group in o.param_groups]

    def make_optimisers(self) -> list[torch.optim.Optimizer]:
        """AdamW over the weights and, in a second group, over the alphas of a supernet.

        "rate": the parameter that a group's learning rate comes from, for messages.
        """
        groups = [
            {"params": networks.weight_parameters(self.net), "rate": "learning_rate"},
            {"params": networks.arch_parameters(self.net), "rate": "arch_rate"},
        ]
        groups = [g | {"lr": getattr(self.recipe, g["rate"])} for g in groups if g["params"]]
        return [torch.optim.AdamW(groups)]

    def batches(self, patches: Patches, epoch: int, count: int | None = None) -> DataLoader:
        """Batches of one patch an image, in an order that (seed, epoch) alone decide; `count` of
        them, from the first again after the last. Of several processes each takes its share of
        every batch, and where there is none, a first image that will count nothing."""
        patches.epoch, size = epoch, self.recipe.batch
        order = np.random.default_rng([self.seed, epoch]).permutation(len(patches)).tolist()
        whole = [order[i : i + size] for i in range(0, len(order), size)]
        if count is None and self.recipe.max_steps:
            count = min(len(whole), self.recipe.max_steps - (epoch - 1) * self.steps)
        whole = list(islice(cycle(whole), len(whole) if count is None else count))
        if patches is self.patches:
            self.drawn = [[patches.samples[i].name for i in b] for b in whole]
        own = [distributed.share(batch) or batch[:1] for batch in whole]
        return loader(patches, own, self.recipe.workers, self.where.type)

    def counts(self, patches: Patches, number: int) -> float:
        """What this process's share of a batch counts in the mean; alone, 1."""
        size = self.recipe.batch
        number %= -(-len(patches) // size)
        return distributed.weight(min(size, len(patches) - number * size))

    def loss(self, image, target) -> torch.Tensor:
        """Mean segmentation loss of a batch, in the recipe's precision; the loss in float32."""
        low = self.recipe.precision != "float32"
        with torch.autocast(self.where.type, getattr(torch, self.recipe.precision), enabled=low):
            logits = self.net(image.to(self.where, non_blocking=True))  # (B, 3, P, P)
        return self.loss_of(logits.float(), target.to(self.where, non_blocking=True))

    def step(self, loss, optimiser) -> None:
        """One update, the same in every process."""
        optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        distributed.average_gradients(p for g in optimiser.param_groups for p in g["params"])
        self.scaler.step(optimiser)
        self.scaler.update()

    def begin(self, epoch: int) -> None:
        """Every group's rate for this epoch."""
        self.net.train()
        self.now = epoch
        for group in self.groups:
            group["lr"] = group["full"] * rate_factor(self.recipe, epoch)

    def epoch(self, epoch: int) -> dict:
        """Train on one patch of every image."""
        self.begin(epoch)
        losses = []
        for number, (image, target) in enumerate(self.batches(self.patches, epoch)):
            self.prepare(epoch, number)
            loss = self.counts(self.patches, number) * self.loss(image, target)
            self.step(loss, self.optimisers[0])
            losses.append(loss.detach())
        return {"loss": self.mean(losses)}

    def mean(self, losses) -> float:
        """Mean of an epoch's losses: read once, since every reading waits for the device."""
        found = distributed.mean(torch.stack(losses).tolist(), self.where)
        for number, loss in enumerate(found):
            if not np.isfinite(loss):
                self.stop(loss, number)
        return float(np.mean(found))

    def check(self, row: dict) -> None:
        """InputError where a parameter, or what an epoch measured, is not finite."""
        told = [v for v in records.flat(row).values() if isinstance(v, float)]
        if not all(map(np.isfinite, told)) or self._not_finite():
            self.stop(row["loss"], len(self.drawn) - 1)

    def _not_finite(self) -> list[dict]:
        return [g for g in self.groups if not all(p.isfinite().all() for p in g["params"])]

    def stop(self, loss: float, number: int) -> None:
        """InputError that names the rates to lower, the step of the epoch and its images."""
        rates = ", ".join(f"{g['rate']}={g['full']:g}" for g in self._not_finite() or self.groups)
        images = ", ".join(dict.fromkeys(self.drawn[number])) if self.drawn else "not told"
        raise InputError(
            f"{rates}: the training diverged at step {number + 1} of epoch {self.now}, its loss is "
            f"{loss:g} (images: {images}); lower it."
        )

    def prepare(self, epoch: int, number: int) -> None:
        """Called before each step; nothing to do here."""

    def settle(self) -> None:
        """Called before the network is scored; nothing to do here."""

    def counted(self, epoch: int) -> bool:
        """Whether the weights of this epoch may be kept as the best."""
        return True

    def state_dict(self) -> list[dict]:
        """What goes on after an interruption: weights and alphas, scaler, optimisers."""
        return [part.state_dict() for part in (self.net, self.scaler, *self.optimisers)]

    def load_state_dict(self, state: list[dict]) -> None:
        """Back to the state of a checkpoint."""
        for part, found in zip((self.net, self.scaler, *self.optimisers), state, strict=True):
            part.load_state_dict(found)


def fit(trainer: Joint, val: list[Sample], folder: Path, watch=None) -> list[dict]:
    """Train, keep the weights with the best validation score, return the history.

    The score is recipe.select; both scores of every validation are in the history.

    After every epoch a checkpoint goes to folder/last.pt; calling again with the same folder goes
    on from there and, on a CPU, ends with the same weights as an uninterrupted training.
    `watch(net, epoch, recipe)` may return a JSON-able dict that is added to the epoch's row.
    """
    net, recipe, folder = trainer.net, trainer.recipe, Path(folder)
    history, best, best_epoch = [], -1.0, 0
    if (folder / "last.pt").exists():
        try:
            history, best, best_epoch = resume(trainer, folder)
            log.info(f"goes on after epoch {len(history)}")
        except Exception as error:  # a cut file has many errors: of zip, of pickle, of the end
            reason = (str(error) or type(error).__name__).splitlines()[0]
            log.warning(f"{folder / 'last.pt'}: cannot be gone on from ({reason}); begins anew.")
    for epoch in range(len(history) + 1, recipe.epochs + 1):
        if epoch - 1 - best_epoch >= recipe.patience and best >= 0:
            log.info(f"no better score for {recipe.patience} epochs: stops early")
            break
        start = time.perf_counter()
        row = {"epoch": epoch, "dice": None, "f1": None}
        try:
            row |= trainer.epoch(epoch)
            trainer.check(row)
        except InputError as error:
            kept = f"{folder / 'last.pt'}, of epoch {epoch - 1}" if epoch > 1 else "none"
            raise InputError(f"{error} The last good checkpoint: {kept}.") from error
        row |= watch(net, epoch, recipe) if watch else {}
        late = epoch - recipe.val_start
        if epoch == recipe.epochs or (late >= 0 and late % recipe.val_every == 0):
            trainer.settle()
            begun = time.perf_counter()
            row |= validation_scores(net, val, recipe.patch, recipe.head)
            row["validation_seconds"] = time.perf_counter() - begun
            # No image with a cell, no Dice; and what a search has not begun to decide is no find.
            score = row[recipe.select] or 0.0
            if score > best and trainer.counted(epoch):
                best, best_epoch = score, epoch
                if distributed.rank() == 0:
                    save(folder / "best.pt", net.state_dict())
        row["seconds"] = time.perf_counter() - start
        history.append(row)
        state = {"trainer": trainer.state_dict(), "history": history}
        if distributed.rank() == 0:
            save(folder / "last.pt", state | {"best": best, "best_epoch": best_epoch})
        _say_progress(history, recipe, best)
    distributed.agree(None)  # best.pt is written
    weights = torch.load(folder / "best.pt", map_location=trainer.where, weights_only=True)
    net.load_state_dict(weights)
    trainer.settle()
    return history


def validation_scores(net, samples, patch: int, head: str = "3-class") -> dict:
    """Both scores that a training can be steered by, means over images: {"dice", "f1"}.

    The Dice of interior and boundary is what the challenge steers by and what Table 4 most likely
    reports; None for a head that draws no classes. The F1 is that of the decoded cells. Of several
    processes each scores its share of the images.
    """
    own = predict.score_samples(net, distributed.share(samples), patch, head)
    found = predict.summary(distributed.gather(own))
    return {"dice": found["mean_dice"], "f1": found["mean_f1"]}


def _say_progress(history, recipe, best):
    """At most about a dozen lines a training, however long it is."""
    epoch = len(history)
    if epoch == recipe.epochs or epoch * 12 // recipe.epochs > (epoch - 1) * 12 // recipe.epochs:
        left = (recipe.epochs - epoch) * sum(r["seconds"] for r in history) / epoch
        name = {"dice": "Dice", "f1": "F1"}[recipe.select]
        score = f"best {name} {best:.3f}, " if best >= 0 else ""
        loss = history[-1]["loss"]
        log.info(f"epoch {epoch}/{recipe.epochs}: loss {loss:.3f}, {score}{left / 60:.1f} min left")


def train_network(
    setup: Setup, spec: Spec, epochs: int, way=Joint, plan: dict | None = None, watch=None,
    select: str = "", start: Path | None = None,
) -> Path:  # fmt: skip
    """The run folder of a network trained as `setup` says, found by its key or made now.

    `way(net, samples, recipe, seed, **plan)` is how it is trained; `start`, the folder of another
    run, gives the weights to begin with, all that fit. The folder holds record.json, history.json
    and best.pt.
    """
    recipe = Recipe.of(setup.preset, epochs, spec, select)
    spec.check_patch(recipe.patch)
    parameters = {"spec": spec.json(), "recipe": recipe.json(), "images": setup.preset.images}
    more = {
        "search": plan,
        "only": setup.only,
        "own": distributed.agree(store.own_code(way, watch)),
    }
    if start:  # two folders may have one name
        more |= {"start": Path(start).name, "start_weights": digest(Path(start) / "best.pt")}
    parameters |= {k: v for k, v in more.items() if v}
    inputs = parameters | {"data": setup.dataset.hash, "seed": setup.seed}
    folder = store.folder(spec.kind, inputs)
    # Two notebooks may want the same network at once.
    with FileLock(folder / ".lock") if distributed.rank() == 0 else nullcontext():
        if distributed.agree(is_whole(folder)):
            log.info(f"{folder.name}: found, trained before")
        else:
            _train_and_record(setup, parameters, way, watch, start, folder)
    distributed.agree(None)  # the record is written
    store.note_use(folder)
    return folder


def train_ladder(setup: Setup, folder: Path, epochs: int, select: str = "") -> Path:
    """The network of a run with a ladder head in place of its own, trained on from its weights;
    the run itself where it has one."""
    spec = spec_of(read_json(Path(folder) / "record.json")["parameters"]["spec"])
    if spec.head == "ladder":
        return folder
    spec = replace(spec, head="ladder")
    return train_network(setup, spec, epochs, select=select, start=folder)


def _train_and_record(setup, parameters, way, watch, start, folder):
    """Train into `folder`, score the best weights on the validation images, write the record."""
    spec, recipe = spec_of(parameters["spec"]), Recipe.of_json(parameters["recipe"])
    kept = cache_of(setup)
    train = load_samples(setup.train(), recipe.head, kept)
    val = load_samples(setup.val(), folder=kept)
    torch.manual_seed(setup.seed)
    net = networks.build(spec).to(predict.device())
    if start:
        networks.take_weights(net, predict.load_network(start)[0])
    log.info(f"{folder.name}: {networks.count_parameters(net):,} parameters, {len(train)} images")
    trainer = way(net, train, recipe, setup.seed, **parameters.get("search", {}))
    history = fit(trainer, val, folder, watch)
    if distributed.rank():
        return
    maps = []
    metrics = predict.summary(predict.score_samples(net, val, recipe.patch, recipe.head, maps))
    metrics |= {"network_parameters": networks.count_parameters(net), "epochs": len(history)}
    metrics |= {"training_images": len(train)}
    chosen = {"processes": distributed.size()} if distributed.size() > 1 else {}
    if recipe.head != "3-class":
        scores, settings = thresholds.try_decoders(recipe.head, maps, val)
        metrics |= {"representations": scores}
        chosen |= thresholds.best_decoder(scores, settings)
    write_json(folder / "history.json", {"history": history}, indent=None)
    seconds = sum(r["seconds"] for r in history)
    record = store.record(setup, parameters, metrics, seconds) | chosen
    write_json(folder / "record.json", record)
    (folder / "last.pt").unlink(missing_ok=True)
    dice = "" if metrics["mean_dice"] is None else f", Dice {metrics['mean_dice']:.3f}"
    log.info(f"mean F1 {metrics['mean_f1']:.3f}{dice}, {seconds:.0f} s")
