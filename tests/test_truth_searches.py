"""Searches on a table of truth: their noise, their costs and what they fall short of."""

import sys
from itertools import combinations

import numpy as np
import pytest
from conftest import made_up_table
from scipy.stats import rankdata, spearmanr

from twodints_lib import truth
from twodints_lib.errors import InputError
from twodints_lib.truth import regret, reliability, searches

QUICK = [s for s in searches.SEARCHES if s != "TPE"]


def table_of(values, like, **made):
    """A table of these scores, (networks, seeds), at one length."""
    values = np.asarray(values, np.float32)[..., None]
    codes, seeds = like.codes[: len(values)], tuple(range(values.shape[1]))
    return truth.Table("t", codes, seeds, (24,), {"f1": values}, {}, np.ones(values.shape), made)


def test_weighted_ranks_are_those_of_the_drawn_sample():
    rng = np.random.default_rng(1)
    values, drawn = rng.integers(6, size=12), rng.multinomial(12, np.full(12, 1 / 12), 5)
    for weights, ranks in zip(drawn, reliability.weighted_ranks(values, drawn), strict=True):
        sample = np.repeat(np.arange(12), weights)
        assert (rankdata(values[sample]) == ranks[sample]).all()


def test_reliability_is_the_mean_rank_correlation_of_seeds(truth_table):
    found = reliability.reliability(truth_table, "f1")
    pairs = combinations(truth_table.score("f1")[:, :, -1].T, 2)
    assert found.rank.value == pytest.approx(np.mean([spearmanr(*p)[0] for p in pairs]))
    assert found.rank.low < found.rank.value < found.rank.high
    n = found.seeds
    assert found.of_mean().value == pytest.approx(
        n * found.rank.value / (1 + (n - 1) * found.rank.value)
    )
    assert found.ceiling.value == pytest.approx(found.of_mean().value ** 0.5)
    assert found.of_mean(20).value > found.of_mean().value > found.rank.value


def test_intervals_hold_the_reliability_that_was_put_in(truth_table):
    """Quality of variance 1, noise of variance 1: half of the spread is the networks' own."""
    rng, held = np.random.default_rng(2), []
    for _ in range(40):
        noise = rng.normal(size=(99, 3)) + [0, 5, 9]  # a seed's common shift ranks nothing
        scores = rng.normal(size=(99, 1)) + noise
        found = reliability.reliability(table_of(scores, truth_table), "f1")
        correlation = 6 / np.pi * np.arcsin(0.5 / 2)  # Spearman's, of normal variables
        held += [found.intraclass.low < 0.5 < found.intraclass.high]
        held += [found.rank.low < correlation < found.rank.high]
    assert 70 <= sum(held) < 80  # of 80 intervals of 95 %
    quality = np.repeat(rng.normal(size=(99, 1)), 2, 1)
    exact = reliability.reliability(table_of(quality, truth_table), "f1")
    assert exact.rank.value == pytest.approx(1) and exact.intraclass.value == pytest.approx(1)


def test_the_intraclass_correlation_is_that_of_the_textbook(truth_table):
    """Shrout and Fleiss (1979), Table 2: six targets, four judges, ICC(3,1) = 0.71."""
    judged = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = reliability.reliability(table_of(judged, truth_table), "f1")
    assert round(found.intraclass.value, 2) == 0.71


def test_networks_of_the_pilot_do_not_tell_the_reliability(truth_table):
    scores = np.random.default_rng(3).normal(size=(20, 2))
    scores[:10, 1] = scores[:10, 0]  # chosen so that seeds agree
    whole = reliability.reliability(table_of(scores, truth_table), "f1")
    mask = [False] * 10 + [True] * 10
    outside = reliability.reliability(table_of(scores, truth_table, not_in_pilot=mask), "f1")
    assert outside.networks == 10 and outside.rank.value < whole.rank.value
    with pytest.raises(InputError, match="2 seeds and 3 networks"):
        reliability.reliability(table_of(scores[:, :1], truth_table), "f1")


def test_every_score_at_every_length_has_a_reliability(truth_table):
    found = reliability.every(truth_table)
    assert {(r.score, r.epochs) for r in found} == {
        (s, e) for s in truth_table.scores for e in truth_table.epochs
    }
    assert all(len(row) == len(reliability.HEADER) for row in reliability.rows(found))


@pytest.mark.parametrize("name", QUICK)
def test_a_search_pays_for_what_it_asks(name, truth_table):
    found = searches.SEARCHES[name](truth_table, np.random.default_rng(4), 20, "f1")
    assert found.spent <= 20 < found.spent + 1
    for row, epochs, seen in zip(found.rows, found.epochs, found.seen, strict=True):
        length = truth_table.epochs.index(epochs)
        assert seen in truth_table.scores["f1"][row, :, length]  # of one seed, not of the mean
    # Seconds of this table are those of its paths; so are costs, whatever went on or began anew.
    each = truth_table.seconds[found.rows, 0, -1] * np.array(found.shares)
    assert found.seconds == pytest.approx(each.tolist())
    assert found.queries[-1] == pytest.approx(found.spent)


def test_a_training_that_goes_on_keeps_its_seed_and_pays_the_rest(truth_table):
    for seed in range(9):
        asked = searches.History(truth_table, np.random.default_rng(seed), 9, "f1")
        for epochs in truth_table.epochs:
            asked.train(truth_table.codes[5], epochs, go_on=True)
        assert asked.seen in truth_table.scores["f1"][5].tolist()
        assert asked.spent == 1 and asked.shares == [0.25, 0.25, 0.5]
        asked.train(truth_table.codes[5], 24)
        assert asked.spent == 2


def test_the_seeds_of_queries_are_drawn_at_random(truth_table):
    asked = searches.History(truth_table, np.random.default_rng(5), 100, "f1")
    for _ in range(60):
        asked.train(truth_table.codes[7])
    assert len(set(asked.seen)) == len(truth_table.seeds)


def test_regret_is_against_the_mean_over_seeds(truth_table):
    asked = searches.History(truth_table, np.random.default_rng(6), 9, "f1")
    mean = truth_table.truth("f1")
    worst, best = truth_table.codes[mean.argmin()], truth_table.codes[mean.argmax()]
    for code, epochs in ((worst, 6), (best, 6), (worst, 24), (best, 24), (worst, 24)):
        asked.train(code, epochs)
    gap = mean.max() - mean.min()
    assert asked.regret() == pytest.approx([gap, 0, gap, 0, 0])
    at = [0.2, 0.25, 0.5, 1.5, 2.5, 9]
    curve = regret.curves([asked], at)[0]
    assert curve == pytest.approx([mean.max() - mean.mean(), gap, 0, gap, 0, 0])
    spent = np.cumsum(asked.seconds)
    assert regret.curves([asked], spent, "seconds")[0] == pytest.approx(asked.regret())


def test_random_search_has_the_regret_of_chance():
    """Without noise the best of n drawn from 99 is the k-th best with a known probability."""
    table = made_up_table(noise=0)
    some = regret.replay(table, searches.random_search, 400, budget=10, score="f1")
    final = regret.curves(some, [10])[:, 0]
    best = (final < 1e-9).mean()
    assert abs(best - 10 / 99) < 3 * (10 / 99 * 89 / 99 / 400) ** 0.5
    assert all(len(set(h.rows)) == 10 for h in some)


def test_what_learns_beats_chance_where_quality_is_smooth():
    table = made_up_table("cells-711", 3, 2, noise=0.3)
    mean = {
        name: regret.curves(regret.replay(table, searches.SEARCHES[name], 40), [50]).mean()
        for name in ("random search", "regularised evolution")
    }
    assert mean["regularised evolution"] < 0.8 * mean["random search"]


def test_halving_trains_the_best_third_for_longer(truth_table):
    found = searches.successive_halving(truth_table, np.random.default_rng(7), 15, "f1", start=18)
    assert found.epochs[:26] == [6] * 18 + [12] * 6 + [24] * 2
    short = sorted(zip(found.seen[:18], found.rows[:18], strict=True), reverse=True)
    assert set(found.rows[18:24]) == {row for _, row in short[:6]}


def test_a_mutant_is_near_and_in_the_table(truth_table):
    rng, reached = np.random.default_rng(8), {0}
    for _ in range(400):
        code = truth_table.codes[rng.choice(sorted(reached))]
        child = searches.mutate(truth_table, code, rng)
        assert child["paths"] != code["paths"]
        reached.add(truth_table.place(child))
    assert len(reached) > 90  # so every network can be reached, whatever nodes it uses


def test_the_model_based_search_learns(truth_table):
    pytest.importorskip("optuna")
    found = searches.tpe(truth_table, np.random.default_rng(9), 40, "f1")
    again = searches.tpe(truth_table, np.random.default_rng(9), 40, "f1")
    assert found.rows == again.rows and found.spent == 40
    mean = truth_table.truth("f1")
    assert mean[found.rows[20:]].mean() > mean.mean() + 0.5 * mean.std()


def test_without_optuna_a_sentence_names_the_mend(truth_table, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="pip install optuna"):
        searches.tpe(truth_table, np.random.default_rng(0), 5, "f1")


def test_the_record_of_searches_holds_their_curves(truth_table, tmp_path, monkeypatch):
    monkeypatch.setattr(regret, "SEARCHES", {n: searches.SEARCHES[n] for n in QUICK})
    found = regret.measure(truth_table, QUICK, repeats=20)
    curve = found["searches"]["random search"]["queries"]
    assert found["at"]["queries"] == [*range(1, 51)] and len(curve["median"]) == 50
    last = found["searches"]["random search"]["rank"]
    assert 1 <= last["low"] <= last["median"] <= last["high"] <= 99
    order = np.sort(truth_table.truth("f1_best"))[::-1]
    behind = found["best"] - order[[int(np.floor(last["low"])) - 1, int(last["high"])]]
    assert behind[0] <= curve["low"][-1] + 1e-6 and curve["high"][-1] <= behind[1] + 1e-6
    assert np.all(np.array(curve["low"]) <= curve["median"])
    assert np.all(np.array(curve["median"]) <= curve["high"])
    table = regret.rows(found)
    assert [row[1] for row in table[1:]] == QUICK
    assert all(len(row) == len(regret.HEADER) for row in table)
    with pytest.raises(InputError, match="'dice'"):
        regret.measure(truth_table, QUICK, "dice")


def test_a_search_refuses_an_unknown_score(truth_table):
    with pytest.raises(InputError, match="'dice'"):
        searches.random_search(truth_table, np.random.default_rng(0), 5, "dice")
