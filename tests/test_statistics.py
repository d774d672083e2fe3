"""Intervals cover what they claim, and two trainings are compared in one way."""

import numpy as np
import pytest

from twodints_lib.scoring.statistics import (
    Difference,
    interval,
    paired_bootstrap,
    paired_difference,
)


def test_the_bootstrap_covers():
    covered = 0
    for i in range(200):
        values = np.random.default_rng(i).normal(0, 1, 25)
        _, low, high = paired_bootstrap(values, np.zeros(25), draws=500)
        covered += low < 0 < high
        low, high = interval(values, draws=500)
        assert low < values.mean() < high
    assert 0.88 <= covered / 200 <= 0.99


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
    assert found[:3] == paired_bootstrap(base + 0.05 + noise / 10, base)
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


def test_too_few_seeds_or_no_common_image_give_no_difference():
    one = {1: {"a": 0.5}}
    assert paired_difference(one, one) is None
    assert paired_difference(one, one, least=1) == Difference(0, 0, 0, 1, 1)
    assert paired_difference({1: {"a": 0.5}}, {1: {"b": 0.5}}, least=1) is None
    assert paired_difference({1: one[1]}, {2: one[1]}, least=0) is None
