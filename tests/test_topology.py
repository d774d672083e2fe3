"""Codes: the k best, sampling, known shapes, derived networks without dead weights."""

import itertools

import numpy as np
import pytest
import torch

from twodints_lib.errors import InputError
from twodints_lib.space import cost, derive, networks, operations, topology
from twodints_lib.space.lattice import Supernet
from twodints_lib.space.operations import OPERATIONS, SIX, TWO, Operation
from twodints_lib.training import search


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
    copied = derive.inherit(net, code, 0.125)
    image = torch.rand(2, 3, 16, 16)
    mixed = net(image)
    net.only(code)
    torch.testing.assert_close(net(image), copied(image))
    net(image).square().mean().backward()  # the alphas of what was kept still learn
    assert (net.log_alpha_a.grad.abs() > 0).any() and (net.log_alpha_c.grad.abs() > 0).any()
    net.only(None)
    torch.testing.assert_close(net(image), mixed)


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
    code = topology.decode(*search.alphas(net), net.names)
    assert code["names"] == ["skip", "dilated"]
    image = torch.rand(1, 3, 16, 16)
    assert derive.inherit(net, code, 0.125)(image).shape == net(image).shape
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
