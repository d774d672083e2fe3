"""Every number that differs between a first look, a laptop and the paper, in one place."""

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


def load(name: str, **overrides) -> Preset:
    """The preset of this name, with single values replaced.

    An override of 0, 0.0 or "" means "as the preset says": that is what the notebooks' parameter
    cells hold. The environment variable TWODINTS_PRESET, where set, wins over the name; it is
    how nbval, which cannot inject parameters, runs the committed notebooks.
    """
    name = os.environ.get("TWODINTS_PRESET") or name
    if name not in PRESETS:
        raise InputError(f"preset={name!r} does not exist; take one of {', '.join(PRESETS)}.")
    kinds = {f.name: f.type for f in fields(Preset)}
    chosen = {}
    for key, value in overrides.items():
        if key not in kinds:
            raise InputError(f"{key} is not a value of a preset; known are {', '.join(kinds)}.")
        if value in (0, ""):
            continue
        wanted = kinds[key]
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not wanted:
            raise InputError(f"{key}={value!r} must be {wanted.__name__}; see the preset's value.")
        if wanted in (int, float) and value < 0:
            raise InputError(f"{key}={value!r} must not be negative; 0 means the preset's value.")
        chosen[key] = value
    preset = replace(PRESETS[name], **chosen)
    if preset.schedule not in ("constant", "cosine"):
        raise InputError(f"schedule={preset.schedule!r} is not known; take constant or cosine.")
    if preset.precision not in ("float32", "bfloat16", "float16"):
        raise InputError(
            f"precision={preset.precision!r} is not known; take float32, bfloat16 or float16."
        )
    return preset


def typed(name: str, text: str, wanted: type):
    """The text of a -p option as the type the notebook declares."""
    try:
        if wanted is bool:
            return {"true": True, "false": False}[text.lower()]
        return wanted(text)
    except (ValueError, KeyError):
        raise InputError(f"-p {name} {text}: must be {wanted.__name__}.") from None
