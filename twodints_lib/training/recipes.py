"""How one network is trained: a preset's numbers, for this network."""

import math
from dataclasses import dataclass

from twodints_lib.errors import InputError
from twodints_lib.runs import paper, settings
from twodints_lib.space.specs import DerivedSpec, Spec, SupernetSpec
from twodints_lib.targets.heads import HEADS


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
    head: str = "3-class"  # what the network draws: representations.HEADS
    select: str = "dice"  # what the best weights are best at: class dice, or f1 of the cells
    max_steps: int = 0  # weight updates after which the training ends; 0 = after its epochs


def recipe(preset, epochs: int, spec: Spec, select: str = "") -> Recipe:
    """The preset's recipe for one network; `paper` takes Table 4's batch for it, unless told.

    `select`: dice or f1; by default what the paper does, and f1 for another head than 3-class.
    """
    head = spec.head
    select = select or ("dice" if head == "3-class" else "f1")
    if select not in ("dice", "f1") or (select == "dice" and not HEADS[head].draws_classes):
        raise InputError(f"select={select!r}: take f1, or dice for a head that draws classes.")
    batch = preset.batch
    untold = (preset.name, batch) == ("paper", settings.PAPER.batch)
    if untold and isinstance(spec, SupernetSpec | DerivedSpec):
        batch = paper.batch_of(preset.channel_mul, preset.num_blocks, preset.patch)
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
        max_steps=preset.max_steps,
        head=head,
        select=select,
    )


def rate_factor(recipe: Recipe, epoch: int) -> float:
    """What the learning rates are multiplied by in an epoch (1-based)."""
    if recipe.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / recipe.epochs))
