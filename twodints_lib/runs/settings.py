"""Every number that differs between a first look, a laptop and the paper, in one place."""

import math
import os
from dataclasses import dataclass, fields, replace

from twodints_lib.errors import InputError


@dataclass(frozen=True)
class Preset:
    """How much data, which sizes, how long. Lengths are epochs: one patch an image and epoch."""

    name: str
    is_result: bool  # False: the numbers only show that everything runs
    minutes: int  # the whole course on 2 cores without a GPU; 0 = not meant for that
    images: int  # images a modality and split; 0 = all
    patch: int  # pixels a side, in training and in inference alike
    batch: int  # patches a step; `paper` takes Table 4's instead
    baseline_epochs: int  # UNet and SegResNet
    search_epochs: int  # the supernet
    derived_epochs: int  # the decoded network, from scratch
    ladder_epochs: int  # more epochs with a head that draws every representation
    channel_mul: float  # width of the DiNTS networks: 32 * channel_mul channels at the finest level
    num_blocks: int  # layers of the DiNTS networks
    num_depths: int  # resolutions of the DiNTS networks
    learning_rate: float  # AdamW
    schedule: str  # constant, or cosine: down to zero over the epochs
    arch_rate: float  # AdamW for the architecture parameters
    patience: int  # epochs without a better validation Dice before training stops
    val_start: int  # first epoch that is followed by a validation
    val_every: int  # epochs between validations
    precision: str  # float32, bfloat16 or float16
    workers: int  # loader processes; 0 = none
    max_steps: int = 0  # training ends after so many weight updates; 0 = after its epochs


SMOKE = Preset(
    name="smoke",
    is_result=False,
    minutes=4,
    images=3,
    patch=64,
    batch=4,
    baseline_epochs=2,
    search_epochs=2,
    derived_epochs=2,
    ladder_epochs=2,
    channel_mul=0.125,
    num_blocks=4,
    num_depths=3,
    learning_rate=2e-3,
    schedule="cosine",
    arch_rate=0.05,
    patience=100,
    val_start=2,
    val_every=2,
    precision="float32",
    workers=0,
)

# A short training needs longer steps than the paper's, and a soft landing.
LAPTOP = Preset(
    name="laptop",
    is_result=True,
    minutes=23,
    images=0,
    patch=128,
    batch=4,
    baseline_epochs=20,
    search_epochs=12,
    derived_epochs=180,
    ladder_epochs=30,
    channel_mul=0.25,
    num_blocks=4,
    num_depths=4,
    learning_rate=3e-3,
    schedule="cosine",
    arch_rate=0.01,
    patience=100,
    val_start=10,
    val_every=20,
    precision="float32",
    workers=0,
)

# Tables 2 and 4. Table 2 says 224 or 384 pixels and Table 4 says 256 or 384: Table 4 is taken,
# since it names the size of every row. One rate for weights and alphas: one optimiser is all
# the paper mentions.
PAPER = Preset(
    name="paper",
    is_result=True,
    minutes=0,
    images=0,
    patch=256,
    batch=16,
    baseline_epochs=2000,
    search_epochs=2000,
    derived_epochs=2000,
    ladder_epochs=200,
    channel_mul=1.0,
    num_blocks=8,
    num_depths=4,
    learning_rate=6e-4,
    schedule="constant",
    arch_rate=6e-4,
    patience=100,
    val_start=20,
    val_every=2,
    precision="float32",
    workers=4,
)

# The paper's protocol with patches and DiNTS widths a quarter as large and half the batch, for the
# rows of Table 4 on a laptop; UNet and SegResNet have one width. As many weight updates a row.
QUARTER = replace(
    PAPER,
    name="quarter",
    patch=64,
    batch=8,
    channel_mul=0.25,
    max_steps=1500,
    val_every=30,
    workers=0,
)

PRESETS = {p.name: p for p in (SMOKE, LAPTOP, QUARTER, PAPER)}


# "As the preset says", as a value of the declared type: papermill reads types from values.
UNSET = {int: -1, float: -1.0, str: ""}
FIXED = ("name", "is_result", "minutes")
OVERRIDES = {f.name: f.type for f in fields(Preset) if f.name not in FIXED}
MAY_BE_0 = {
    "images": "all of them",
    "arch_rate": "the alphas stay as they are",
    "workers": "no loader processes",
    "max_steps": "no limit",
}
CHOICES = {"schedule": ("constant", "cosine"), "precision": ("float32", "bfloat16", "float16")}


def load(name: str, **overrides) -> Preset:
    """The preset of this name, with single values replaced; UNSET leaves the preset's.

    The environment variable TWODINTS_PRESET, where set, wins over the name; it is how nbval,
    which cannot inject parameters, runs the committed notebooks. Raises InputError.
    """
    name = os.environ.get("TWODINTS_PRESET") or name
    if type(name) is not str or name not in PRESETS:
        raise InputError(f"preset={name!r} does not exist; take one of {', '.join(PRESETS)}.")
    for key in overrides.keys() - OVERRIDES.keys():
        raise InputError(f"{key} is not a value of a preset; known are {', '.join(OVERRIDES)}.")
    given = {key: _checked(key, value) for key, value in overrides.items()}
    return replace(PRESETS[name], **{k: v for k, v in given.items() if v != UNSET[OVERRIDES[k]]})


def _checked(key: str, value):
    """A preset's value, of the declared type and in its range, or UNSET."""
    wanted = OVERRIDES[key]
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise InputError(f"{key}={value!r} must be {wanted.__name__}; see the preset's value.")
    if value == UNSET[wanted]:
        return value
    if wanted is str and value not in CHOICES[key]:
        raise InputError(f"{key}={value!r} is not known; take {' or '.join(CHOICES[key])}.")
    if wanted is not str and not (0 < value < math.inf or value == 0 and key in MAY_BE_0):
        zero = f"0 ({MAY_BE_0[key]})" if key in MAY_BE_0 else ""
        low = f"{zero} or more" if zero else "above 0"
        raise InputError(f"{key}={value!r} must be {low}; {UNSET[wanted]} means the preset's.")
    return value


def differing(preset: Preset) -> dict:
    """The values that are not those of the preset of this name."""
    usual = PRESETS.get(preset.name, preset)
    return {k: getattr(preset, k) for k in OVERRIDES if getattr(preset, k) != getattr(usual, k)}


def typed(name: str, text: str, wanted: type) -> str | int | float | bool:
    """The text of a -p option as the type the notebook declares."""
    try:
        if wanted is bool:
            return {"true": True, "false": False}[text.lower()]
        return wanted(text)
    except (ValueError, KeyError):
        raise InputError(f"-p {name} {text}: must be {wanted.__name__}.") from None
