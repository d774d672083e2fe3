"""Decode under a budget: equal to brute force, never above the budget, and its costs are true."""

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from twodints_lib.errors import InputError
from twodints_lib.space import budget, cost, networks, topology
from twodints_lib.space.cost_tables import COSTS, CostTable, cost_table
from twodints_lib.space.operations import SIX, TWO
from twodints_lib.space.random_codes import random_within
from twodints_lib.space.specs import DerivedSpec

THREE = ("skip", "1x1", "3x3")


def alphas(seed, blocks, depths, names, wide=1.0):
    rng, paths = np.random.default_rng(seed), 3 * depths - 2
    return rng.normal(0, wide, (blocks, paths)), rng.normal(0, wide, (blocks, paths, len(names)))


def block_choices(a, c, prices, depths):
    """Every way to fill one block: (score, cost, consumed, produced) of each."""
    start, end = topology.path_ends(depths)
    lost = c - c.max(-1, keepdims=True)
    rows = []
    for choice in itertools.product(range(-1, c.shape[1]), repeat=len(a)):
        on = [p for p, o in enumerate(choice) if o >= 0]
        if on:
            score = sum(a[p] + lost[p, choice[p]] for p in on)
            masks = [sum(1 << d for d in set(e[on].tolist())) for e in (start, end)]
            rows.append((score, sum(prices[p, choice[p]] for p in on), *masks))
    return np.array(rows).T


def brute_force(a, c, table, limit):
    """The greatest score that the budget allows, by enumeration of paths and operations."""
    every = [block_choices(*rows, table.num_depths) for rows in zip(a, c, table.edges, strict=True)]
    score, price, first, last = every[0]
    price = price + table.first[first.astype(int)]
    for more, dearer, consumed, produced in every[1:]:
        i, j = np.nonzero(last[:, None] == consumed)
        score, price, last = score[i] + more[j], price[i] + dearer[j], produced[j]
    price = price + table.last[last.astype(int)]
    return score[price <= limit].max() if (price <= limit).any() else None, price.min()


def score_of(code, a, c):
    paths, lost = np.array(code["paths"], bool), c - c.max(-1, keepdims=True)
    own = np.take_along_axis(lost, np.array(code["operations"])[..., None], 2)[..., 0]
    return (a + own)[paths].sum()


@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize(
    ("blocks", "depths", "names"), [(3, 2, TWO), (2, 2, THREE), (4, 1, SIX), (1, 3, TWO)]
)
def test_the_decode_is_the_best_that_the_budget_allows(kind, blocks, depths, names):
    table = cost_table(kind, blocks, depths, names, channel_mul=0.125, patch=32)
    for seed, share in itertools.product(range(4), (0.1, 0.2, 0.35, 0.6)):
        a, c = alphas(seed, blocks, depths, names)
        plain = topology.decode(a, c, names)
        wanted, least = brute_force(a, c, table, share * table.full)
        if wanted is None:
            with pytest.raises(InputError, match="the cheapest network takes"):
                budget.decode_within(a, c, share, table)
            continue
        code = budget.decode_within(a, c, share, table)
        assert topology.is_feasible(code) and least <= table.of(code) <= share * table.full
        assert (code == plain) == (table.of(plain) <= share * table.full)
        # The plain decode's floor may prefer what is less probable by a hair.
        assert score_of(code, a, c) == pytest.approx(wanted, abs=2e-3 if code == plain else 1e-9)


@pytest.mark.parametrize("names", [TWO, SIX])
@pytest.mark.parametrize("wide", [0.0, 0.01, 1.0, 20.0])
def test_a_budget_holds_at_full_size_and_a_larger_one_is_no_worse(names, wide):
    a, c = alphas(5, 12, 4, names, wide)
    for kind in COSTS:
        table = cost_table(kind, 12, 4, names, channel_mul=0.5)
        shares = (0.08, 0.15, 0.3, 0.5, 0.8, 1.0)
        rows = budget.front(a, c, shares, table)
        assert [share for share, _, _ in rows] == list(shares)
        assert all(price == table.of(code) <= s * table.full for s, code, price in rows)
        plain = topology.decode(a, c, names)
        scores = [score_of(code, a, c) for _, code, _ in rows if code != plain]
        assert all(x <= y + 1e-9 for x, y in itertools.pairwise(scores))
        assert rows[-1][1] == plain


def test_the_decode_at_a_budget_ignores_how_likely_the_rest_is():
    """A subset of probability 1e-30 is still told from one of 1e-40."""
    a, c = np.full((3, 4), 30.0), np.zeros((3, 4, 1))
    a[:, 1] = 20.0
    table = CostTable("paths", ("3x3",), np.ones((3, 4, 1)))
    code = budget.decode_within(a, c, 0.5, table)
    assert np.sum(code["paths"]) == 6 and score_of(code, a, c) == 180.0


def test_a_budget_below_the_cheapest_names_the_cheapest():
    a, c = alphas(0, 4, 4, TWO)
    table = cost_table("memory", 4, 4, channel_mul=0.25)
    with pytest.raises(InputError, match=r"share=0.0001: .* takes 0.\d+ .* memory; give") as told:
        budget.decode_within(a, c, 1e-4, table)
    least = float(str(told.value).split("at least ")[1].rstrip("."))
    code = budget.decode_within(a, c, least, table)
    assert table.of(code) <= least * table.full
    with pytest.raises(InputError, match="cheapest"):
        budget.decode_within(a, c, least - 1e-4, table)


# ---- costs are those of the networks


@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize(("names", "depths"), [(TWO, 3), (SIX, 4), (TWO, 1)])
def test_tables_add_up_to_what_a_network_costs(names, depths, downsample):
    sizes = {"channel_mul": 0.125, "patch": 32, "downsample": downsample}
    tables = {k: cost_table(k, 3, depths, names, **sizes) for k in COSTS}
    codes = [topology.random_code(3, depths, seed, names) for seed in range(8)]
    for code in [*codes, topology.known_shape("full grid", 3, depths, names)]:
        net = networks.build(DerivedSpec(0.125, code, downsample))
        assert tables["parameters"].of(code) == networks.count_parameters(net)
        assert tables["macs"].of(code) == cost.multiply_accumulates(net, 32)
        assert tables["memory"].of(code) == cost.estimated_bytes(code, 0.125, 32)


def test_the_expected_memory_is_that_of_the_search():
    from twodints_lib.space import objective
    from twodints_lib.training import ways

    net = networks.supernet(0.125, 3, 3)
    net.log_alpha_a.data.normal_(0, 2)
    net.log_alpha_c.data.zero_()
    table = cost_table("memory", 3, 3, channel_mul=0.125)
    every = np.full((3, 7), 40.0), np.zeros((3, 7, 2))
    share = table.expected(*ways.alphas(net)) / table.expected(*every)
    assert share == pytest.approx(objective.memory_fraction(net).item(), rel=1e-5)


def test_a_measured_table_is_taken_too_and_a_wrong_one_is_named():
    rng = np.random.default_rng(0)
    table = CostTable("latency", TWO, rng.random((3, 4, 2)) * 1e-3)
    a, c = alphas(1, 3, 2, TWO)
    code = budget.decode_within(a, c, 0.3, table)
    wanted, _ = brute_force(a, c, table, 0.3 * table.full)
    assert score_of(code, a, c) == pytest.approx(wanted)
    for edges in (np.ones((3, 4, 3)), -np.ones((3, 4, 2)), np.full((3, 4, 2), np.nan)):
        with pytest.raises(InputError, match="latency: .*give a table"):
            CostTable("latency", TWO, edges)
    with pytest.raises(InputError, match="code: its paths"):
        table.of(topology.known_shape("unet", 4, 2))
    with pytest.raises(InputError, match="cost='watts'"):
        cost_table("watts", 2, 2, channel_mul=0.25)


# ---- random codes of a given cost


@pytest.mark.parametrize("centre", [0.55, 0.8])
def test_random_codes_of_a_cost_are_drawn_evenly(centre):
    table = cost_table("macs", 2, 2, ("3x3",), channel_mul=0.125, patch=32)
    low, high = (centre - 0.05) * table.full, (centre + 0.05) * table.full
    every = [c for c in topology.every_code(2, 2, 0, ("3x3",)) if low <= table.of(c) <= high]
    assert len({table.of(c) for c in every}) > 3  # dear and cheap ones
    rng, counts = np.random.default_rng(0), dict.fromkeys((str(c["paths"]) for c in every), 0)
    for _ in range(20 * len(every)):
        counts[str(random_within(rng, low, high, table)["paths"])] += 1
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_random_codes_of_a_small_and_of_a_large_cost_are_found():
    rng = np.random.default_rng(0)
    for kind, share in itertools.product(COSTS, (0.12, 0.3, 0.8)):
        table = cost_table(kind, 6, 4, SIX, channel_mul=0.125)
        cost_, found = share * table.full, set()
        for _ in range(3):
            code = random_within(rng, 0.95 * cost_, 1.05 * cost_, table)
            assert topology.is_feasible(code)
            assert abs(table.of(code) / cost_ - 1) <= 0.05
            found.add(str(code))
        assert len(found) == 3
    for low, high in ((0, table.full / 1e4), (1.1 * table.full, 2 * table.full)):
        with pytest.raises(InputError, match="parameters from .* wider range"):
            random_within(rng, low, high, table, tries=20)
