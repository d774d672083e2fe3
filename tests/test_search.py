"""Search: two modes kept apart, honest halves, alarms that go off, comparisons that can say no."""

import contextlib
import dataclasses
import json
import time

import numpy as np
import pytest
import torch
from conftest import killed
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from twodints_lib import cli, files
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.space import networks, objective, topology
from twodints_lib.space.cost_tables import cost_table
from twodints_lib.space.operations import SIX
from twodints_lib.space.specs import SupernetSpec
from twodints_lib.training import diagnose, loop, patches, recipes, search, ways
from twodints_lib.training.replay import best_epoch
from twodints_lib.training.shrinking import Shrinking, Trying

SPEC = SupernetSpec(0.125, 2, 2)
RECIPE = recipes.Recipe(
    patch=32, batch=2, epochs=4, learning_rate=2e-3, patience=9, val_start=1, val_every=1,
    arch_rate=0.05,
)  # fmt: skip
DINTS = ways.Plan("dints", warmup=0.5, weight_rate=0.05)


@pytest.fixture
def samples(tiny_setup):
    return patches.load_samples(tiny_setup.train())


def bilevel(samples, recipe=RECIPE, plan=DINTS):
    torch.manual_seed(0)
    return ways.BiLevel(networks.build(SPEC), samples, recipe, 0, **dataclasses.asdict(plan))


def test_the_halves_are_disjoint_and_share_every_modality(samples):
    ours, theirs = ways.halves(samples, 3)
    names = [{s.name for s in half} for half in (ours, theirs)]
    assert not names[0] & names[1] and names[0] | names[1] == {s.name for s in samples}
    assert {s.modality for s in ours} == {s.modality for s in theirs}
    assert names[0] != {s.name for s in ways.halves(samples, 4)[0]}
    trainer = bilevel(samples)
    seen = [{s.name for s in p.samples} for p in (trainer.patches, trainer.arch_patches)]
    assert not seen[0] & seen[1]


def test_no_optimiser_sees_the_others_parameters(samples):
    trainer = bilevel(samples)
    weights, arch = (
        {id(p) for g in o.param_groups for p in g["params"]} for o in trainer.optimisers
    )
    assert arch == {id(p) for p in networks.arch_parameters(trainer.net)}
    assert weights == {id(p) for p in networks.weight_parameters(trainer.net)}


def test_alphas_rest_during_the_warm_up_and_weights_never_see_the_other_half(samples):
    trainer = bilevel(samples)
    before = ways.alphas(trainer.net)
    row = trainer.epoch(1)
    assert all((a == b).all() for a, b in zip(before, ways.alphas(trainer.net), strict=True))
    assert "shares" not in row
    row = trainer.epoch(3)
    assert any((a != b).any() for a, b in zip(before, ways.alphas(trainer.net), strict=True))
    assert set(row["terms"]) == {"segmentation", "entropy_a", "entropy_c", "memory", "topology"}
    for column in (0, 1):
        assert sum(s[column] for s in row["shares"].values()) == pytest.approx(1)


def test_weights_do_not_move_in_an_alpha_step(samples):
    trainer = bilevel(
        samples, dataclasses.replace(RECIPE, epochs=1), ways.Plan("dints", warmup=0.0)
    )
    trainer.optimisers[0].step = lambda *a, **k: None  # weights frozen: only alpha steps are left
    before = [p.clone() for p in networks.weight_parameters(trainer.net)]
    trainer.epoch(1)
    after = networks.weight_parameters(trainer.net)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_alphas_batches_wrap_round(tiny_setup, samples):
    """17 images: nine for the weights make two batches of eight, eight for the alphas make one."""
    some = (samples * 3)[:17]
    recipe = dataclasses.replace(RECIPE, batch=8, epochs=50, max_steps=8)
    trainer = bilevel(some, recipe, ways.Plan("dints", warmup=0.0))
    taken, step = [], trainer.step
    trainer.step = lambda loss, o: (taken.append(trainer.optimisers.index(o)), step(loss, o))
    for epoch in range(1, trainer.recipe.epochs + 1):
        trainer.epoch(epoch)
    assert (trainer.recipe.epochs, taken) == (4, [0, 1] * 8)
    with pytest.raises(InputError, match="two training images"):
        bilevel(samples[:1])


@pytest.mark.parametrize("where", ["alphas", "weights", "loss"])
def test_a_search_that_diverged_names_the_rates_to_lower(samples, tmp_path, where):
    trainer = bilevel(samples)
    if where != "loss":
        alphas, weights = networks.arch_parameters, networks.weight_parameters
        wrong = (alphas if where == "alphas" else weights)(trainer.net)[0]
        trainer.epoch = lambda epoch: wrong.data.fill_(torch.inf) is None or {"loss": 0.5}
    else:
        trainer.epoch = lambda epoch: {"loss": float("nan")}
    with pytest.raises(InputError) as error:
        loop.fit(trainer, [], tmp_path)
    said = str(error.value)
    assert ("arch_rate=0.05" in said) == (where != "weights")
    assert ("weight_rate=0.05" in said) == (where != "alphas")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scaling", objective.SCALINGS)
def test_mixed_precision_changes_no_objective(samples, scaling):
    plan = dataclasses.replace(DINTS, scaling=scaling)
    full = bilevel(samples, plan=plan)
    half = bilevel(samples, dataclasses.replace(RECIPE, precision="bfloat16"), plan)
    for a, b in zip(full.extra(0.7).values(), half.extra(0.7).values(), strict=True):
        assert torch.equal(a, b) and b.dtype == torch.float32
    batch = next(iter(full.batches(full.patches, 1)))
    half, full = (float(t.loss(*batch).detach()) for t in (half, full))
    assert half == pytest.approx(full, rel=0.05)


def test_normalised_terms_start_at_one_and_end_at_nought():
    net = networks.build(SPEC)
    with torch.no_grad():
        net.log_alpha_a.zero_()
        net.log_alpha_c.zero_()
        start = objective.terms(net, "normalised")
        net.log_alpha_a[:, 0], net.log_alpha_a[:, 1:] = 12, -12
        net.log_alpha_c[..., 0] = 40
        end = objective.terms(net, "normalised")
    for name in ("entropy_a", "entropy_c", "topology"):
        assert float(start[name]) == pytest.approx(1) and float(end[name]) < 0.02


def test_a_ceiling_asks_for_nothing_below_it_and_a_target_does():
    net = networks.build(SPEC)
    used = float(objective.memory_fraction(net).detach())
    assert float(objective.memory_loss(net, used + 0.2, ceiling=True).detach()) == 0
    assert float(objective.memory_loss(net, used + 0.2, False).detach()) == pytest.approx(0.2)
    assert float(objective.memory_loss(net, used - 0.2, True).detach()) == pytest.approx(0.2)


@pytest.mark.parametrize("mode", ["paper", "dints"])
def test_sampled_paths_train_one_network_a_step(samples, mode):
    plan = ways.Plan(mode, paths="sampled", warmup=0.0)
    torch.manual_seed(0)
    trainer = search.WAYS[mode](
        networks.build(SPEC), samples, RECIPE, 0, **dataclasses.asdict(plan)
    )
    before = ways.alphas(trainer.net)
    kept = []
    prepare = trainer.prepare
    trainer.prepare = lambda *a: (prepare(*a), kept.append(trainer.net.keep.copy()))
    trainer.epoch(1)
    assert all((k.sum(-1) <= 1).all() and k.any() for k in kept)
    assert len({k.tobytes() for k in kept}) > 1
    assert (before[0] != ways.alphas(trainer.net)[0]).any()
    trainer.settle()
    code = topology.decode(*ways.alphas(trainer.net))
    assert (trainer.net.keep.any(-1) == np.array(code["paths"], bool)).all()


def shrinking(samples):
    torch.manual_seed(0)
    plan = dataclasses.asdict(ways.Plan("shrinking", warmup=0.5, budget=0.3))
    return Shrinking(networks.build(SPEC), samples, RECIPE, 0, **plan)


def test_a_shrinking_search_ends_within_its_budget(samples, tmp_path):
    trainer = shrinking(samples)
    assert [trainer.share(e) for e in (0, 2, 4)] == [1, 1, 0.3]
    kept = []
    trainer.prepare = lambda *a, own=trainer.prepare: (own(*a), kept.append(trainer.net.keep))
    loop.fit(trainer, samples[:1], tmp_path)
    assert kept[0].all() and (kept[-1].sum(-1) <= 1).all()
    code = topology.decode(*ways.alphas(trainer.net))
    assert (trainer.net.keep == trainer.net.mask(code)).all()
    table = cost_table("memory", 2, 2, channel_mul=0.125)
    assert 0 < table.of(code) <= 0.3 * table.full


def test_what_is_needed_is_worth_more_than_what_is_not(samples):
    """A loss that one path and one operation on another decide."""
    trainer = shrinking(samples)
    trainer.loss = lambda: 2.0 - trainer.net.keep[0, 3].any() - trainer.net.keep[1, 0, 1]
    trainer.loss = lambda *_, own=trainer.loss: torch.tensor(float(own()))
    paths, operations = trainer._worth(np.ones((2, 4, 2), bool), [()])
    assert paths[0, 3] == paths[1, 0] == 1 and np.sort(paths.ravel())[-3] < 0.01
    assert operations[1, 0].tolist() == [-1, -trainer.LEAST] and operations.sum() > -1.01
    left = np.zeros((2, 4, 2), bool)
    left[:, 3, 0] = True
    assert (trainer._worth(left, [()])[0][:, :3] < -100).all()  # what is off stays off


def test_the_last_way_to_the_output_is_never_cut(samples):
    trainer = shrinking(samples)
    trainer.epoch(1)
    left = np.zeros((2, 4, 2), bool)
    left[0, [0, 3], 1], left[1, 0, 1] = True, True  # both of block 0, one way out
    paths, _ = trainer._worth(left, list(trainer.batches(trainer.patches, 1, 1)))
    assert paths[1, 0] > 100 > paths[0, 3] and np.isfinite(paths).all()


def test_what_learns_best_goes_on_whatever_it_seemed_worth(samples, monkeypatch):
    """Of three networks within the share, the one whose loss falls with training is chosen."""
    monkeypatch.setattr(Trying, "DRAWN", 40)
    monkeypatch.setattr(Trying, "TRIED", 40)
    torch.manual_seed(0)
    plan = dataclasses.asdict(ways.Plan("trying", warmup=0.5, budget=0.3))
    trainer = Trying(networks.build(SPEC), samples, RECIPE, 0, **plan)
    left = np.ones((2, 4, 2), bool)
    drawn = list(trainer._draw(4, left, np.ones((2, 4)), np.zeros((2, 4, 2))))
    table = cost_table("memory", 2, 2, channel_mul=0.125)
    codes = [topology.as_code(d.any(-1), d.argmax(-1), table.names) for d in drawn]
    assert len(codes) > 3 and all(table.of(c) <= 0.3 * table.full for c in codes)
    good = drawn[-1]
    monkeypatch.setattr(trainer, "_loss", lambda *_: 1.0)
    monkeypatch.setattr(trainer, "_try", lambda e, keep, b: float((keep != good).any()))
    found = trainer._choose(4, left, np.ones((2, 4)), np.zeros((2, 4, 2)), [])
    assert (found == good).all()


@pytest.mark.parametrize(
    ("bad", "says"), [({"mode": "darts"}, "mode"), ({"paths": "some"}, "paths"),
                      ({"scaling": "none"}, "scaling"), ({"budget": 0.0}, "budget"),
                      ({"warmup": 1.0}, "warmup"), ({"decode_share": 0.0}, "decode_share"),
                      ({"decode_cost": "watts"}, "decode_cost")],
)  # fmt: skip
def test_impossible_plans_are_refused(bad, says):
    with pytest.raises(InputError, match=says):
        ways.Plan(**bad)


@pytest.mark.parametrize(
    ("mode", "paths"),
    [("dints", "all"), ("dints", "sampled"), ("shrinking", "all")],
)
def test_a_killed_search_ends_with_the_same_code(tiny_setup, tmp_path, monkeypatch, mode, paths):
    preset = dataclasses.replace(tiny_setup.preset, search_epochs=8)
    setup = dataclasses.replace(tiny_setup, preset=preset)
    plan, seen, folders = ways.Plan(mode, paths=paths, warmup=0.25), [], []

    def well_under_way():  # somewhere inside a later epoch
        seen.extend([time.time()] * bool(list((tmp_path / "killed").glob("store/*/last.pt"))))
        return seen and time.time() - seen[0] > 0.15

    for place in ("killed", "whole"):
        monkeypatch.setenv("TWODINTS_RUNS", str(tmp_path / place))
        if place == "killed":
            killed(lambda: search.search_supernet(setup, plan), well_under_way)
        folders.append(search.search_supernet(setup, plan))
    a, b = (torch.load(f / "best.pt", weights_only=True) for f in folders)
    assert all(torch.equal(a[k], b[k]) for k in b)
    codes = [search.found_code(f) for f in folders]
    assert codes[0] == codes[1]
    rows = [files.read_json(f / "history.json")["history"] for f in folders]
    assert [r.get("alpha_a") for r in rows[0]] == [r.get("alpha_a") for r in rows[1]]


def test_a_replay_of_a_large_space_stays_under_300_kb(monkeypatch, tiny_setup):
    kept = []

    def pretend(setup, spec, epochs, way, plan, snapshot, *more, **options):
        net, recipe = networks.build(spec), recipes.Recipe.of(setup.preset, 2000, spec)
        kept.extend(row for e in range(1, 2001) if (row := snapshot(net, e, recipe)))

    monkeypatch.setattr(loop, "train_network", pretend)
    size = {"num_blocks": 12, "num_depths": 4, "patch": 64}
    setup = dataclasses.replace(tiny_setup, preset=dataclasses.replace(tiny_setup.preset, **size))
    search.search_supernet(setup, names=SIX)
    assert len(json.dumps(kept)) < 300_000 and len(kept) > 20


def test_a_search_is_not_judged_before_its_warm_up_is_over(tiny_setup):
    folder = search.search_supernet(
        dataclasses.replace(
            tiny_setup,
            preset=dataclasses.replace(
                tiny_setup.preset, search_epochs=4, val_start=1, val_every=1
            ),
        ),
        ways.Plan("dints", warmup=0.75),
    )
    history = files.read_json(folder / "history.json")["history"]
    found = ways.alphas(predict.load_network(folder)[0])[0]
    assert len(history) == 4 and not np.array_equal(found, search.untouched(tiny_setup)[0])


def test_the_history_stays_small(tiny_setup):
    preset = dataclasses.replace(tiny_setup.preset, search_epochs=230, num_blocks=1, patience=999)
    small = {"images": 1, "patch": 16, "val_start": 230, "val_every": 230}
    setup = dataclasses.replace(tiny_setup, preset=dataclasses.replace(preset, **small))
    folder = search.search_supernet(setup)
    history = files.read_json(folder / "history.json")["history"]
    kept = [row for row in history if "alpha_a" in row]
    assert len(history) == 230 and 70 <= len(kept) <= 100 and "alpha_a" in history[-1]


def test_a_derived_network_is_exported_and_nothing_is_overwritten(tiny_setup, tmp_path, capsys):
    code = topology.known_shape("unet", 2, 2)
    derived = search.train_code(tiny_setup, code)
    out = tmp_path / "net.pt2"
    assert cli.main(["export", "--model", str(derived), "-o", str(out)]) == 0
    image = torch.rand(1, 3, 32, 32)
    net, _ = predict.load_network(derived)
    plain = torch.export.load(out).module()
    torch.testing.assert_close(plain(image), net.eval()(image), rtol=1e-4, atol=1e-5)
    assert cli.main(["export", "--model", str(derived), "-o", str(out)]) == 2
    supernet = search.search_supernet(tiny_setup)
    other = str(tmp_path / "other.pt2")
    assert cli.main(["export", "--model", str(supernet), "-o", other]) == 2
    assert "no derived network" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.glob("*.pt2")) == ["net.pt2"]


def test_three_scores_say_whose_they_are(tiny_setup):
    scores = search.three_scores(tiny_setup)
    assert list(scores) == ["supernet", "derived, copied weights", "derived, retrained"]
    sizes = [s["network_parameters"] for s in scores.values()]
    assert sizes[1] == sizes[2] < sizes[0]


# ---- alarms: each has a planted failure that must trip it


def healthy(seed=0):
    rng = np.random.default_rng(seed)
    before = rng.normal(0, 0.01, (4, 7)), rng.normal(1, 0.01, (4, 7, 2))
    after = before[0] + rng.normal(0, 1, (4, 7)), before[1] + [0.0, 0.5]
    return before, after


def verdicts(*args, **more):
    return [row[-1] for row in diagnose.alarms(*args, ("skip", "3x3"), **more)]


def test_a_healthy_search_raises_no_alarm():
    scores = {"supernet_score": 0.6, "copied_score": 0.58}
    assert verdicts(*healthy(), **scores) == ["ok"] * 6


def test_skip_collapse_is_seen():
    before, after = healthy()
    assert verdicts(before, (after[0], before[1] + [0.5, 0.0]))[0] == "ALARM"


def test_a_decode_of_the_starting_noise_is_seen():
    before, after = healthy()
    assert verdicts(before, (before[0], after[1]))[1:3] == ["ALARM", "ALARM"]


@pytest.mark.parametrize(("logit", "place"), [(0.5, 3), (-0.5, 4)])
def test_a_decode_to_everything_or_to_a_line_is_seen(logit, place):
    """All probabilities a little above or below one half: the memory term's way to a target."""
    before, after = healthy()
    paths = before[0] + logit
    rows = verdicts(before, (paths, after[1]))
    assert [i for i, verdict in enumerate(rows) if verdict == "ALARM"] == [place]
    found = diagnose.memory_shares((paths, after[1]), ("skip", "3x3"))
    assert 0.3 < found["mixture"] < 0.6  # it tells neither
    assert found["decoded"] > 0.9 if logit > 0 else found["decoded"] < 0.2


def test_a_discretisation_gap_is_seen():
    scores = {"supernet_score": 0.6, "copied_score": 0.3}
    assert verdicts(*healthy(), **scores)[-1] == "ALARM"


def test_the_epoch_is_chosen_by_the_score_that_is_asked_for():
    history = [
        {"epoch": 1, "alpha_a": [], "dice": 0.2, "f1": 0.9},
        {"epoch": 2, "alpha_a": [], "dice": 0.5, "f1": 0.1},
        {"epoch": 3, "dice": 0.9, "f1": 0.95},  # no alphas were kept
        {"epoch": 4, "alpha_a": [], "dice": None, "f1": None},
    ]
    assert best_epoch(history, "dice")["epoch"] == 2
    assert best_epoch(history, "f1")["epoch"] == 1


class Copies(TorchDispatchMode):
    """Collects what moves between devices, and what is picked by a list of indices."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        devices = {t.device.type for t in tensors}
        if len(devices) > 1 or (func is torch.ops.aten.index.Tensor and "meta" in devices):
            self.found.append(str(func))
        return out


@pytest.mark.parametrize("plan", [DINTS, ways.Plan(), ways.Plan(paths="sampled")])
def test_a_search_step_waits_for_no_device(plan, samples, monkeypatch):
    # On the meta device as on a GPU no value can be read without waiting: there it is an error.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # not there
    monkeypatch.setattr(loop.Joint, "mean", lambda self, losses: 0.0)
    monkeypatch.setattr(objective, "gradient_shares", lambda *_: {})
    # Sampling reads the alphas, which are few; nothing else may be read.
    monkeypatch.setattr(ways, "alphas", lambda net: [np.zeros(a.shape) for a in untrained])
    torch.manual_seed(0)
    net = networks.build(SPEC).to("meta")
    untrained = networks.arch_parameters(net)
    trainer = search.WAYS[plan.mode](net, samples, RECIPE, 0, **dataclasses.asdict(plan))
    trainer.epoch(3)  # constants of the objective are moved once
    with Copies() as copies:
        trainer.epoch(4)
    batches = len(copies.found) / 2  # the image and its target
    assert batches == trainer.steps * (2 if plan.mode == "dints" else 1)


def test_a_search_is_decoded_within_a_budget(tiny_setup):
    folder = search.search_supernet(tiny_setup, ways.Plan(paths="sampled", decode_share=0.2))
    net, record = predict.load_network(folder)
    table = ways.cost_table(net)
    assert table.of(search.found_code(folder)) <= 0.2 * table.full
    assert search.found_code(folder, 1.0) == topology.decode(*ways.alphas(net))
    told = record["parameters"]["search"]
    assert told["decode_share"] == 0.2 and told["decode_cost"] == "memory"
    history = files.read_json(folder / "history.json")["history"]
    assert history[-1]["dice"] is not None  # of the network within the budget


def test_a_plan_without_a_budget_is_recorded_as_before():
    told = dataclasses.asdict(ways.Plan())
    assert ways.Plan().json() == {k: v for k, v in told.items() if not k.startswith("decode_")}
