"""What the paper printed: Tables 3, 4 and 5 as data. Our numbers never enter here."""

from dataclasses import dataclass

from twodints_lib.errors import InputError
from twodints_lib.space.operations import SIX, TWO
from twodints_lib.space.specs import SegResNetSpec, Spec, SupernetSpec, UNetSpec


@dataclass(frozen=True)
class Row:
    """One network of the paper, as Tables 3, 4 and 5 tell it."""

    name: str  # ours, for commands
    title: str  # as in Table 4
    spec: Spec  # the network; a supernet, since that is what Table 3 counts
    patch: int  # pixels a side (Table 4)
    batch: int  # Table 4
    dice: float  # Table 4, on 100 validation images
    parameters: int  # as printed in Table 3
    minutes: int  # training time of Table 3
    f1: float | None = None  # Table 5, on the challenge's tuning set


def _dints(channel_mul: float, num_blocks: int = 8, names=TWO) -> SupernetSpec:
    return SupernetSpec(channel_mul, num_blocks, 4, names)


MUL_1 = 15_115_251  # printed for three rows
ROWS = (
    Row("unet", "UNet", UNetSpec(), 256, 16, 0.726, 1_626_072, 705),
    Row(
        "segresnet-nontrainable", "SegResNet (Non-trainable upsampling)",
        SegResNetSpec("nontrainable"), 256, 16, 0.722, 395_139, 551,
    ),
    Row(
        "segresnet-deconv", "SegResNet (Deconv upsampling)",
        SegResNetSpec("deconv"), 256, 16, 0.736, 400_571, 1055, 0.540,
    ),
    Row(
        "segresnet-pixelshuffle", "SegResNet (Pixel-Shuffle upsampling)",
        SegResNetSpec("pixelshuffle"), 256, 16, 0.722, 443_747, 466,
    ),
    Row("dints-0.5-8", "DiNTS (Mul 0.5) (Depth 8)", _dints(0.5), 256, 16, 0.746, 3_782_259, 992),
    Row("dints-1-8", "DiNTS (Mul 1) (Depth 8)", _dints(1.0), 256, 8, 0.749, MUL_1, 1310),
    Row(
        "dints-1-8-six", "DiNTS (Mul 1) (Depth 8) (6 ops)",
        _dints(1.0, names=SIX), 256, 8, 0.742, MUL_1, 6552,
    ),
    Row(
        "dints-1-8-384", "DiNTS (Mul 1) (Depth 8), 384 px",
        _dints(1.0), 384, 4, 0.755, MUL_1, 2045, 0.553,
    ),
    Row(
        "dints-1-12", "DiNTS (Mul 1) (Depth 12)", _dints(1.0, 12),
        256, 6, 0.753, 22_463_595, 2502, 0.549,
    ),
)  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}
# The rows whose printed parameters are those of the network; the other two repeat MUL_1.
COUNTED = tuple(row for row in ROWS if row.name not in ("dints-1-8-six", "dints-1-8-384"))
TABLE_5 = tuple(row for row in ROWS if row.f1 is not None)


def row(name: str) -> Row:
    """The row of this name; InputError where there is none."""
    if name not in BY_NAME:
        raise InputError(f"row={name!r}: the paper has no such row; take {', '.join(BY_NAME)}.")
    return BY_NAME[name]


def batch_of(channel_mul: float, num_blocks: int, patch: int) -> int:
    """Batch size of a DiNTS row of Table 4; InputError where the paper has no such row."""
    batches = {
        (r.spec.channel_mul, r.spec.num_blocks, r.patch): r.batch
        for r in ROWS
        if isinstance(r.spec, SupernetSpec)
    }
    if (channel_mul, num_blocks, patch) in batches:
        return batches[channel_mul, num_blocks, patch]
    known = ", ".join(map(str, batches))
    raise InputError(
        f"channel_mul={channel_mul}, num_blocks={num_blocks}, patch={patch}: the paper has no such "
        f"row; take one of {known}, or another preset."
    )
