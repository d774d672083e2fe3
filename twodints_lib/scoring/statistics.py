"""Intervals over images and seeds, and the one way to compare two trainings."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Scores = Mapping[int, Mapping[str, float | None]]  # {seed: {image: its score, None without one}}


class Difference(NamedTuple):
    """A mean difference with its 95 % interval, and over how many seeds and images it was taken."""

    mean: float
    low: float
    high: float
    seeds: int
    images: int

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    def verdict(
        self, better: str = "search helped", worse: str = "search hurt",
        undecided: str = "no evidence that search helped",
    ) -> str:  # fmt: skip
        """What the interval allows to say: `undecided` wherever it holds zero."""
        if self.low > 0:
            return better
        return worse if self.high < 0 else undecided


def paired_difference(ours: Scores, theirs: Scores, least: int = 2) -> Difference | None:
    """Ours minus theirs, paired by seed and by the image's name.

    The rule: the seeds that both sides have count, and of the images those that have a score in
    each of these seeds on both sides; an image without one (no cell of a class: no Dice) is left
    out of both and is never counted as 0. None where fewer than `least` seeds are shared, since
    one seed's interval knows the spread of images and not that of trainings, or where no image is
    left.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if len(seeds) < max(1, least):
        return None
    columns = [side[seed] for side in (ours, theirs) for seed in seeds]
    names = [n for n in columns[0] if all(_known(column.get(n)) for column in columns)]
    if not names:
        return None
    pair = np.array([[c[n] for n in names] for c in columns]).reshape(2, len(seeds), len(names))
    return Difference(*paired_bootstrap(*pair), len(seeds), len(names))


def _known(score: float | None) -> bool:
    return score is not None and not np.isnan(score)


def paired_bootstrap(
    ours, theirs, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean difference of paired scores and its 95 % interval: (mean, low, high).

    `ours` and `theirs` hold one score an image, (n,), or one a seed and image, (seeds, n); images
    are drawn with replacement, and seeds too where there are several.
    """
    difference = np.atleast_2d(np.asarray(ours, float) - np.asarray(theirs, float))
    seeds, images = difference.shape
    rng = np.random.default_rng(seed)
    some_seeds = rng.integers(seeds, size=(draws, seeds))
    some_images = rng.integers(images, size=(draws, images))
    # The mean over drawn seeds and images, as products of how often each was drawn.
    times_seed = np.stack([np.bincount(s, minlength=seeds) for s in some_seeds]) / seeds
    times_image = np.stack([np.bincount(i, minlength=images) for i in some_images]) / images
    means = ((times_seed @ difference) * times_image).sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def interval(values, draws: int = 10_000, seed: int = 0) -> list[float]:
    """95 % bootstrap interval of the mean over images, [low, high]."""
    values = np.asarray(values, float)
    some = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    return np.percentile(values[some].mean(1), [2.5, 97.5]).tolist()
