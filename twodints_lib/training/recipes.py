"""How one network is trained: a preset's numbers, for this network."""

import math
from dataclasses import asdict, dataclass, fields

from twodints_lib.errors import InputError
from twodints_lib.runs import paper, settings
from twodints_lib.space.specs import DerivedSpec, Spec, SupernetSpec, from_json
from twodints_lib.targets.heads import head_of


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
    head: str = "3-class"  # what the network draws: targets.heads.HEADS
    select: str = "dice"  # what the best weights are best at: class dice, or f1 of the cells
    max_steps: int = 0  # weight updates after which the training ends; 0 = after its epochs

    @classmethod
    def of(cls, preset: settings.Preset, epochs: int, spec: Spec, select: str = "") -> "Recipe":
        """The preset's recipe for one network; `paper` takes Table 4's batch for it, unless told.

        `select`: dice or f1; by default what the paper does, and f1 for another head than 3-class.
        """
        numbers = {f.name: getattr(preset, f.name) for f in fields(cls) if hasattr(preset, f.name)}
        untold = (preset.name, preset.batch) == ("paper", settings.PAPER.batch)
        if untold and isinstance(spec, SupernetSpec | DerivedSpec):
            numbers["batch"] = paper.batch_of(preset.channel_mul, preset.num_blocks, preset.patch)
        select = select or ("dice" if spec.head == "3-class" else "f1")
        if select != "f1" and (select != "dice" or not head_of(spec.head).draws_classes):
            raise InputError(f"select={select!r}: take f1, or dice for a head that draws classes.")
        return cls(**numbers, epochs=epochs, head=spec.head, select=select)

    @classmethod
    def of_json(cls, told: dict) -> "Recipe":
        """The recipe that a record holds; InputError for an unknown or a missing key."""
        return from_json(cls, told, "recipe")

    def json(self) -> dict:
        """The recipe as records hold it."""
        return asdict(self)


def rate_factor(recipe: Recipe, epoch: int) -> float:
    """What the learning rates are multiplied by in an epoch (1-based)."""
    if recipe.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / recipe.epochs))
