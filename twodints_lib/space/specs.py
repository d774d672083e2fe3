"""Which network: frozen descriptions that can be compared, checked and written down.

A spec is made before its network and costs nothing: it needs no torch. `networks.build(spec)` makes
the module; `spec.json()` is what a record keeps of it, `spec_of(json)` reads it again.
"""

from dataclasses import MISSING, dataclass, field, fields
from typing import ClassVar, TypeVar

from twodints_lib.errors import InputError
from twodints_lib.space import operations, topology

T = TypeVar("T")
UPSAMPLERS = ("nontrainable", "deconv", "pixelshuffle")


def widths(channel_mul: float, num_depths: int, downsample: bool = False) -> list[int]:
    """Channels of the nodes at each resolution, and one more where the stem halves the image."""
    return [int(32 * channel_mul * 2**i) for i in range(num_depths + downsample)]


@dataclass(frozen=True)
class Spec:
    """What every network has: a kind, a head, which names what its last layer draws, and a divisor,
    by which a patch size must be divisible: 2 for each time that the network halves its input."""

    kind: ClassVar[str]
    divisor: ClassVar[int]
    head: str = field(default="3-class", kw_only=True)

    @property
    def title(self) -> str:
        """What tables and figures call the network."""
        return self._name() + (f", {self.head} head" if self.head != "3-class" else "")

    def check_patch(self, patch: int) -> None:
        """Raise InputError unless the network takes patches of this size, pixels a side."""
        step = self.divisor
        if patch < 2 * step or patch % step:
            near = max(2 * step, round(patch / step) * step)
            raise InputError(
                f"patch={patch} does not suit {self.kind}, which halves its input "
                f"{step.bit_length() - 1} times; take a multiple of {step}, for example {near}."
            )

    def json(self) -> dict:
        """The description as records hold it; options at their defaults are left out."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        told = {k: v for k, v in own.items() if k not in OPTIONS or v != OPTIONS[k]}
        return {"kind": self.kind} | {k: list(v) if k == "names" else v for k, v in told.items()}


# Left out of records where they are so: records of before there were options name none.
OPTIONS = {"head": "3-class", "names": operations.TWO, "downsample": False, "width": 16}


@dataclass(frozen=True)
class UNetSpec(Spec):
    """The challenge baseline's U-Net, 1,626,072 parameters (paper, Table 3).

    `width`: channels of the finest of its five levels, twice as many at each coarser one.
    """

    kind: ClassVar[str] = "unet"
    divisor: ClassVar[int] = 16
    width: int = 16

    def __post_init__(self):
        if not 1 <= self.width <= 256:
            raise InputError(f"width={self.width} is out of range; take 1 to 256.")

    def _name(self):
        return "UNet" if self.width == OPTIONS["width"] else f"UNet (Width {self.width})"


@dataclass(frozen=True)
class SegResNetSpec(Spec):
    """SegResNet with one of three upsampling modes (paper, Table 3)."""

    kind: ClassVar[str] = "segresnet"
    divisor: ClassVar[int] = 8
    upsample: str = "deconv"

    def __post_init__(self):
        if self.upsample not in UPSAMPLERS:
            raise InputError(f"upsample={self.upsample!r} is not known; take one of {UPSAMPLERS}.")

    def _name(self):
        return f"SegResNet ({self.upsample})"


@dataclass(frozen=True)
class SupernetSpec(Spec):
    """Every path and every operation at once (paper, 2.2).

    `num_blocks` layers over `num_depths` resolutions (1, 1/2, 1/4, ...), `32 * channel_mul`
    channels at the finest and twice as many at each coarser one; `names` of its operations.
    """

    kind: ClassVar[str] = "supernet"
    channel_mul: float
    num_blocks: int
    num_depths: int
    names: tuple[str, ...] = operations.TWO

    def __post_init__(self):
        object.__setattr__(self, "names", operations.check(self.names))
        _check_size(self.channel_mul, self.num_blocks, self.num_depths)

    @classmethod
    def of(cls, preset, names=operations.TWO, head: str = "3-class") -> "SupernetSpec":
        """The supernet of a preset's sizes."""
        return cls(preset.channel_mul, preset.num_blocks, preset.num_depths, names, head=head)

    def _name(self):
        return f"DiNTS supernet (Mul {self.channel_mul:g}) (Depth {self.num_blocks})"

    @property
    def divisor(self) -> int:
        return 2 ** (self.num_depths - 1)


@dataclass(frozen=True)
class DerivedSpec(Spec):
    """The network of one code (topology.py): the paths that are on, an operation on each.

    `downsample`: the stem halves the image first and the last layer doubles it again, at about a
    quarter of the cost a channel (MONAI's use_downsample).
    """

    kind: ClassVar[str] = "derived"
    channel_mul: float
    code: dict
    downsample: bool = False

    def __post_init__(self):
        if not topology.is_feasible(self.code):
            raise InputError("code: a block consumes nodes that none produces; decode it again.")
        operations.check(self.code.get("names", operations.TWO))
        _check_size(self.channel_mul, len(self.code["paths"]), self.num_depths)

    def _name(self):
        return f"DiNTS derived (Mul {self.channel_mul:g}) (Depth {len(self.code['paths'])})"

    @property
    def num_depths(self) -> int:
        """The number of resolutions of its code."""
        return topology.depths_of(self.code["paths"])

    @property
    def divisor(self) -> int:
        return 2 ** (self.num_depths - 1 + self.downsample)


KINDS = {s.kind: s for s in (UNetSpec, SegResNetSpec, SupernetSpec, DerivedSpec)}


def spec_of(json: dict) -> Spec:
    """The spec that a record holds; InputError for an unknown kind, an unknown or a missing key."""
    kind = json.get("kind")
    if kind not in KINDS:
        raise InputError(f"network {kind!r} is not known; take one of {', '.join(KINDS)}.")
    told = {k: v for k, v in json.items() if k != "kind"}
    return from_json(KINDS[kind], told, f"network {kind}")


def from_json(kind: type[T], told: dict, what: str) -> T:
    """A dataclass from its JSON; InputError, naming `what`, for an unknown or a missing key."""
    needed = {f.name: f.default is MISSING for f in fields(kind)}
    wrong = [k for k in told if k not in needed]
    wrong += [k for k, no_default in needed.items() if no_default and k not in told]
    if wrong:
        raise InputError(f"{what}: key {wrong[0]!r} is unknown or missing; is the record ours?")
    return kind(**told)


def _check_size(channel_mul, num_blocks, num_depths):
    """Raise InputError for a lattice that is too small or too large to build."""
    limits = {
        "channel_mul": (channel_mul, 1 / 32, 8),
        "num_blocks": (num_blocks, 1, 64),
        "num_depths": (num_depths, 1, 5),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise InputError(f"{name}={value} is out of range; take {low:g} to {high}.")
