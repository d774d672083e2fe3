"""Figures: stamped, readable aloud, and marked when they are no result."""

import dataclasses

import numpy as np
import pytest

from twodints_lib.lab import optics
from twodints_lib.lab.optics import default_dials
from twodints_lib.plots import lattice, pictures
from twodints_lib.runs import settings
from twodints_lib.space import topology
from twodints_lib.targets import heads


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed: a list of (data, keywords)."""
    caught = []
    for module in (pictures, lattice):
        monkeypatch.setattr(module, "display", lambda data, **k: caught.append((data, k)))
    return caught


def texts(fig):
    return " ".join(t.get_text() for t in fig.texts)


@pytest.mark.parametrize("name", ["smoke", "laptop"])
def test_a_figure_carries_stamp_alt_text_and_ribbon(tiny_setup, shown, name):
    setup = dataclasses.replace(tiny_setup, preset=settings.load(name))
    fig = pictures.bars({"a": {"x": 0.5}}, "score")
    pictures.show(fig, setup, alt="Bars of one score")
    (data, keywords) = shown[0]
    assert data["text/plain"] == keywords["metadata"]["image/png"]["alt"] == "Bars of one score"
    assert f"{name} · tiny" in texts(fig) and "seed 7" in texts(fig)
    assert ("not a result" in texts(fig)) == (name == "smoke")


def test_a_table_is_escaped_and_marked(tiny_setup, shown):
    pictures.show_table(("a", "b"), [("<x>", 1)], tiny_setup, "caption")
    data = shown[0][0]
    assert "&lt;x&gt;" in data["text/html"] and "not a result" in data["text/html"]
    assert "<x>  1" in data["text/plain"] and "not a result" in data["text/plain"]


@pytest.mark.parametrize("depths", [1, 2, 4, 5])
def test_the_lattice_draws_a_line_for_every_path_that_is_on(depths):
    code = topology.random_code(3, depths, 1)
    fig = lattice.lattice(code["paths"], code["operations"])
    assert len(fig.axes[0].lines) == np.sum(code["paths"])
    half = np.full((3, 3 * depths - 2), 0.5)
    everything = lattice.lattice(half, np.array(code["operations"]))
    widths = {line.get_linewidth() for line in everything.axes[0].lines}
    assert len(everything.axes[0].lines) == 3 * (3 * depths - 2) and len(widths) == 1


def test_matches_put_every_cell_in_one_panel():
    truth, pred = np.zeros((40, 40), np.int32), np.zeros((40, 40), np.int32)
    truth[5:15, 5:15], truth[20:30, 20:30], truth[0:4, 30:36] = 1, 2, 3
    pred[5:15, 6:15], pred[33:37, 5:9] = 1, 2
    fig = pictures.matches(np.zeros((40, 40)), truth, pred)
    titles = [ax.get_title() for ax in fig.axes]
    assert [t.rsplit(": ")[1] for t in titles] == ["1", "1", "1", "1"]


def test_an_outline_stays_inside_its_cell():
    labels = np.zeros((20, 20), int)
    labels[5:15, 5:15] = 1
    picture = pictures.outlined(np.linspace(0, 1, 400).reshape(20, 20), labels, "#ff0000")
    red = (picture == (1, 0, 0)).all(-1)
    assert red.sum() == 36 and (labels[red] == 1).all()


@pytest.mark.parametrize("modality", optics.MODALITIES)
def test_the_lab_draws_each_modality(modality):
    assert len(pictures.lab(modality, 1, default_dials(modality), size=(64, 64)).axes) == 2


def test_sliders_are_for_people_only(monkeypatch, shown, capsys):
    monkeypatch.setenv("TWODINTS_HEADLESS", "1")
    pictures.live_lab("DIC", 1)
    assert not shown and "live session" in capsys.readouterr().out
    monkeypatch.delenv("TWODINTS_HEADLESS")
    pictures.live_lab("DIC", 1)
    box = shown[-1][0]
    dropdown, *sliders = box.children[0].children
    assert dropdown.value == "DIC" and len(sliders) == 5
    before = len(shown)
    sliders[1].value = 2.0
    assert len(shown) > before


def test_thresholds_are_moved_by_people_only(monkeypatch, shown, capsys):
    labels = np.zeros((40, 40), np.int32)
    labels[5:20, 5:20], labels[5:20, 22:37] = 1, 2
    maps = heads.encode_distance(labels)
    monkeypatch.setenv("TWODINTS_HEADLESS", "1")
    lattice.live_thresholds(maps, labels)
    assert not shown and "live session" in capsys.readouterr().out
    monkeypatch.delenv("TWODINTS_HEADLESS")
    lattice.live_thresholds(maps, labels)
    box = next(args[0] for args in reversed(shown) if hasattr(args[0], "children"))
    foreground, *_ = box.children
    before = len(shown)
    foreground.value = 0.9
    assert len(shown) > before


def test_a_figure_of_other_runs_bears_their_stamp(shown):
    fig = lattice.intervals([("a", 0.1, 0.0, 0.2)], "difference")
    pictures.show(fig, "Small study: seeds 1, 2", alt="one interval")
    assert texts(fig) == "Small study: seeds 1, 2" and "image/png" in shown[0][0]
