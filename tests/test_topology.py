"""Codes: the k best, sampling, known shapes, derived networks without dead weights."""

import itertools

import numpy as np
import pytest
import torch

from twodints_lib.errors import InputError
from twodints_lib.space import cost, derive, networks, objective, operations, topology
from twodints_lib.space.lattice import Supernet
from twodints_lib.space.operations import OPERATIONS, SIX, TWO, Operation
from twodints_lib.space.specs import SupernetSpec
from twodints_lib.training import ways


def every_feasible(alphas):
    """All feasible codes of a tiny space with their costs, by enumeration."""
    members, _, _ = topology.subsets(topology.depths_of(alphas))
    p = topology.subset_probabilities(alphas)
    rows = itertools.product(range(len(members)), repeat=len(alphas))
    for subset in rows:
        paths = members[list(subset)]
        if topology.is_feasible({"paths": paths}):
            yield paths, sum(-np.log(p[b, s] + 1e-5) for b, s in enumerate(subset))


@pytest.mark.parametrize("seed", range(6))
def test_the_k_best_are_the_k_best(seed):
    alphas = np.random.default_rng(seed).normal(0, 1.5, (3, 4))
    every = sorted(every_feasible(alphas), key=lambda x: x[1])
    codes, costs = topology.k_best(alphas, 12)
    np.testing.assert_allclose(costs, [c for _, c in every[:12]])
    for found, (wanted, _) in zip(codes, every, strict=False):
        np.testing.assert_array_equal(found, wanted)
    assert topology.margin(alphas) == pytest.approx(every[1][1] - every[0][1])


def test_k_best_stops_where_the_space_ends():
    codes, costs = topology.k_best(np.zeros((2, 4)), 500)
    assert len(codes) == 99 == topology.count_topologies(2, 2)
    assert len({c.tobytes() for c in codes}) == 99 and np.isfinite(costs).all()


@pytest.mark.parametrize("wide", [0.0, 1.5])
def test_samples_follow_the_alphas_exactly(wide):
    alphas = np.random.default_rng(3).normal(0, wide, (2, 4))
    operation = np.log([[[0.2, 0.8]] * 4] * 2)
    every = {p.tobytes(): np.exp(-c) for p, c in every_feasible(alphas)}
    total, rng = sum(every.values()), np.random.default_rng(0)
    draws = [topology.sample(alphas, operation, rng) for _ in range(6000)]
    counts = dict.fromkeys(every, 0)
    for code in draws:
        counts[np.array(code["paths"], bool).tobytes()] += 1
    wanted = np.array([every[k] / total for k in counts])
    found = np.array(list(counts.values())) / len(draws)
    assert np.abs(found - wanted).max() < 5 * np.sqrt(wanted.max() / len(draws))
    assert np.mean([c["operations"] for c in draws]) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_every_sample_is_feasible_at_any_depth(seed):
    code = topology.random_code(7, 1 + seed % 5, seed, SIX)
    assert topology.is_feasible(code) and set(code["names"]) == set(SIX)


@pytest.mark.parametrize("shape", topology.SHAPES)
@pytest.mark.parametrize(("blocks", "depths"), [(6, 4), (8, 3), (4, 4), (12, 5), (3, 2), (1, 1)])
def test_known_shapes_fit_and_run(shape, blocks, depths):
    code = topology.known_shape(shape, blocks, depths)
    assert topology.is_feasible(code)
    if blocks <= 6:
        net = networks.derived_network(code, 1 / 32)
        assert net(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    with pytest.raises(InputError, match="pyramid"):
        topology.known_shape("pyramid", blocks, depths)


def likeliest(alphas):
    """The most probable feasible code of a tiny space, by enumeration."""
    members, _, _ = topology.subsets(topology.depths_of(alphas))
    rows = itertools.product(range(len(members)), repeat=len(alphas))
    every = [members[list(row)] for row in rows]
    feasible = [paths for paths in every if topology.is_feasible({"paths": paths})]
    return max(feasible, key=lambda paths: (alphas * paths).sum())  # the rest is common to all


EXTREME = (37.0, 800.0, -800.0, 1e6, -1e6)


@pytest.mark.parametrize("value", EXTREME)
@pytest.mark.parametrize("place", range(8))
def test_any_finite_logit_is_decoded_and_sampled(value, place):
    alphas = np.random.default_rng(place).normal(0, 1, (2, 4))
    alphas.ravel()[place] = value
    code = topology.decode(alphas, np.zeros((2, 4, 2)))
    assert topology.is_feasible(code)
    drawn = topology.sample(alphas, np.full((2, 4, 2), [value, 0]), np.random.default_rng(0))
    for some in (code, drawn):
        assert np.ravel(some["paths"])[place] == (value > 0)
    assert np.ravel(drawn["operations"]).tolist() == [int(value < 0)] * 8
    probability = topology.path_probabilities(alphas)
    assert np.isfinite(probability).all() and 0 <= probability.min() <= probability.max() <= 1
    assert np.ravel(probability)[place] == pytest.approx(float(value > 0))


@pytest.mark.parametrize("seed", range(20))
def test_where_all_is_unlikely_the_likelier_code_is_decoded(seed):
    """MONAI's costs level off at 1e-5: below it ties are broken by the true probability."""
    alphas = np.random.default_rng(seed).choice([-1e6, -800.0, -90.0, -40.0, -31.0], (3, 4))
    alphas[1] += 0.125 * np.arange(4)  # no two codes alike
    found = np.array(topology.decode(alphas, np.zeros((3, 4, 2)))["paths"])
    assert topology.is_feasible({"paths": found})
    members, _, _ = topology.subsets(2)
    logs, kept = topology.log_subset_probabilities(alphas), []
    for paths in (found, likeliest(alphas)):
        places = [int(np.flatnonzero((members == row).all(1))[0]) for row in paths]
        true = sum(logs[b, i] for b, i in enumerate(places))
        kept.append((sum(-np.log(np.exp(logs[b, i]) + 1e-5) for b, i in enumerate(places)), true))
    ours, other = kept
    assert ours[0] < other[0] + 1e-8 and (ours[0] < other[0] - 1e-8 or ours[1] >= other[1])


def test_a_path_of_minus_800_is_never_switched_on_by_a_tie():
    for shape in ("straight", "unet"):
        wanted = np.array(topology.known_shape(shape, 3, 2)["paths"], bool)
        alphas = np.where(wanted, -40.0, -800.0)  # all subsets of two lie far below 1e-5
        alphas[:, 0] = -90.0
        assert not (np.array(topology.decode(alphas, np.zeros((3, 4, 2)))["paths"], bool)
                    & (alphas == -800)).any()  # fmt: skip


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_named(value):
    good, bad = np.zeros((2, 4)), np.full((2, 4), value)
    operation = np.zeros((2, 4, 2))
    for call in (
        lambda: topology.decode(bad, operation), lambda: topology.decode(good, operation + value),
        lambda: topology.sample(bad, operation, np.random.default_rng(0)),
        lambda: topology.path_probabilities(bad), lambda: topology.margin(bad),
    ):  # fmt: skip
        with pytest.raises(InputError, match="not finite.*arch_rate"):
            call()


@pytest.mark.parametrize("value", EXTREME)
@pytest.mark.parametrize("every", [False, True])
def test_the_torch_twins_agree_and_stay_finite(value, every):
    torch.manual_seed(0)
    net = networks.supernet(1 / 32, 2, 2).double()
    with torch.no_grad():
        net.log_alpha_a.normal_(0, 1)
        net.log_alpha_a[:, slice(None) if every else 1] = value
        net.log_alpha_c[..., 0] = value
    alphas, _ = ways.alphas(net)
    theirs = net.path_probabilities(), objective.subset_probabilities(net.log_alpha_a)
    ours = topology.path_probabilities(alphas), topology.subset_probabilities(alphas)
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(a.detach(), b, rtol=1e-9, atol=1e-300)
    net = net.float()
    for code in (None, topology.known_shape("full grid", 2, 2)):
        net.only(code)
        loss = net(torch.rand(1, 3, 16, 16)).square().mean() + sum(objective.terms(net).values())
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_the_unet_goes_down_and_up_with_skips_between():
    nodes = topology.active_nodes(topology.known_shape("unet", 6, 4))
    assert [int(n.nonzero()[0].max()) for n in nodes] == [0, 1, 2, 3, 2, 1, 0]
    assert nodes[:, 0].all() and nodes[1:6, 1].all() and nodes[2:5, 2].all()


def test_every_code_of_the_tiny_space():
    codes = topology.every_code(2, 2)
    assert len(codes) == 99 and all(map(topology.is_feasible, codes))


def test_every_weight_of_a_derived_network_learns():
    for seed in range(6):
        net = networks.derived_network(topology.random_code(4, 4, seed), 0.125)
        net(torch.rand(1, 3, 32, 32)).square().mean().backward()
        assert [n for n, p in net.named_parameters() if p.grad is None] == []
        assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_kept_code_is_the_derived_network():
    torch.manual_seed(0)
    net = networks.supernet(0.125, 3, 3, SIX)
    code = topology.random_code(3, 3, 5, SIX)
    copied = derive.inherit(net, code)
    image = torch.rand(2, 3, 16, 16)
    mixed = net(image)
    net.only(code)
    torch.testing.assert_close(net(image), copied(image))
    net(image).square().mean().backward()  # the alphas of what was kept still learn
    assert (net.log_alpha_a.grad.abs() > 0).any() and (net.log_alpha_c.grad.abs() > 0).any()
    net.only(None)
    torch.testing.assert_close(net(image), mixed)


def test_a_ladder_supernets_weights_are_inherited():
    net = networks.build(SupernetSpec(0.125, 2, 3, head="ladder"))
    code = topology.known_shape("full grid", 2, 3)
    image = torch.rand(1, 3, 16, 16)
    net.only(code)
    torch.testing.assert_close(derive.inherit(net, code)(image), net(image))


def test_a_code_of_another_supernet_is_named():
    net = networks.supernet(0.125, 2, 2, ("3x3", "skip"))
    code = topology.known_shape("unet", 2, 2)  # its operations in another order: read by name
    net.only(code)
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(derive.inherit(net, code)(image), net(image))
    for other in (topology.known_shape("unet", 3, 2), topology.random_code(2, 2, 0, SIX)):
        for call in (net.only, lambda code: derive.inherit(net, code)):
            with pytest.raises(InputError, match="code: .*decode its own"):
                call(other)


@pytest.mark.parametrize("shape", topology.SHAPES)
def test_a_shape_needs_the_operation_it_is_made_of(shape):
    for names, missing in ((("skip",), shape != "skip-only"), (("3x3",), shape == "skip-only")):
        if missing:
            with pytest.raises(InputError, match="lacks"):
                topology.known_shape(shape, 4, 3, names)
        else:
            code = topology.known_shape(shape, 4, 3, names)
            assert topology.is_feasible(code) and code["names"] == list(names)
    with pytest.raises(InputError, match="operation 1 of 1"):
        topology.every_code(1, 2, operation=1, names=("skip",))


def test_an_exported_network_needs_nothing_of_ours(tmp_path):
    net = networks.derived_network(topology.random_code(3, 3, 1), 0.25).eval()
    derive.export(net, tmp_path / "net.pt2", 32)
    plain = torch.export.load(tmp_path / "net.pt2").module()
    for batch in (1, 3):
        image = torch.rand(batch, 3, 32, 32)
        torch.testing.assert_close(plain(image), net(image), rtol=1e-4, atol=1e-5)


def test_the_papers_operations_and_their_true_counts():
    assert TWO == ("skip", "3x3")
    assert SIX == ("skip", "1x1", "3x3", "depthwise 3x3", "5x5", "7x7")
    net = Supernet(1.0, 8, 4, SIX)
    assert networks.count_parameters(net) == 131_934_515
    assert networks.count_parameters(Supernet(0.5, 8, 4, SIX)) == 33_008_051


def test_a_learner_adds_an_operation(monkeypatch):
    monkeypatch.setitem(
        OPERATIONS,
        "dilated",
        Operation(lambda c: torch.nn.Conv2d(c, c, 3, padding=2, dilation=2, bias=False)),
    )
    net = networks.supernet(0.125, 2, 2, ("skip", "dilated"))
    code = topology.decode(*ways.alphas(net), net.names)
    assert code["names"] == ["skip", "dilated"]
    image = torch.rand(1, 3, 16, 16)
    assert derive.inherit(net, code)(image).shape == net(image).shape
    with pytest.raises(InputError, match="9x9"):
        operations.check(("skip", "9x9"))
    with pytest.raises(InputError, match="once"):
        operations.check(("skip", "skip"))


def test_costs_of_known_networks():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.nn.ReLU())
    assert cost.multiply_accumulates(net, 16) == 3 * 8 * 9 * 16 * 16
    assert cost.activation_bytes(net, 16, batch=2) == 4 * 2 * (3 + 8) * 16 * 16
    straight, grid = (topology.known_shape(s, 4, 3) for s in ("straight", "full grid"))
    one = cost.estimated_bytes(straight, 0.25, 32)
    assert one == 4 * 4 * (1 + 3) * 8 * 32 * 32  # four blocks, one path, three kept and the output
    assert cost.estimated_bytes(grid, 0.25, 32) > 3 * one
    assert cost.seconds_per_image(net, 16) > 0
