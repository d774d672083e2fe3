"""Our lattice against MONAI's DiNTS on shared weights: forward, gradients, decode, weights."""

import contextlib
import importlib
import io
from pathlib import Path

import monai_weights
import numpy as np
import pytest
import torch
from monai.networks.nets.dints import DiNTS, TopologyInstance, TopologySearch

from twodints_lib.errors import InputError
from twodints_lib.space import mixing, networks, objective, topology
from twodints_lib.space.lattice import Lattice, Supernet
from twodints_lib.space.operations import SIX, TWO


def monai(blocks, depths, downsample=False, code=None, mul=0.125):
    """MONAI's network of the same space, or of a code."""
    common = {"spatial_dims": 2, "use_downsample": downsample, "norm_name": "INSTANCE"}
    sizes = {"channel_mul": mul, "num_blocks": blocks, "num_depths": depths}
    with contextlib.redirect_stdout(io.StringIO()):
        if code is None:
            return DiNTS(TopologySearch(**sizes, **common), 3, 3, **common)
        arch = [np.array(code["paths"]), np.array(code["operations"])]
        nodes = topology.active_nodes(code).astype(int)
        return DiNTS(TopologyInstance(arch, **sizes, **common), 3, 3, node_a=nodes, **common)


def gradients(net, image):
    out = net(image)
    scale = torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).view_as(out)
    (out * scale).square().mean().backward()
    return out.detach(), {n: p.grad for n, p in net.named_parameters()}


def assert_same(ours, theirs):
    image = torch.rand(2, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    (out, grad), (out_m, grad_m) = gradients(ours, image), gradients(theirs, image)
    torch.testing.assert_close(out, out_m, rtol=1e-6, atol=1e-9)
    for name, value in grad.items():
        torch.testing.assert_close(
            value, grad_m[monai_weights.monai_name(ours, name)], rtol=1e-6, atol=1e-10, msg=name
        )


@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize("depths", [3, 4])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_supernet_equals_monai(depths, downsample, checkpointing):
    torch.manual_seed(depths)
    ours = Supernet(0.125, 3, depths, downsample=downsample).double()
    theirs = monai(3, depths, downsample).double()
    with torch.no_grad():
        ours.log_alpha_a.normal_(0, 1)
        ours.log_alpha_c.normal_(0, 1)
    theirs.load_state_dict(monai_weights.to_monai(ours), strict=True)
    ours.checkpointing = checkpointing
    assert_same(ours, theirs)


@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize(("depths", "seed"), [(3, 0), (3, 1), (4, 2), (4, 3), (4, 4)])
def test_derived_network_equals_monai(depths, seed, downsample):
    code = topology.random_code(4, depths, seed)
    ours = Lattice(topology.edges(code), 0.125, depths, downsample=downsample).double()
    theirs = monai(4, depths, downsample, code).double()
    missing = theirs.load_state_dict(monai_weights.to_monai(ours), strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith("stem") for name in missing.missing_keys)  # MONAI's dead weights
    assert_same(ours, theirs)


def test_weights_come_back_from_monai():
    theirs, ours = monai(2, 3), networks.supernet(0.125, 2, 3)
    monai_weights.from_monai(ours, theirs.state_dict())
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(ours(image), theirs(image))
    state = theirs.state_dict()
    state.pop("stem_finals.1.bias")
    with pytest.raises(InputError, match="stem_finals.1.bias"):
        monai_weights.from_monai(ours, state)


@pytest.mark.parametrize("depths", [2, 3])
def test_path_ends_are_monais(depths):
    theirs = monai(1, depths).dints_space
    start, end = topology.path_ends(depths)
    assert start.tolist() == theirs.arch_code2in and end.tolist() == theirs.arch_code2out


def assert_same_decode(blocks, depths, seed):
    torch.manual_seed(seed)
    theirs = monai(blocks, depths, mul=1 / 32).dints_space
    with torch.no_grad():
        theirs.log_alpha_a.normal_(0, [0.01, 1, 3][seed % 3])
        theirs.log_alpha_c.normal_(0, 1)
    node_a, code_a, code_c, _ = theirs.decode()
    ours = topology.decode(theirs.log_alpha_a.detach(), theirs.log_alpha_c.detach())
    np.testing.assert_array_equal(ours["paths"], code_a)
    np.testing.assert_array_equal(ours["operations"], code_c)
    np.testing.assert_array_equal(topology.active_nodes(ours), node_a)


@pytest.mark.parametrize("seed", range(10))
def test_decode_equals_monais_dijkstra_on_200_alphas(seed):
    for i in range(20):
        assert_same_decode(2 + i % 4, 3, 20 * seed + i)


@pytest.mark.parametrize("seed", range(3))
def test_decode_equals_monais_dijkstra_at_depth_4(seed):
    assert_same_decode(2 + seed, 4, seed)


def test_probabilities_and_objective_terms_are_monais():
    net = monai(3, 3)
    theirs = net.dints_space
    with torch.no_grad():
        theirs.log_alpha_a.normal_(0, 1)
    ours = networks.supernet(0.125, 3, 3)
    monai_weights.from_monai(ours, net.state_dict())
    children, paths = theirs.get_prob_a(child=True)
    torch.testing.assert_close(ours.path_probabilities(), paths)
    numbers = topology.subset_probabilities(ours.log_alpha_a.detach())
    np.testing.assert_allclose(numbers, children.detach(), rtol=1e-5)


@pytest.mark.parametrize("depths", [2, 3])
def test_objective_terms_are_monais(depths):
    net = monai(3, depths).double()
    theirs = net.dints_space
    with torch.no_grad():
        theirs.log_alpha_a.normal_(0, 1)
        theirs.log_alpha_c.normal_(0, 1)
    ours = networks.supernet(0.125, 3, depths).double()
    monai_weights.from_monai(ours, net.state_dict())
    children, _ = theirs.get_prob_a(child=True)
    soft = theirs.log_alpha_c.softmax(-1)
    memory = theirs.get_ram_cost_usage((1, 3, 64, 64))
    memory = memory / theirs.get_ram_cost_usage((1, 3, 64, 64), full=True)
    wanted = {
        "entropy_a": -(children * torch.log(children + 1e-5)).mean(),
        "entropy_c": -(soft * soft.log()).mean(),
        "memory": (0.8 - memory).abs(),
        "topology": 0.001 * theirs.get_topology_entropy(children),
    }
    found = objective.terms(ours)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7, check_dtype=False)
        theirs.zero_grad()
        value.backward(retain_graph=True)
        grad = torch.autograd.grad(
            found[name], ours.log_alpha_a, retain_graph=True, allow_unused=True
        )
        if grad[0] is not None:
            torch.testing.assert_close(
                grad[0], theirs.log_alpha_a.grad, rtol=1e-4, atol=1e-8, check_dtype=False
            )


def test_checkpointed_six_operations_give_the_full_mixtures_gradients():
    torch.manual_seed(0)
    plain = networks.supernet(0.125, 2, 3, names=networks.operations.SIX)
    saving = networks.supernet(0.125, 2, 3, names=networks.operations.SIX)
    saving.load_state_dict(plain.state_dict())
    saving.checkpointing = True
    image = torch.rand(2, 3, 32, 32)
    (out, grad), (out_s, grad_s) = gradients(plain, image), gradients(saving, image)
    torch.testing.assert_close(out, out_s)
    for name in grad:
        torch.testing.assert_close(grad[name], grad_s[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("channels", [4, 24])
@pytest.mark.parametrize("weighed", [True, False])
def test_mixing_equals_the_plain_formula(channels, weighed, monkeypatch):
    torch.manual_seed(0)
    terms = [
        torch.randn(3, channels, 8, 8, dtype=torch.float64, requires_grad=True) for _ in "abcd"
    ]
    weight = torch.rand(4, dtype=torch.float64, requires_grad=True) if weighed else None
    inputs = terms + ([weight] if weighed else [])
    found = []
    for fast in (True, False):
        monkeypatch.setattr(mixing, "_fast", lambda x, fast=fast: fast)
        out = mixing.mix(terms[:3], terms[3:], weight)
        found.append((out.detach(), *torch.autograd.grad(out.square().sum(), inputs)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_in_half_precision_the_plain_formula_is_taken():
    torch.manual_seed(0)
    terms = [torch.randn(2, 8, 16, 16) for _ in "abc"]
    weight = torch.rand(3)
    low = mixing.mix([x.bfloat16() for x in terms[:2]], [terms[2].bfloat16()], weight)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(
        low.float(), mixing.mix(terms[:2], terms[2:], weight), rtol=0.05, atol=0.05
    )


@pytest.mark.parametrize("names", [TWO, SIX])
def test_the_supernet_compiles_as_one_graph(names):
    torch.manual_seed(0)
    net = networks.supernet(channel_mul=0.125, num_blocks=2, num_depths=3, names=names).double()
    image = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    expected, grad = gradients(net, image)
    net.zero_grad()
    whole = torch.compile(net, backend="aot_eager", fullgraph=True)  # a break would raise
    out, found = gradients(whole, image)
    torch.testing.assert_close(out, expected)
    for name, value in grad.items():
        torch.testing.assert_close(found[f"_orig_mod.{name}"], value)


def test_every_way_of_the_gpu_benchmark_takes_the_same_step(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    bench = importlib.import_module("gpu")
    size = {"channel_mul": 0.125, "num_blocks": 2, "num_depths": 3}
    plain = {name: way for name, way in bench.WAYS.items() if way[2] is None}
    found = bench.measure("cpu", size, 32, 2, plain, 1)
    assert len(found) == 5 and all(way["seconds"] > 0 for way in found.values())
    losses = {name: way["loss"] for name, way in found.items()}
    assert losses["ours, float32"] == pytest.approx(losses["monai, float32"], rel=1e-5)
    assert max(losses.values()) - min(losses.values()) < 0.02


def test_without_a_gpu_the_gpu_benchmark_says_so(monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    bench = importlib.import_module("gpu")
    monkeypatch.setattr(bench.torch.cuda, "is_available", lambda: False)
    assert bench.main() == 2
    assert "no CUDA GPU" in capsys.readouterr().err


def test_second_derivatives_are_refused():
    x = torch.rand(1, 4, 6, 6, requires_grad=True)
    weight = torch.ones(2, requires_grad=True)
    out = mixing.mix([x], [x], list(weight)).square().sum()
    (grad,) = torch.autograd.grad(out, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.square().sum().backward()
