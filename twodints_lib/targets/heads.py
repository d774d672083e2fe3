"""What a network is asked to draw so that cells can be told apart, and how cells come back.

A head is made of parts, maps (C, H, W) that belong together: classes; foreground; distance; flow.
A decoder reads some of these parts, and goes with every head that has them. To add a head: write
its part's encode and decode in a file beside these, its loss in losses.py, and add a line to each
of the tables below.
Labels are (H, W) integers, maps float32 in 0..1 or, for a flow, -1..1.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from twodints_lib.errors import InputError
from twodints_lib.targets import classes, distance, flow

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Part:
    """Maps that belong together: drawn from labels (H, W), and from logits (B, C, H, W)."""

    channels: int
    encode: Callable[[np.ndarray], np.ndarray]
    activate: Callable


PARTS = {
    "classes": Part(3, classes.encode_three_class, lambda x: x.softmax(1)),
    "foreground": Part(1, lambda x: (x > 0).astype(np.float32)[None], lambda x: x.sigmoid()),
    "distance": Part(1, distance.encode_distance, lambda x: x.sigmoid()),
    "flow": Part(2, flow.encode_flow, lambda x: x),
}


def encode(labels: np.ndarray, parts: tuple[str, ...]) -> np.ndarray:
    """The maps (C, H, W) that a perfect network would draw, part after part."""
    return np.concatenate([PARTS[name].encode(labels) for name in parts])


@dataclass(frozen=True)
class Decoder:
    """A way from maps back to cells: decode(maps of its parts, **thresholds) gives labels.

    `grid`: the thresholds to try when it is tuned, {name: values}, its own defaults first.
    `remembering`: makes a decode for tuning that keeps what its thresholds share.
    """

    parts: tuple[str, ...]
    decode: Callable[..., np.ndarray]
    grid: dict[str, tuple] = field(default_factory=dict)
    remembering: Callable | None = None
    channels: tuple[int, ...] = ()  # of a head's maps: those it reads; (): all

    def read(self, maps: np.ndarray) -> np.ndarray:
        """The maps of its own parts out of a head's (C, H, W)."""
        return maps[list(self.channels)] if self.channels else maps

    def __call__(self, maps: np.ndarray, **thresholds) -> np.ndarray:
        """Instance labels (H, W) int32 of a head's maps (C, H, W)."""
        return self.decode(self.read(maps), **thresholds)


DECODERS = {
    "3-class, as shipped": Decoder(("classes",), classes.decode_three_class),
    "3-class, grown back": Decoder(("classes",), classes.decode_grown),
    "distance": Decoder(
        ("foreground", "distance"), distance.decode_distance,
        {"foreground": (0.5, 0.4, 0.6), "h": (0.2, 0.1, 0.3, 0.4)},
    ),
    "flow": Decoder(
        ("foreground", "flow"), flow.decode_flow,
        {"spread": (2, 4, 8), "error": (0.4, 0.3, 2.0)}, flow.remembering,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """What the last layer of a network draws; `own`: the decoder used where none is named."""

    name: str
    parts: tuple[str, ...]
    own: str

    @property
    def channels(self) -> int:
        """How many maps it draws."""
        return sum(PARTS[name].channels for name in self.parts)

    @property
    def draws_classes(self) -> bool:
        """Whether the first three maps are the classes, so that there is a class Dice."""
        return self.parts[0] == "classes"

    @property
    def vectors(self) -> bool:
        """Whether the last two maps are a vector, (y, x): it turns with the image."""
        return self.parts[-1] == "flow"

    @property
    def decoders(self) -> dict[str, Decoder]:
        """Every decoder that this head has the maps for, by its display name."""
        at, found = self._slices(), {}
        for name, decoder in DECODERS.items():
            if set(decoder.parts) <= set(self.parts):
                own = [i for part in decoder.parts for i in range(*at[part].indices(self.channels))]
                channels = () if len(own) == self.channels else tuple(own)
                found[name] = replace(decoder, channels=channels)
        return found

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """The maps (C, H, W) float32 that a perfect network would draw."""
        return encode(labels, self.parts)

    def activate(self, logits: "Tensor") -> "Tensor":
        """Maps from logits, both (B, C, H, W)."""
        import torch  # here and below: labels, maps and cells do without

        parts = [PARTS[name].activate(logits[:, at]) for name, at in self._slices().items()]
        return torch.cat(parts, 1)

    def loss(self, logits: "Tensor", maps: "Tensor") -> "Tensor":
        """The sum of its parts' losses."""
        from twodints_lib.targets import losses

        each = [
            getattr(losses, name)(logits[:, at], maps[:, at]) for name, at in self._slices().items()
        ]
        return sum(each[1:], each[0])

    def decode(self, maps: np.ndarray, **thresholds) -> np.ndarray:
        """Cells (H, W) int32 of its maps (C, H, W) by its own decoder."""
        return self.decoders[self.own](maps, **thresholds)

    def _slices(self) -> dict[str, slice]:
        """Where each part lies among the channels."""
        ends = np.cumsum([PARTS[name].channels for name in self.parts]).tolist()
        starts = [0, *ends[:-1]]
        return {n: slice(a, b) for n, a, b in zip(self.parts, starts, ends, strict=True)}


# The ladder draws everything at once: one backbone compares representations with nothing else
# changed. Its own decoder is the one that measured best on trained networks.
HEADS = {
    head.name: head
    for head in (
        Head("3-class", ("classes",), "3-class, as shipped"),
        Head("distance", ("foreground", "distance"), "distance"),
        Head("flow", ("foreground", "flow"), "flow"),
        Head("ladder", ("classes", "foreground", "distance", "flow"), "distance"),
    )
}


def head_of(name: str) -> Head:
    """The head of a name; InputError where there is none."""
    if name not in HEADS:
        raise InputError(f"head={name!r} is not known; take one of {', '.join(HEADS)}.")
    return HEADS[name]
