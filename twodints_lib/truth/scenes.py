"""What a table is scored on: windows cut from validation images, and the scores of drawn maps."""

from dataclasses import dataclass

import numpy as np

from twodints_lib.data.labels import renumber
from twodints_lib.scoring.scores import CHALLENGE, score
from twodints_lib.targets import classes
from twodints_lib.targets.heads import HEADS

# Of the ladder's decoders those that read the first five maps: the flow's takes ten times longer.
DECODERS = ("3-class, as shipped", "3-class, grown back", "distance")
OFFICIAL, MAPS = DECODERS[0], 5


@dataclass(frozen=True)
class Windows:
    """Windows of validation images: image (V, 3, S, S) float32, labels and target (V, S, S)."""

    image: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    modality: np.ndarray  # (V,) names


def windows(samples, size: int, count: int) -> Windows:
    """`count` windows of every modality, image after image, each with at least two cells."""
    found = {}
    for sample in samples:
        found.setdefault(sample.modality, []).append(list(_tiles(sample, size)))
    rows = []
    for modality, images in found.items():
        turn = [tile for some in _in_turn(images) for tile in [some]]
        rows += [(*tile, modality) for tile in turn[:count]]
    image, labels, target, modality = zip(*rows, strict=True)
    return Windows(np.stack(image), np.stack(labels), np.stack(target), np.array(modality))


def _in_turn(images):
    """The first tile of each image, then the second of each, and so on."""
    for number in range(max(map(len, images), default=0)):
        yield from (tiles[number] for tiles in images if number < len(tiles))


def _tiles(sample, size):
    image, target = sample.image.numpy(), sample.target.numpy()[0]
    height, width = target.shape
    for y in range(0, max(1, height - size + 1), size):
        for x in range(0, max(1, width - size + 1), size):
            box = (slice(y, y + size), slice(x, x + size))
            labels = renumber(np.ascontiguousarray(sample.labels[box]))
            if labels.max() < 2:
                continue
            lack = [(0, size - n) for n in labels.shape]
            yield (
                np.pad(image[:, *box], [(0, 0), *lack]),
                np.pad(labels, lack),
                np.pad(target[box], lack),
            )


def marks(maps: np.ndarray, seen: Windows) -> dict[str, float]:
    """The scores of one network from the maps (V, 5, S, S) that it drew of the windows.

    Dice of interior and boundary at 0.5, over all pixels of a modality's windows; F1 by every
    decoder with its own thresholds; each the mean over modalities.
    """
    kinds = list(dict.fromkeys(seen.modality))
    found = {}
    for name, number in (("interior", classes.INTERIOR), ("boundary", classes.BOUNDARY)):
        drawn, truth = maps[:, number] > 0.5, seen.target == number
        found[f"{name}_dice"] = np.mean(
            [_dice(drawn[seen.modality == k], truth[seen.modality == k]) for k in kinds]
        )
    decoders, f1 = HEADS["ladder"].decoders, {}
    for name in DECODERS:
        pairs = zip(seen.labels, maps, strict=True)
        each = np.array([score(labels, decoders[name](m), CHALLENGE)["f1"] for labels, m in pairs])
        f1[name] = {k: each[seen.modality == k].mean() for k in kinds}
    means = {name: np.mean(list(by.values())) for name, by in f1.items()}
    best = max(means, key=means.get)
    found |= {"f1": means[OFFICIAL], "f1_best": means[best], "f1_distance": means["distance"]}
    found |= {f"f1_{kind}": value for kind, value in f1[best].items()}
    return {k: float(v) for k, v in found.items()}


def _dice(drawn, truth):
    return 2 * (drawn & truth).sum() / max(1, drawn.sum() + truth.sum())
