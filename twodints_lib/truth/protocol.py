"""How the networks of a table are trained and scored: one protocol for each table.

How the settings were chosen stands in docs/truth.md.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.transform import resize

from twodints_lib import files, fingerprint
from twodints_lib.data.dataset import Dataset, open_data
from twodints_lib.data.labels import diameters, renumber
from twodints_lib.errors import InputError
from twodints_lib.lab.optics import make_simulated
from twodints_lib.space import topology
from twodints_lib.targets.classes import three_class
from twodints_lib.targets.heads import HEADS

if TYPE_CHECKING:
    from twodints_lib.training.patches import Sample


@dataclass(frozen=True)
class Protocol:
    """A table's space, its data and its training."""

    data: str  # a data set's name, or cells: simulated ones, more than a course needs to score on
    blocks: int
    depths: int = 2
    channel_mul: float = 0.125
    head: str = "ladder"
    diameter: float = 20.0  # pixels: images are resized until their median cell has it; 0: as is
    patch: int = 48
    batch: int = 4
    steps: tuple[int, ...] = (300, 600, 1200)  # lengths of training at which a network is scored
    learning_rate: float = 0.015
    cosine: bool = False  # the rate falls to zero at the last step; else constant after a warm-up
    averaging: float = 0.99  # decay of the moving average of the weights, which is what is scored
    drawn: int = 300  # batches that are drawn, all networks of a seed see them again and again
    window: int = 128  # pixels a side of what is scored
    windows: int = 16  # of every modality
    networks: int = 0  # how many of the space, drawn at random; 0: all
    seeds: tuple[int, ...] = (1, 2, 3)

    def codes(self) -> list[dict]:
        """The codes of the table, all of the space or a random part of it, in their order."""
        every = topology.every_code(self.blocks, self.depths)
        if not self.networks:
            return every
        some = np.random.default_rng(711).permutation(len(every))[: self.networks]
        return [every[i] for i in some]


PROTOCOLS = {
    # Longer, on larger batches and with more seeds: what it takes for the topology to count.
    "cells-99": Protocol(
        "cells",
        2,
        batch=8,
        steps=(600, 1200),
        averaging=0.997,
        seeds=tuple(range(1, 7)),
    ),
    "cells-711": Protocol("cells", 3, networks=200),
    "micro4-99": Protocol("micro4", 2),
}


def protocol_of(name: str) -> Protocol:
    """The protocol of a table; InputError for a name that has none."""
    if name not in PROTOCOLS:
        raise InputError(f"table {name!r}: is not known; take {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


PILOT_SEEDS = (101, 102, 103)


def pilot(protocol: Protocol, count: int = 12) -> list[dict]:
    """The networks on which settings were tried: a table's reliability leaves them out."""
    every = topology.every_code(protocol.blocks, protocol.depths)
    return [every[i] for i in np.random.default_rng(5).permutation(len(every))[:count]]


CELLS = {"train": 24, "val": 24, "seed": 711}  # images of every modality


def dataset(protocol: Protocol) -> Dataset:
    """The data of a protocol; "cells" are drawn when missing."""
    if protocol.data != "cells":
        return open_data(protocol.data)
    made = fingerprint.digest([CELLS, fingerprint.of_modules("lab.optics")])
    root = Path(files.cache_dir()) / f"cells-{made}"
    if not root.exists():
        with files.whole_folder(root) as folder:
            make_simulated(folder, **CELLS)
    return open_data(root)


def resized(sample: "Sample", protocol: Protocol) -> "Sample":
    """A sample whose median cell has the protocol's diameter; at least a patch on each side."""
    import torch

    labels, image = sample.labels, sample.stack.numpy()
    factor = protocol.diameter / np.median(diameters(labels)) if protocol.diameter else 1.0
    shape = tuple(max(protocol.patch, round(n * factor)) for n in labels.shape)
    if shape != labels.shape:
        smooth = {"order": 1, "anti_aliasing": factor < 1, "preserve_range": True}
        image = np.stack([resize(c.astype(np.float32), shape, **smooth) for c in image])
        image = image.round().astype(np.uint8)
        labels = resize(labels, shape, order=0, anti_aliasing=False, preserve_range=True)
        labels = renumber(labels.astype(np.int32))
    return replace(
        sample,
        stack=torch.from_numpy(image),
        span=(int(image.min()), int(image.max())),
        target=torch.from_numpy(three_class(labels)[None]),
        labels=labels,
        maps=torch.from_numpy(HEADS[protocol.head].encode(labels)),
    )
