"""Choose a decoder's thresholds on validation images, and say honestly what the choice is worth.

The thresholds that go with a network are chosen on all validation images. Scored on those same
images they would flatter themselves, so the score that is reported is cross-fitted: the images are
split in two halves and each is scored with the thresholds that the other half chose.
"""

import numpy as np

from twodints_lib.scoring.scores import CHALLENGE, score, summarise
from twodints_lib.targets.heads import HEADS


class Tried:
    """F1 of every image at each setting of a decoder; a setting is decoded once."""

    def __init__(self, maps, samples, decode):
        self.maps, self.samples, self.decode, self.known = maps, samples, decode, {}

    def f1(self, setting: dict) -> np.ndarray:
        """(images,) F1 at one setting."""
        key = tuple(sorted(setting.items()))
        if key not in self.known:
            pairs = zip(self.samples, self.maps, strict=True)
            self.known[key] = np.array(
                [score(s.labels, self.decode(m, **setting), CHALLENGE)["f1"] for s, m in pairs]
            )
        return self.known[key]


def choose(tried: Tried, grid: dict, chosen) -> dict:
    """The best setting on the images of the mask `chosen`, one parameter after the other.

    Best: the mean F1 over modalities; where two are equal, the earlier one of the grid.
    """
    setting = {name: values[0] for name, values in grid.items()}
    for name, values in grid.items():
        scores = [_balanced(tried.f1(setting | {name: v}), tried.samples, chosen) for v in values]
        setting[name] = values[int(np.argmax(scores))]
    return setting


def _balanced(f1, samples, chosen) -> float:
    modality = np.array([s.modality for s in samples])
    kinds = np.unique(modality[chosen])
    return float(np.mean([f1[chosen & (modality == kind)].mean() for kind in kinds]))


def halves(samples) -> np.ndarray:
    """(images,) bool: every second image of each modality, in their order."""
    seen, mask = {}, []
    for s in samples:
        seen[s.modality] = seen.get(s.modality, 0) + 1
        mask.append(seen[s.modality] % 2 == 0)
    return np.array(mask)


def cross_fitted(tried: Tried, grid: dict) -> np.ndarray:
    """(images,) F1 of every image with the thresholds that the other half's images choose."""
    half = halves(tried.samples)
    if half.all() or not half.any():  # a single image: nothing to choose on
        return tried.f1({name: values[0] for name, values in grid.items()})
    there, here = (tried.f1(choose(tried, grid, mask)) for mask in (half, ~half))
    return np.where(half, here, there)


def report(head: str, maps, samples) -> tuple[dict, dict]:
    """What each decoder makes of the same maps, and the thresholds chosen: (scores, settings).

    `maps`: one (C, H, W) an image, drawn by a network with this head. scores {decoder: summary
    and "f1", one an image}, as they are and, where there are thresholds, "..., tuned"
    (cross-fitted); settings {decoder: thresholds chosen on all images}.
    """
    scores, settings = {}, {}
    for name, decoder in HEADS[head].decoders.items():
        decode = decoder.remembering() if decoder.remembering else decoder.decode
        tried = Tried([decoder.read(m) for m in maps], samples, decode)
        scores[name] = _summary(samples, tried.f1({k: v[0] for k, v in decoder.grid.items()}))
        if decoder.grid:
            settings[name] = choose(tried, decoder.grid, np.ones(len(samples), bool))
            scores[f"{name}, tuned"] = _summary(samples, cross_fitted(tried, decoder.grid))
    return scores, settings


def best(scores: dict, settings: dict) -> dict:
    """What goes with a network: the representation that scored best and its thresholds."""

    def score(name):
        return scores.get(f"{name}, tuned", scores[name])["modality_mean_f1"]

    name = max((n for n in scores if not n.endswith(", tuned")), key=score)
    return {"representation": name, "decoder": settings.get(name, {})}


def _summary(samples, f1) -> dict:
    rows = [{"modality": s.modality, "f1": float(v)} for s, v in zip(samples, f1, strict=True)]
    return summarise(rows) | {"f1": [r["f1"] for r in rows]}
