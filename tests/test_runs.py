"""Presets, parameters, keys, records, and the environment check."""

import dataclasses
import json

import pytest

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.runs import doctor, environment, report, settings
from twodints_lib.runs.setup import begin
from twodints_lib.space.specs import DerivedSpec
from twodints_lib.training import search
from twodints_lib.training.replay import last_alphas


@pytest.fixture(autouse=True)
def no_preset_from_outside(monkeypatch):
    monkeypatch.delenv("TWODINTS_PRESET", raising=False)


def test_the_paper_preset_is_tables_2_and_4():
    p = settings.load("paper")
    assert (p.learning_rate, p.arch_rate, p.schedule, p.patience) == (6e-4, 6e-4, "constant", 100)
    assert (p.baseline_epochs, p.search_epochs, p.derived_epochs) == (2000, 2000, 2000)
    assert (p.patch, p.batch, p.num_depths, p.val_start, p.val_every) == (256, 16, 4, 20, 2)


def test_unset_means_the_presets_value():
    unset = {name: settings.UNSET[kind] for name, kind in settings.OVERRIDES.items()}
    assert settings.load("smoke", **unset) == settings.SMOKE
    assert settings.load("smoke", patch=96).patch == 96
    assert settings.load("smoke", learning_rate=1).learning_rate == 1.0


def test_zero_is_zero():
    zero = {"workers": 0, "arch_rate": 0, "images": 0, "max_steps": 0}
    for name in settings.PRESETS:
        found = dataclasses.asdict(settings.load(name, **zero))
        assert {k: found[k] for k in zero} == zero


def test_a_rate_of_zero_freezes_the_alphas(tiny_setup):
    preset = dataclasses.replace(
        settings.load("smoke", arch_rate=0.0, patch=32, num_blocks=2, num_depths=2), val_start=9
    )
    setup = dataclasses.replace(tiny_setup, preset=preset)
    history = files.read_json(search.search_supernet(setup) / "history.json")["history"]
    for found, start in zip(last_alphas(history), search.untouched(setup), strict=True):
        assert found == pytest.approx(start, abs=1e-4)


def test_the_stamp_names_what_is_not_the_presets(tiny_folder):
    setup = begin("smoke", str(tiny_folder), 7, num_blocks=1, workers=0)
    assert setup.stamp.startswith(f"smoke, num_blocks=1 · {setup.dataset.name} · seed 7 · ")
    assert begin("smoke", str(tiny_folder), 7).stamp.startswith("smoke · ")
    assert "tiny0, DIC · " in dataclasses.replace(setup, only="DIC").stamp


@pytest.mark.parametrize(
    ("name", "values", "word"),
    [("fast", {}, "fast"), ("smoke", {"patches": 3}, "patches"),
     ("smoke", {"patch": "big"}, "patch"),
     ("smoke", {"patch": 1.5}, "patch"), ("smoke", {"patch": -8}, "patch"),
     ("smoke", {"patch": 0}, "patch=0 must be above 0; -1 means the preset's"),
     ("smoke", {"learning_rate": 0.0}, "learning_rate=0.0 must be above 0"),
     ("smoke", {"learning_rate": float("nan")}, "learning_rate"),
     ("smoke", {"learning_rate": float("inf")}, "learning_rate"),
     ("smoke", {"workers": -2}, "workers=-2 must be 0 .no loader processes. or more"),
     ("smoke", {"is_result": True}, "is_result"),
     ("smoke", {"precision": "int8"}, "int8"), ("smoke", {"schedule": "steps"}, "steps")],
)  # fmt: skip
def test_bad_values_are_named(name, values, word):
    with pytest.raises(InputError, match=word):
        settings.load(name, **values)


def test_the_environment_variable_wins(monkeypatch):
    monkeypatch.setenv("TWODINTS_PRESET", "smoke")
    assert settings.load("laptop").name == "smoke"


@pytest.mark.parametrize("seed", [-1, 2**31, 1.0, "7", True])
def test_a_bad_seed_is_refused(tiny_folder, seed):
    with pytest.raises(InputError, match="seed"):
        begin("smoke", str(tiny_folder), seed)


def test_a_data_set_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no_such_data"):
        begin("smoke", "no_such_data", 1)


def test_a_modality_without_images_is_named(tiny_folder):
    setup = begin("smoke", str(tiny_folder), 1)
    with pytest.raises(InputError, match="DIC"):
        setup.train("DIC")
    assert len(setup.train("fluorescence")) == settings.SMOKE.images


def test_json_is_written_whole_or_not_at_all(tmp_path):
    files.write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}


def test_the_environment_check_has_a_verdict_for_every_line():
    rows = doctor.look()
    assert {"Python", "torch", "monai", "memory", "GPU"} <= {r[0] for r in rows}
    assert all(r[3] == "ok" for r in rows if r[0] in environment.PACKAGES)


def test_tables_line_up():
    text = report.markdown(("a", "b"), [(1, 2)])
    assert text == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert DerivedSpec(0.25, {"paths": [[1]] * 6}).title == "DiNTS derived (Mul 0.25) (Depth 6)"


def test_every_preset_value_is_set_on_purpose():
    for preset in settings.PRESETS.values():
        assert all(v is not None for v in dataclasses.asdict(preset).values())
    assert not settings.SMOKE.is_result and settings.LAPTOP.is_result and settings.PAPER.is_result
