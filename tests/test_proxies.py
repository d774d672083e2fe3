"""Zero-cost proxies: what they count, and what they are worth beside a table."""

import numpy as np
import pytest
import torch
from conftest import made_up_table
from scipy.stats import rankdata, spearmanr

from twodints_lib import files, truth
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.space import derive, networks, topology
from twodints_lib.space.specs import DerivedSpec
from twodints_lib.targets.heads import HEADS
from twodints_lib.training import search, ways
from twodints_lib.truth import protocol, proxies, ranking, report


def spec_of(shape, blocks=2, head="ladder"):
    return DerivedSpec(0.125, topology.known_shape(shape, blocks, 2), head=head)


def batch_of(seed, size=32, count=4, head="ladder"):
    torch.manual_seed(seed)
    return torch.rand(count, 3, size, size), torch.rand(count, HEADS[head].channels, size, size)


def fresh(spec, seed=1):
    torch.manual_seed(seed)
    return networks.build(spec)


def few() -> truth.Table:
    """Five networks of a made-up table, with two seeds."""
    whole, kept = made_up_table(), slice(0, 99, 20)
    return truth.Table(
        "few", whole.codes[kept], whole.seeds[:2], whole.epochs,
        {k: x[kept, :2] for k, x in whole.scores.items()},
        {k: x[kept] for k, x in whole.costs.items()}, whole.seconds[kept, :2],
    )  # fmt: skip


def test_synflow_counts_every_layer_of_a_chain_once():
    """Without biases each layer of a chain passes on the whole output: layers x output."""
    net, spec = fresh(spec_of("straight")), spec_of("straight")
    torch.nn.init.zeros_(net.head.bias)
    layers = [p for p in net.parameters() if p.ndim > 1]
    found = proxies.synflow(net, batch_of(0), spec.head)
    image = torch.ones(1, 3, 32, 32, dtype=torch.float64)
    copy = fresh(spec).double()
    with torch.no_grad(), proxies.without_norms():
        for p in copy.parameters():
            p.abs_()
        copy.head.bias.zero_()
        output = float(copy(image).sum())
    assert found == pytest.approx(np.log(len(layers) * output))


def test_a_proxy_leaves_the_network_as_it_was():
    spec, batch = spec_of("full grid"), batch_of(1)
    for proxy in proxies.PROXIES.values():
        net = fresh(spec)
        before = net(batch[0])
        assert np.isfinite(proxy(net, batch, spec.head))
        assert torch.equal(net(batch[0]), before)
        assert net.head.weight.dtype == torch.float32


def test_norms_are_back_after_an_error():
    net, image = fresh(spec_of("full grid")), batch_of(2)[0]
    before = net(image)
    with pytest.raises(ZeroDivisionError), proxies.without_norms():
        assert not torch.allclose(net(image), before)
        _ = 1 / 0
    assert torch.equal(net(image), before)


def test_gradient_norm_is_that_of_the_loss():
    spec, batch = spec_of("unet"), batch_of(3)
    net = fresh(spec)
    HEADS["ladder"].loss(net(batch[0]), batch[1]).backward()
    expected = sum(p.grad.norm().item() for p in net.parameters() if p.ndim > 1)
    assert proxies.gradient_norm(fresh(spec), batch, "ladder") == pytest.approx(expected, rel=1e-5)


def test_the_jacobian_tells_images_apart():
    """Images that are all alike have one gradient, and the lowest value there is."""
    spec, (image, maps) = spec_of("full grid"), batch_of(4)
    alike = image[:1].expand_as(image) + 1e-4 * torch.rand_like(image)
    of = [proxies.jacobian_covariance(fresh(spec), (x, maps), "ladder") for x in (image, alike)]
    assert of[0] > of[1] + 1
    # The plain sum of the logits, which a classifier is asked for, depends on no pixel here.
    image = image.double().requires_grad_()
    (flat,) = torch.autograd.grad(fresh(spec).double()(image).sum(), image)
    assert flat.abs().max() < 1e-8


def test_proxies_are_means_over_seeds():
    specs = [spec_of("straight"), spec_of("full grid")]
    one, two = (proxies.measure(specs, {s: batch_of(s)}) for s in (1, 2))
    both = proxies.measure(specs, {1: batch_of(1), 2: batch_of(2)})
    for name, values in both.items():
        assert values == pytest.approx(np.mean([one[name], two[name]], 0).tolist())
        assert one[name] != two[name]


def test_likelihoods_under_the_alphas(truth_table):
    logits = np.random.default_rng(5).normal(size=(2, 4))
    found = proxies.topology_likelihoods(logits, truth_table)
    best = topology.decode(logits, np.zeros((2, 4, 2)))
    assert truth_table.codes[int(np.argmax(found))]["paths"] == best["paths"]
    on = 1 / (1 + np.exp(-logits))
    given = 1 - np.prod(1 - on, 1)
    paths = np.array(truth_table.codes[10]["paths"])
    each = np.where(paths, on, 1 - on).prod(1) / given
    assert found[10] == pytest.approx(np.log(each).sum())


def test_one_shot_scores_are_of_the_supernets_weights(truth_table, tiny_setup):
    folder = search.search_supernet(tiny_setup)
    image = torch.rand(1, 3, 32, 32)
    score = lambda net: float(net(image)[0, 0, 9, 9].detach())  # noqa: E731
    found = proxies.inherited(folder, few(), score)
    net, _ = predict.load_network(folder)
    assert found == [score(derive.inherit(net, code)) for code in few().codes]
    assert len(set(found)) == 5
    likely = proxies.chosen_by_alphas(folder, truth_table)
    code = search.found_code(folder)
    assert truth_table.codes[int(np.argmax(likely))]["paths"] == code["paths"]


def test_predictors_beside_the_table(truth_table):
    truth = truth_table.truth("f1_best")
    rng = np.random.default_rng(6)
    said = {"truth itself": truth, "chance": rng.normal(size=99), "worst first": -truth}
    record = {"scores": {k: v.tolist() for k, v in said.items()}}
    found = {
        r.name: r for r in ranking.compare(truth_table, ranking.predictors(truth_table, record))
    }
    assert list(found)[0] == "truth itself" and list(found)[-1] == "worst first"
    assert found["truth itself"].rank.value == pytest.approx(1)
    assert found["truth itself"].improvement == pytest.approx(truth.max() / truth.mean() - 1)
    assert found["worst first"].improvement < 0
    assert found["chance"].rank.low < 0 < found["chance"].rank.high
    assert found["chance"].rank.value == pytest.approx(spearmanr(said["chance"], truth)[0])
    assert found["parameters"].beyond == 0  # of its own size nothing is left
    # Partial correlation: that of what is left of the ranks after a line through the size's.
    ranks = [rankdata(x) for x in (said["chance"], truth, truth_table.costs["parameters"])]
    left = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]
    assert found["chance"].beyond == pytest.approx(np.corrcoef(*left)[0, 1])
    table = ranking.rows(truth_table, record)
    assert len(table) == 6 and all(len(row) == len(ranking.HEADER) for row in table)


def test_the_record_of_proxies_is_kept_and_added_to(tiny_setup, tmp_path, monkeypatch):
    """One record for a table: proxies of its networks, then what a supernet's run says of them."""
    table = few()
    truth.save(table, tmp_path)
    small = {"diameter": 0.0, "patch": 32, "batch": 4, "window": 64, "windows": 1}
    folder = str(tiny_setup.dataset.root)
    monkeypatch.setitem(protocol.PROTOCOLS, "few", protocol.Protocol(folder, 2, **small))
    first = files.read_json(proxies.keep("few", folder=tmp_path))
    assert set(first["scores"]) == set(proxies.PROXIES)
    assert all(len(values) == 5 for values in first["scores"].values())
    with pytest.raises(InputError, match="head 'ladder'"):
        proxies.keep("few", [search.search_supernet(tiny_setup)], tmp_path)
    plan = ways.Plan(paths="sampled")
    run = search.search_supernet(tiny_setup, plan, head="ladder")
    again = files.read_json(proxies.keep("few", [run], tmp_path))
    added = {k: v for k, v in again["scores"].items() if k not in first["scores"]}
    assert list(added) == [f"{k}: paths=sampled, seed 7" for k in ("inherited weights", "alphas")]
    assert first["scores"] == {k: again["scores"][k] for k in first["scores"]}
    assert all(0 <= f1 <= 1 for f1 in added["inherited weights: paths=sampled, seed 7"])
    assert len(report.proxies(tmp_path)[1]) == 1 + 7
