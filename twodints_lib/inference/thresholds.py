"""Choose a decoder's thresholds on validation images, and say honestly what the choice is worth.

The thresholds that go with a network are chosen on all validation images. Scored on those same
images they would flatter themselves, so the score that is reported is cross-fitted: every second
image of a modality is scored with the thresholds that the others choose, and the others with the
thresholds that these choose.
"""

from collections.abc import Callable, Sequence

import numpy as np

from twodints_lib.scoring.scores import CHALLENGE, score, summarise
from twodints_lib.targets.heads import HEADS, Decoder

Trials = Callable[[dict], np.ndarray]  # setting of the thresholds -> F1 of every image (n,)


def trials(decoder: Decoder, maps: Sequence[np.ndarray], samples) -> Trials:
    """The F1 of every image at a setting of a decoder; each setting is decoded once."""
    decode = decoder.remembering() if decoder.remembering else decoder.decode
    read, known = [decoder.read(m) for m in maps], {}

    def f1(setting: dict) -> np.ndarray:
        key = tuple(setting.items())
        if key not in known:
            found = ((s.labels, decode(m, **setting)) for s, m in zip(samples, read, strict=True))
            known[key] = np.array([score(*pair, CHALLENGE)["f1"] for pair in found])
        return known[key]

    return f1


def choose(f1: Trials, grid: dict[str, tuple], modality: np.ndarray, chosen: np.ndarray) -> dict:
    """The best setting on the images of the mask `chosen`, one threshold after the other.

    `modality` (n,) of the images. Best: the mean F1 over modalities; where two are equal, the
    earlier one of the grid.
    """
    setting = defaults(grid)
    kinds = [chosen & (modality == kind) for kind in np.unique(modality[chosen])]
    for name, values in grid.items():
        every = [f1(setting | {name: value}) for value in values]
        balanced = [np.mean([some[kind].mean() for kind in kinds]) for some in every]
        setting[name] = values[int(np.argmax(balanced))]
    return setting


def defaults(grid: dict[str, tuple]) -> dict:
    """A decoder's own thresholds: the first of each in its grid."""
    return {name: values[0] for name, values in grid.items()}


def alternate(modality: np.ndarray) -> np.ndarray:
    """(n,) bool: every second image of each modality, in their order."""
    return np.array([np.sum(modality[:i] == kind) % 2 == 1 for i, kind in enumerate(modality)])


def cross_fitted(f1: Trials, grid: dict[str, tuple], modality: np.ndarray) -> np.ndarray:
    """(n,) F1 of every image with the thresholds that the other half's images choose."""
    half = alternate(modality)
    if not half.any():  # an image a modality: nothing to choose on
        return f1(defaults(grid))
    there, here = (f1(choose(f1, grid, modality, mask)) for mask in (half, ~half))
    return np.where(half, here, there)


def try_decoders(head: str, maps: Sequence[np.ndarray], samples) -> tuple[dict, dict]:
    """What each decoder makes of the same maps, and the thresholds chosen: (scores, settings).

    `maps`: one (C, H, W) an image, drawn by a network with this head. scores {decoder: summary
    and "f1", one an image}, as they are and, where there are thresholds, "..., tuned"
    (cross-fitted); settings {decoder: thresholds chosen on all images}.
    """
    modality, scores, settings = np.array([s.modality for s in samples]), {}, {}
    for name, decoder in HEADS[head].decoders.items():
        f1, grid = trials(decoder, maps, samples), decoder.grid
        scores[name] = _summary(modality, f1(defaults(grid)))
        if grid:
            settings[name] = choose(f1, grid, modality, np.ones(len(modality), bool))
            scores[f"{name}, tuned"] = _summary(modality, cross_fitted(f1, grid, modality))
    return scores, settings


def _summary(modality, f1) -> dict:
    rows = [{"modality": str(m), "f1": float(v)} for m, v in zip(modality, f1, strict=True)]
    return summarise(rows) | {"f1": [r["f1"] for r in rows]}


def best_decoder(scores: dict, settings: dict) -> dict:
    """What goes with a network: the representation that scored best and its thresholds."""

    def worth(name: str) -> float:
        return scores.get(f"{name}, tuned", scores[name])["modality_mean_f1"]

    name = max((n for n in scores if not n.endswith(", tuned")), key=worth)
    return {"representation": name, "decoder": settings.get(name, {})}
