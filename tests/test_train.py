"""Training: it learns, keeps the best, stops early, and survives being killed."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import killed

from twodints_lib import files
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.runs import settings
from twodints_lib.runs.setup import Setup
from twodints_lib.space import networks
from twodints_lib.space.specs import SupernetSpec, UNetSpec
from twodints_lib.training import loop, patches, recipes, search
from twodints_lib.training.replay import operation_history, path_history

RECIPE = recipes.Recipe(
    patch=32, batch=4, epochs=3, learning_rate=2e-3, patience=9, val_start=1, val_every=1
)
SPEC = SupernetSpec(0.125, 2, 2)


@pytest.fixture(scope="module")
def data(tiny_folder):
    found = open_data(tiny_folder)
    return patches.load_samples(found.split("train")), patches.load_samples(found.split("val"))


def fresh(seed=0):
    torch.manual_seed(seed)
    return networks.build(SPEC)


def fit(data, folder, recipe=RECIPE, net=None, way=loop.Joint, **more):
    net = net or fresh()
    folder.mkdir(exist_ok=True)
    trainer = way(net, data[0], recipe, 0)
    return net, loop.fit(trainer, data[1], folder, **more)


def equal(a, b):
    return all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_it_learns(data, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=25, val_start=25, learning_rate=1e-2)
    _, history = fit(data, tmp_path, recipe)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert history[-1]["dice"] > 0.3


def test_same_seed_same_weights(data, tmp_path):
    a, first = fit(data, tmp_path / "a")
    b, second = fit(data, tmp_path / "b")
    assert equal(a, b)
    assert [r["loss"] for r in first] == [r["loss"] for r in second]
    assert not equal(a, fit(data, tmp_path / "c", net=fresh(1))[0])


def test_the_best_weights_are_kept(data, tmp_path, monkeypatch):
    scores = iter([0.2, 0.6, 0.4])
    kept = []
    monkeypatch.setattr(loop, "validation_scores", lambda net, *_: _note(net, kept, scores))
    net, _ = fit(data, tmp_path)
    best = kept[1]
    assert all(torch.equal(v, best[k]) for k, v in net.state_dict().items())


def _note(net, kept, scores):
    kept.append({k: v.clone() for k, v in net.state_dict().items()})
    return {"dice": next(scores), "f1": 0.0}


def test_the_best_weights_are_the_best_at_what_the_recipe_selects(data, tmp_path, monkeypatch):
    scores = iter([(0.9, 0.1), (0.5, 0.7), (0.1, 0.3)])
    kept = []

    def score(net, *_):
        kept.append({k: v.clone() for k, v in net.state_dict().items()})
        return dict(zip(("dice", "f1"), next(scores), strict=True))

    monkeypatch.setattr(loop, "validation_scores", score)
    net, history = fit(data, tmp_path, dataclasses.replace(RECIPE, select="f1"))
    assert all(torch.equal(v, kept[1][k]) for k, v in net.state_dict().items())
    assert [(r["dice"], r["f1"]) for r in history if r["dice"]] == [
        (0.9, 0.1),
        (0.5, 0.7),
        (0.1, 0.3),
    ]
    with pytest.raises(InputError, match="select"):
        recipes.Recipe.of(settings.load("smoke"), 1, UNetSpec(head="flow"), "dice")


def test_patience_is_counted_in_epochs(data, tmp_path, monkeypatch):
    scores = iter([0.1, 0.5, *[0.3] * 50])
    monkeypatch.setattr(loop, "validation_scores", lambda *_: {"dice": next(scores)})
    recipe = dataclasses.replace(RECIPE, epochs=30, patience=3)
    _, history = fit(data, tmp_path, recipe)
    assert len(history) == 2 + 3


def test_validation_comes_when_the_recipe_says(data, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=7, val_start=2, val_every=3)
    _, history = fit(data, tmp_path, recipe)
    assert [r["epoch"] for r in history if r["dice"] is not None] == [2, 5, 7]


def test_cosine_ends_near_zero_and_alphas_have_their_own_rate(data):
    recipe = dataclasses.replace(RECIPE, epochs=10, schedule="cosine")
    factors = [recipes.rate_factor(recipe, e) for e in range(1, 11)]
    assert factors[0] == 1 and factors[-1] < 0.03 and factors == sorted(factors, reverse=True)
    assert recipes.rate_factor(RECIPE, 3) == 1
    recipe = dataclasses.replace(RECIPE, arch_rate=0.5)
    groups = loop.Joint(fresh(), data[0], recipe, 0).optimisers[0].param_groups
    assert [g["lr"] for g in groups] == [2e-3, 0.5]
    assert len(groups[1]["params"]) == 2


def test_a_recipe_takes_its_numbers_from_the_preset_and_survives_json():
    preset = settings.load("smoke", batch=3, val_every=5)
    recipe = recipes.Recipe.of(preset, 9, UNetSpec(head="flow"))
    same = {f.name for f in dataclasses.fields(recipe)} & vars(preset).keys()
    assert len(same) > 8 and all(getattr(recipe, n) == getattr(preset, n) for n in same)
    assert (recipe.epochs, recipe.head, recipe.select) == (9, "flow", "f1")
    told = json.loads(json.dumps(recipe.json()))
    assert recipes.Recipe.of_json(told) == recipe
    with pytest.raises(InputError, match="colour"):
        recipes.Recipe.of_json(told | {"colour": 1})


def test_loss_is_monais_dice_ce_with_background(data, tmp_path, monkeypatch):
    seen = {}
    original = loop.DiceCELoss
    monkeypatch.setattr(loop, "DiceCELoss", lambda **k: seen.update(k) or original(**k))
    fit(data, tmp_path, dataclasses.replace(RECIPE, epochs=1))
    assert seen == {"include_background": True, "to_onehot_y": True, "softmax": True}


def test_an_exploding_loss_is_named(data, tmp_path):
    net = fresh()
    with torch.no_grad():
        net.head.bias[:] = float("nan")
    with pytest.raises(InputError, match="learning_rate"):
        fit(data, tmp_path, net=net)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_stopped_and_resumed_equals_uninterrupted(data, tmp_path, precision):
    recipe = dataclasses.replace(RECIPE, epochs=4, arch_rate=0.05, precision=precision)
    whole, _ = fit(data, tmp_path / "whole", recipe)

    class Stop(Exception):
        pass

    def stop_after_two(net, epoch, recipe):
        stop_after_two.epochs += 1
        if stop_after_two.epochs == 3:
            raise Stop
        return {}

    stop_after_two.epochs = 0
    with pytest.raises(Stop):
        fit(data, tmp_path / "cut", recipe, watch=stop_after_two)
    resumed, history = fit(data, tmp_path / "cut", recipe, net=fresh(99))
    assert equal(whole, resumed) and [r["epoch"] for r in history] == [1, 2, 3, 4]


def test_a_killed_search_goes_on_to_the_same_weights(tiny_setup, tmp_path, monkeypatch, said):
    preset = dataclasses.replace(tiny_setup.preset, search_epochs=6)
    setup = dataclasses.replace(tiny_setup, preset=preset)
    found, stores = {}, tmp_path / "killed" / "store"
    for place in ("killed", "whole"):
        monkeypatch.setenv("TWODINTS_RUNS", str(tmp_path / place))
        if place == "killed":
            killed(lambda: search.search_supernet(setup), lambda: list(stores.glob("*/last.pt")))
            assert not list(stores.glob("*/record.json"))
        said.clear()
        found[place] = search.search_supernet(setup)
        assert any("goes on after epoch" in line for line in said) == (place == "killed")
    a, b = (torch.load(f / "best.pt", weights_only=True) for f in found.values())
    assert all(torch.equal(a[k], b[k]) for k in b)
    histories = (files.read_json(f / "history.json")["history"] for f in found.values())
    losses = [[r["loss"] for r in history] for history in histories]
    assert losses[0] == losses[1]


def test_a_run_is_recorded_and_found_again(tiny_setup, own_runs, said):
    first = loop.train_network(tiny_setup, SPEC, 2)
    record = files.read_json(first / "record.json")
    for name in ("preset", "parameters", "seed", "data_hash", "commit", "versions", "hardware"):
        assert record[name]
    assert record["seconds"] > 0 and record["is_result"] is False
    assert record["metrics"]["network_parameters"] == networks.count_parameters(
        networks.build(SPEC)
    )
    assert len(record["metrics"]["per_image"]) == 4
    left = {p.name for p in first.iterdir()}
    assert left == {".lock", "best.pt", "history.json", "record.json"}
    again = loop.train_network(tiny_setup, SPEC, 2)
    assert again == first and "found" in said[-1]
    assert loop.train_network(tiny_setup, SPEC, 1) != first


def test_two_at_once_train_it_once(tiny_setup, said):
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(loop.train_network, tiny_setup, SPEC, 1) for _ in "ab"]
    assert calls[0].result() == calls[1].result()
    assert sum("found" in line for line in said) == 1


def test_search_and_derived_network_end_to_end(tiny_setup):
    supernet = search.search_supernet(tiny_setup)
    history = files.read_json(supernet / "history.json")["history"]
    paths, operations = path_history(history), operation_history(history)
    assert paths.shape == (2, 2, 4) and operations.shape == (2, 2, 4, 2)
    np.testing.assert_allclose(operations.sum(-1), 1)
    assert (paths[0] != paths[1]).any()  # the alphas learn
    derived = search.train_derived(tiny_setup)
    spec = files.read_json(derived / "record.json")["parameters"]["spec"]
    assert spec["code"] == search.found_code(supernet)


def test_a_patch_the_network_cannot_take_is_refused_before_training(tiny_folder, own_runs):
    preset = settings.load("smoke", patch=36)
    setup = Setup(preset, open_data(tiny_folder), 1)
    with pytest.raises(InputError, match="patch=36"):
        loop.train_network(setup, UNetSpec(), 1)
    assert not own_runs.exists()
