"""Intervals cover what they claim, and two trainings are compared in one way."""

import numpy as np
import pytest

from twodints_lib.scoring.statistics import (
    Difference,
    agreement_ceiling,
    crossed_interval,
    paired_difference,
    quantile,
    score_interval,
    spearman_brown,
)

IMAGES = 35  # as many as micro4 has to validate


def world(rng, seeds, spread, shared, images=IMAGES):
    """Differences (seeds, images) whose true mean is 0, their spread over images 1.

    `spread` is that of seeds, `shared` the part of the images' variance that stays in all seeds.
    """
    by_seed = spread * rng.normal(size=(seeds, 1))
    by_image = np.sqrt(shared) * rng.normal(size=(1, images))
    return by_seed + by_image + np.sqrt(1 - shared) * rng.normal(size=(seeds, images))


def bootstrap(table, rng, draws=300):
    """What was here before: seeds and images drawn with replacement."""
    seeds, images = table.shape
    s = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    i = rng.multinomial(images, np.full(images, 1 / images), draws) / images
    return np.percentile(((s @ table) * i).sum(1), [2.5, 97.5])


def over_seeds(table):
    """The other candidate: t over seeds of the means over images, blind to other images."""
    means = table.mean(1)
    half = quantile(len(means)) * means.std(ddof=1) / np.sqrt(len(means))
    return means.mean() - half, means.mean() + half


def coverage(interval, times=1500, **of):
    rng = np.random.default_rng(7)
    ends = [interval(world(rng, **of)) for _ in range(times)]
    return np.mean([low < 0 < high for low, high in ends])


def crossed(table):
    return crossed_interval(table)[1:3]


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("spread", [0, 1 / 3, 1], ids=["no seed", "a third", "as images"])
@pytest.mark.parametrize("shared", [0, 0.5, 1])
def test_an_interval_covers_with_few_seeds(seeds, spread, shared):
    assert coverage(crossed, seeds=seeds, spread=spread, shared=shared) >= 0.93


def test_the_rivals_of_the_interval_fail():
    """Draws from three seeds are too narrow; t over seeds alone knows no other images."""
    rng = np.random.default_rng(1)
    for seeds, most in ((3, 0.80), (5, 0.89)):
        drawn = coverage(lambda t: bootstrap(t, rng), 500, seeds=seeds, spread=1, shared=0.5)
        assert drawn < most
    assert coverage(over_seeds, seeds=5, spread=0, shared=0.5) < 0.75
    assert coverage(over_seeds, seeds=3, spread=1 / 3, shared=0) >= 0.93


@pytest.mark.parametrize("images", [8, 35])
def test_one_seed_covers_over_images_alone(images):
    of = {"seeds": 1, "shared": 0.5, "images": images}
    assert coverage(crossed, spread=0, **of) >= 0.93
    assert coverage(crossed, spread=1, **of) < 0.6  # what another training would do, it can't know
    alone = crossed_interval(np.arange(images))
    assert alone.seeds == 1 and str(alone).endswith("over images alone")


def test_the_interval_by_hand():
    found = crossed_interval([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])  # images do not differ: t_2
    assert found.high - found.mean == pytest.approx(4.303 * 0.1 / np.sqrt(3), rel=1e-3)
    assert [quantile(n) for n in (3, 5)] == pytest.approx([4.303, 2.776], abs=5e-4)
    found = crossed_interval([[0.1, 0.3], [0.1, 0.3]])  # seeds do not differ: t_1 over two images
    assert found.high - found.mean == pytest.approx(12.706 * 0.1, rel=1e-3)
    with pytest.raises(ValueError, match="1 image"):
        crossed_interval([[0.1], [0.2]])


def test_a_mean_score_has_an_interval_within_its_range():
    covered = 0
    for i in range(400):
        low, high = score_interval(np.random.default_rng(i).beta(8, 4, 25))
        covered += low < 8 / 12 < high
    assert 0.92 <= covered / 400 <= 0.98
    assert score_interval([1, 1, 0.9])[1] == 1 and score_interval([0, 0, 0.1])[0] == 0
    assert score_interval([0.7]) == [0, 1]


def named(table) -> dict:
    """{seed: {image: score}} of an array (seeds, images)."""
    return {
        s: {f"i{k}": float(v) for k, v in enumerate(row)} for s, row in enumerate(np.array(table))
    }


def test_a_difference_can_say_no():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (3, 30))
    base = rng.uniform(0.2, 0.8, (3, 30))
    none = paired_difference(named(base + noise - noise.mean()), named(base))
    assert none.low < 0 < none.high and none.verdict() == "no evidence that search helped"
    found = paired_difference(named(base + 0.05 + noise / 10), named(base))
    assert found.mean == pytest.approx(0.05, abs=0.01) and found.verdict() == "search helped"
    assert found == pytest.approx(crossed_interval(0.05 + noise / 10))
    assert paired_difference(named(base), named(base + 0.1)).verdict() == "search hurt"


def test_scores_are_paired_by_name_whatever_their_order():
    ours = {1: {"a": 0.5, "b": 0.9}, 2: {"b": 0.8, "a": 0.4}}
    theirs = {2: {"a": 0.2, "b": 0.6}, 1: {"b": 0.7, "a": 0.3}}
    assert paired_difference(ours, theirs).mean == pytest.approx(0.2)
    assert paired_difference(ours, theirs).low == pytest.approx(0.2)  # every pair differs by 0.2


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_an_image_without_a_score_is_left_out_of_both_sides(nothing):
    ours = {1: {"a": 0.5, "b": nothing, "c": 0.5}, 2: {"a": 0.5, "b": 0.5, "c": 0.5}}
    theirs = {s: {"a": 0.4, "b": 0.9, "c": 0.4, "only here": 0.9} for s in (1, 2, 3)}
    found = paired_difference(ours, theirs)
    assert found[:1] + found[3:] == (pytest.approx(0.1), 2, 2)
    assert paired_difference(theirs, ours).mean == pytest.approx(-0.1)


def test_too_few_seeds_or_images_in_common_give_no_difference():
    one = {1: {"a": 0.5, "b": 0.5}}
    assert paired_difference(one, one) is None
    assert paired_difference(one, one, least=1) == Difference(0, 0, 0, 1, 2)
    assert paired_difference({1: {"a": 0.5}}, {1: {"a": 0.5}}, least=1) is None
    assert paired_difference({1: {"a": 0.5}}, {1: {"b": 0.5}}, least=1) is None
    assert paired_difference({1: one[1]}, {2: one[1]}, least=0) is None


def test_reliability_of_a_mean_and_the_ceiling_of_agreement():
    """Simulated: a mean over five repeats, another such mean, and a ranking without any noise."""
    assert spearman_brown(0.28, 5) == pytest.approx(0.66, abs=0.005)
    assert spearman_brown(-0.1, 5) == 0 and agreement_ceiling(-0.1) == 0
    rng, noise = np.random.default_rng(0), np.sqrt(1 / 0.28 - 1)
    truth = rng.normal(size=20_000)
    tables = truth + noise * rng.normal(size=(2, 5, 20_000))
    one, other = tables.mean(1)
    agree = np.corrcoef(one, other)[0, 1]
    assert agree == pytest.approx(spearman_brown(0.28, 5), abs=0.02)
    assert np.corrcoef(one, truth)[0, 1] == pytest.approx(agreement_ceiling(agree), abs=0.02)
