"""One training loop, top to bottom, for every network of the course."""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from monai.losses import DiceCELoss
from torch.utils.data import DataLoader

from twodints_lib import derive, predict, runs, space
from twodints_lib.errors import InputError
from twodints_lib.metrics import summarise
from twodints_lib.patches import Patches, load_samples


@dataclass(frozen=True)
class Recipe:
    """How to train (paper, Table 2): AdamW, DiceCE with background, early stopping."""

    patch: int
    batch: int
    epochs: int
    learning_rate: float
    patience: int
    val_start: int
    val_every: int
    schedule: str = "constant"
    arch_rate: float = 0.0  # for architecture parameters, where the network has any
    precision: str = "float32"
    workers: int = 0


def recipe(preset, epochs: int, spec: dict) -> Recipe:
    """The preset's recipe for one network; `paper` takes Table 4's batch for it."""
    batch = preset.batch
    if preset.name == "paper" and spec["kind"] in ("supernet", "derived"):
        batch = space.table_4_batch(preset.channel_mul, preset.num_blocks, preset.patch)
    return Recipe(
        patch=preset.patch,
        batch=batch,
        epochs=epochs,
        learning_rate=preset.learning_rate,
        schedule=preset.schedule,
        arch_rate=preset.arch_rate,
        patience=preset.patience,
        val_start=preset.val_start,
        val_every=preset.val_every,
        precision=preset.precision,
        workers=preset.workers,
    )


def rate_factor(recipe: Recipe, epoch: int) -> float:
    """What the learning rates are multiplied by in an epoch (1-based)."""
    if recipe.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / recipe.epochs))


def optimiser(net, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the weights and, in a second group, over the alphas of a supernet."""
    groups = [{"params": space.weight_parameters(net), "lr": recipe.learning_rate}]
    if space.arch_parameters(net):
        groups.append({"params": space.arch_parameters(net), "lr": recipe.arch_rate})
    return torch.optim.AdamW(groups)


def one_epoch(net, optim, scaler, loss_of, patches, recipe, seed, epoch) -> float:
    """Train on one patch of every image; returns the mean loss."""
    where = next(net.parameters()).device
    patches.epoch = epoch
    for group, rate in zip(
        optim.param_groups, (recipe.learning_rate, recipe.arch_rate), strict=False
    ):
        group["lr"] = rate * rate_factor(recipe, epoch)
    order = np.random.default_rng([seed, epoch]).permutation(len(patches)).tolist()
    loader = DataLoader(patches, recipe.batch, sampler=order, num_workers=recipe.workers)
    low = recipe.precision != "float32"
    net.train()
    losses = []
    for image, target in loader:  # (B, 3, P, P), (B, 1, P, P)
        optim.zero_grad()
        with torch.autocast(where.type, getattr(torch, recipe.precision), enabled=low):
            logits = net(image.to(where))
        loss = loss_of(logits.float(), target.to(where))
        scaler.scale(loss).backward()
        scaler.step(optim)
        scaler.update()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def fit(net, train, val, recipe: Recipe, seed: int, folder, watch=None, say=print) -> list[dict]:
    """Train `net` on samples, keep the weights with the best validation Dice, return the history.

    After every epoch a checkpoint goes to folder/last.pt; calling again with the same folder goes
    on from there and, on a CPU, ends with the same weights as an uninterrupted training.
    `watch(net)` may return a JSON-able dict that is added to the epoch's row of the history.
    """
    folder = Path(folder)
    where = next(net.parameters()).device
    loss_of = DiceCELoss(include_background=True, to_onehot_y=True, softmax=True)
    optim = optimiser(net, recipe)
    scaler = torch.amp.GradScaler(where.type, enabled=recipe.precision == "float16")
    patches = Patches(train, recipe.patch, seed)
    history, best, best_epoch = [], -1.0, 0
    if (folder / "last.pt").is_file():
        state = torch.load(folder / "last.pt", map_location=where, weights_only=True)
        net.load_state_dict(state["net"])
        optim.load_state_dict(state["optim"])
        scaler.load_state_dict(state["scaler"])
        history, best, best_epoch = state["history"], state["best"], state["best_epoch"]
        say(f"goes on after epoch {len(history)}")
    for epoch in range(len(history) + 1, recipe.epochs + 1):
        if epoch - 1 - best_epoch >= recipe.patience and best >= 0:
            say(f"no better Dice for {recipe.patience} epochs: stops early")
            break
        start = time.perf_counter()
        loss = one_epoch(net, optim, scaler, loss_of, patches, recipe, seed, epoch)
        if not np.isfinite(loss):
            raise InputError(f"learning_rate={recipe.learning_rate}: the loss is {loss}; lower it.")
        row = {"epoch": epoch, "loss": loss, "dice": None} | (watch(net) if watch else {})
        if _validates(epoch, recipe):
            row["dice"] = predict.mean_class_dice(net, val, recipe.patch)
            if row["dice"] > best:
                best, best_epoch = row["dice"], epoch
                save(folder / "best.pt", net.state_dict())
        row["seconds"] = time.perf_counter() - start
        history.append(row)
        state = {"net": net.state_dict(), "optim": optim.state_dict()}
        state |= {"scaler": scaler.state_dict(), "history": history}
        save(folder / "last.pt", state | {"best": best, "best_epoch": best_epoch})
        _say_progress(history, recipe, best, say)
    weights = torch.load(folder / "best.pt", map_location=where, weights_only=True)
    net.load_state_dict(weights)
    return history


def _validates(epoch, recipe) -> bool:
    due = epoch >= recipe.val_start and (epoch - recipe.val_start) % recipe.val_every == 0
    return due or epoch == recipe.epochs


def _say_progress(history, recipe, best, say):
    """At most about a dozen lines a training, however long it is."""
    epoch = len(history)
    if epoch == recipe.epochs or epoch * 12 // recipe.epochs > (epoch - 1) * 12 // recipe.epochs:
        left = (recipe.epochs - epoch) * sum(r["seconds"] for r in history) / epoch
        score = f"best Dice {best:.3f}, " if best >= 0 else ""
        loss = history[-1]["loss"]
        say(f"epoch {epoch}/{recipe.epochs}: loss {loss:.3f}, {score}{left / 60:.1f} min left")


def save(path, content):
    """torch.save, whole or not at all."""
    temporary = Path(path).with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)


def train_network(setup: runs.Setup, spec: dict, epochs: int, watch=None, say=print) -> Path:
    """The run folder of a network trained as `setup` says, found by its key or made now.

    The folder holds record.json, history.json and best.pt.
    """
    plan = recipe(setup.preset, epochs, spec)
    space.check_patch(plan.patch, spec)
    parameters = {"spec": spec, "recipe": asdict(plan), "images": setup.preset.images}
    inputs = parameters | {"data": setup.dataset.hash, "seed": setup.seed}
    folder = runs.folder(spec["kind"], inputs)
    with FileLock(folder / ".lock"):  # two notebooks may want the same network at once
        if (folder / "record.json").is_file():
            say(f"{folder.name}: found, trained before")
        else:
            _train_and_record(setup, parameters, watch, folder, say)
    return folder


def _train_and_record(setup, parameters, watch, folder, say):
    """Train into `folder`, score the best weights on the validation images, write the record."""
    plan = Recipe(**parameters["recipe"])
    train, val = load_samples(setup.train()), load_samples(setup.val())
    torch.manual_seed(setup.seed)
    net = derive.build(parameters["spec"]).to(predict.device())
    say(f"{folder.name}: {space.count_parameters(net):,} parameters, {len(train)} images")
    history = fit(net, train, val, plan, setup.seed, folder, watch, say)
    rows = predict.score_samples(net, val, plan.patch)
    dice = [r["dice"] for r in rows if r["dice"] is not None]
    metrics = summarise(rows) | {"mean_dice": float(np.mean(dice or [0])), "per_image": rows}
    metrics |= {"network_parameters": space.count_parameters(net), "epochs": len(history)}
    runs.write_json(folder / "history.json", {"history": history})
    seconds = sum(r["seconds"] for r in history)
    record = runs.record(setup, parameters, metrics, seconds)
    runs.write_json(folder / "record.json", record)
    (folder / "last.pt").unlink(missing_ok=True)
    say(f"mean F1 {metrics['mean_f1']:.3f}, Dice {metrics['mean_dice']:.3f}, {seconds:.0f} s")
