"""Intervals over images and seeds, and the one way to compare two trainings.

One rule everywhere: Student's t, with as many degrees of freedom as there are seeds, or images,
less one. With three seeds it is wide, as it has to be; a bootstrap that draws from three cannot
know what a fourth would do (tests/test_statistics.py simulates both).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Scores = Mapping[int, Mapping[str, float | None]]  # {seed: {image: its score, None without one}}


class Difference(NamedTuple):
    """A mean difference with its 95 % interval, and over how many seeds and images it was taken.

    Of one seed the interval is over images alone: it says nothing of another training.
    """

    mean: float
    low: float
    high: float
    seeds: int
    images: int

    def __str__(self) -> str:
        words = f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"
        return words if self.seeds > 1 else f"{words} over images alone"

    def verdict(
        self, better: str = "search helped", worse: str = "search hurt",
        undecided: str = "no evidence that search helped",
    ) -> str:  # fmt: skip
        """What the interval allows to say: `undecided` wherever it holds zero."""
        if self.low > 0:
            return better
        return worse if self.high < 0 else undecided


def paired_difference(ours: Scores, theirs: Scores, least: int = 2) -> Difference | None:
    """Ours minus theirs, paired by seed and by the image's name, with `crossed_interval`.

    The rule: the seeds that both sides have count, and of the images those that have a score in
    each of these seeds on both sides; an image without one (no cell of a class: no Dice) is left
    out of both and is never counted as 0. None where fewer than `least` seeds are shared, since
    one seed's interval knows the spread of images and not that of trainings, or where fewer than
    two images are left.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if len(seeds) < max(1, least):
        return None
    columns = [side[seed] for side in (ours, theirs) for seed in seeds]
    names = [n for n in columns[0] if all(_known(column.get(n)) for column in columns)]
    if len(names) < 2:
        return None
    pair = np.array([[c[n] for n in names] for c in columns]).reshape(2, len(seeds), len(names))
    return crossed_interval(pair[0] - pair[1])


def _known(score: float | None) -> bool:
    return score is not None and not np.isnan(score)


def crossed_interval(differences) -> Difference:
    """Mean of differences (seeds, images) and its 95 % interval for other seeds and other images.

    Every seed is scored on the same images. The half-width has two parts, put together as the
    sides of a right triangle (method of variance estimates recovery; Zou and Donner 2008): t over
    the means of the seeds, which has the noise of single scores in it, and t over the means of the
    images for what images differ by in every seed, which is no noise. With one seed, or differences
    (images,), it is t over images alone. ValueError where there are fewer than two images.
    """
    table = np.atleast_2d(np.asarray(differences, float))
    seeds, images = table.shape
    if images < 2:
        raise ValueError(f"{images} image: there is no spread of images to see.")
    mean, by_seed, by_image = table.mean(), table.mean(1), table.mean(0)
    spread = by_image.var(ddof=1)
    if seeds == 1:
        half = quantile(images) * np.sqrt(spread / images)
    else:
        rest = table - by_seed[:, None] - by_image + mean
        noise = (rest**2).sum() / ((seeds - 1) * (images - 1)) / seeds
        half = np.hypot(
            quantile(seeds) * np.sqrt(by_seed.var(ddof=1) / seeds),
            quantile(images) * np.sqrt(max(spread - noise, 0) / images),
        )
    return Difference(float(mean), float(mean - half), float(mean + half), seeds, images)


def quantile(count: int) -> float:
    """How many standard errors a 95 % interval of the mean of `count` values goes to each side."""
    from scipy.special import stdtrit  # scipy.stats takes half a second

    return float(stdtrit(count - 1, 0.975))


def score_interval(scores) -> list[float]:
    """95 % interval of the mean over images of scores from 0 to 1, [low, high], by t.

    One image says nothing of the mean: [0, 1].
    """
    scores = np.asarray(scores, float)
    if len(scores) < 2:
        return [0.0, 1.0]
    half = quantile(len(scores)) * scores.std(ddof=1) / np.sqrt(len(scores))
    return np.clip([scores.mean() - half, scores.mean() + half], 0, 1).tolist()


def spearman_brown(reliability: float, times: float) -> float:
    """The reliability of the mean over `times` repeats, from that of one (Spearman 1910, Brown).

    Reliability is the correlation between two repeats; one that is negative counts as none.
    """
    one = max(reliability, 0.0)
    return times * one / (1 + (times - 1) * one)


def agreement_ceiling(reliability: float) -> float:
    """The highest correlation that anything can have with scores of this reliability.

    It is the square root: what knows the noise-free scores still meets the noise of the others,
    once, while two repeats meet it twice (attenuation; Spearman 1904).
    """
    return float(np.sqrt(max(reliability, 0.0)))
