"""Figures: stamped, readable aloud, and marked when they are no result."""

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from twodints_lib import plots
from twodints_lib.lab import optics
from twodints_lib.lab.optics import default_dials
from twodints_lib.plots import laboratory, pictures
from twodints_lib.runs import settings
from twodints_lib.space import topology
from twodints_lib.targets import heads


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed: a list of (data, keywords)."""
    caught = []
    monkeypatch.setattr(pictures, "display", lambda data, **k: caught.append((data, k)))
    return caught


def texts(fig):
    return " ".join(t.get_text() for t in fig.texts)


@pytest.mark.parametrize("name", ["smoke", "laptop"])
def test_a_figure_carries_stamp_alt_text_and_ribbon(tiny_setup, shown, name):
    setup = dataclasses.replace(tiny_setup, preset=settings.load(name))
    fig = plots.bars({"a": {"x": 0.5}}, "score")
    plots.show(fig, setup, alt="Bars of one score")
    (data, keywords) = shown[0]
    assert data["text/plain"] == keywords["metadata"]["image/png"]["alt"] == "Bars of one score"
    assert f"{name} · tiny" in texts(fig) and "seed 7" in texts(fig)
    assert ("not a result" in texts(fig)) == (name == "smoke")


def test_a_table_is_escaped_and_marked(tiny_setup, shown):
    plots.show_table(("a", "b"), [("<x>", 1)], tiny_setup, "caption")
    data = shown[0][0]
    assert "&lt;x&gt;" in data["text/html"] and "not a result" in data["text/html"]
    assert "<x>  1" in data["text/plain"] and "not a result" in data["text/plain"]


@pytest.mark.parametrize("depths", [1, 2, 4, 5])
def test_the_lattice_draws_a_line_for_every_path_that_is_on(depths):
    code = topology.random_code(3, depths, 1)
    fig = plots.code(code)
    assert len(fig.axes[0].lines) == np.sum(code["paths"])
    half = np.full((3, 3 * depths - 2), 0.5)
    everything = plots.lattices([("", half, np.array(code["operations"]))])
    widths = {line.get_linewidth() for line in everything.axes[0].lines}
    assert len(everything.axes[0].lines) == 3 * (3 * depths - 2) and len(widths) == 1


def test_matches_put_every_cell_in_one_panel():
    truth, pred = np.zeros((40, 40), np.int32), np.zeros((40, 40), np.int32)
    truth[5:15, 5:15], truth[20:30, 20:30], truth[0:4, 30:36] = 1, 2, 3
    pred[5:15, 6:15], pred[33:37, 5:9] = 1, 2
    fig = plots.matches(np.zeros((40, 40)), truth, pred)
    titles = [ax.get_title() for ax in fig.axes]
    assert [t.rsplit(": ")[1] for t in titles] == ["1", "1", "1", "1"]
    assert [len(ax.collections[0].get_segments()) for ax in fig.axes] == [1, 1, 1, 1]


def made_up_errors():
    """A true and a found cell image with one error of each kind, and one cell at the frame."""
    truth, pred = np.zeros((120, 140), np.int32), np.zeros((120, 140), np.int32)
    for i, (row, column) in enumerate([(10, 10), (10, 40), (10, 56), (10, 90), (50, 10), (50, 50)]):
        truth[row : row + 15, column : column + 15] = i + 1
    truth[115:, 60:80] = 7
    pred[10:25, 10:24] = 1  # found
    pred[10:25, 40:71] = 2  # merged: the second and the third
    pred[10:25, 90:96], pred[10:25, 99:105] = 3, 4  # split
    pred[54:62, 14:22] = 5  # badly drawn
    pred[90:100, 90:100] = 6  # spurious; the sixth is missed
    return truth, pred


def test_every_error_is_drawn_in_its_own_colour_and_line():
    truth, pred = made_up_errors()
    kept = plots.outcomes(truth, pred)
    assert {outcome: [i for _, i in cells] for outcome, cells in kept.items()} == {
        "found": [1], "missed": [6], "merged": [2, 3], "split": [4], "badly drawn": [5],
        "spurious": [6],
    }  # fmt: skip
    fig = plots.errors(np.zeros(truth.shape), truth, pred)
    drawn = {
        (tuple(lines.get_color()[0]), str(lines.get_linestyle()))
        for lines in fig.axes[1].collections
    }
    told = [text.get_text() for text in fig.legends[0].texts]
    assert len(drawn) == 6 and told[:3] == ["found: 1", "missed: 1", "merged: 2"]
    whole, part = fig.axes[0].get_xlim(), fig.axes[2].get_xlim()
    assert np.ptp(whole) == 140 and np.ptp(part) == laboratory.VIEW


def test_small_images_and_images_without_cells_are_drawn():
    for shape in ((40, 30), (300, 60)):
        none = np.zeros(shape, np.int32)
        fig = plots.errors(np.zeros((*shape, 3)), none, none)
        assert fig.axes[2].get_xlim() == (-0.5, min(shape[1], laboratory.VIEW) - 0.5)


def test_a_scale_bar_is_as_long_as_it_says():
    picture = np.zeros((90, 200))
    for micrometres, told, share in ((0, "50 px", 0.25), (0.5, "20 µm", 0.2)):
        ax = plots.panels([("a", picture), ("b", picture)], micrometres=micrometres).axes[0]
        assert ax.texts[0].get_text() == told
        assert np.ptp(ax.lines[0].get_xdata()) == pytest.approx(share)


def test_a_flow_has_the_colour_that_its_key_shows():
    key = plots.flow_key(101)
    for down, right in ((-1, 0), (0, 1), (1, 0), (0, -1)):
        arrow = np.full((2, 5, 5), 0.0)
        arrow[0], arrow[1] = down, right
        told = key[50 + 45 * down, 50 + 45 * right]
        assert np.allclose(plots.flow_picture(arrow)[2, 2] * 0.9, told, atol=0.02)
    assert plots.flow_picture(np.zeros((2, 4, 4))).max() == 0


def test_a_caption_stands_under_the_figure_and_is_read_aloud_once(shown, tiny_setup):
    fig = plots.bars({"a": {"x": 0.5}}, "score")
    plots.show(fig, tiny_setup, alt="Bars of one score, a long story", caption="One score.")
    assert "One score." in texts(fig) and "long story" not in texts(fig)
    assert shown[0][0]["text/plain"] == "Bars of one score, a long story"
    fig = plots.edge()
    plots.display_figure(fig, alt="An edge. " * 30)
    under = [t for t in fig.texts if t.get_position()[1] < 0]
    assert len(under) == 1 and under[0].get_text().count("\n") >= 1
    assert under[0].get_window_extent().width <= 1.03 * fig.bbox.width


def test_there_is_no_half_epoch():
    for last in (1, 2, 3, 12, 180):
        history = [{"epoch": e, "loss": 1 / e, "dice": 0.5} for e in (1, last)]
        for ax in plots.histories({"a": history}).axes:
            assert not (np.array(ax.get_xticks()) % 1).any()
    ax = plots.curves([0.1, 0.2, 0.35], {"a": [1, 2, 3]}, "share", "y").axes[0]
    assert (np.array(ax.get_xticks()) % 1).any()


def test_a_lattice_shows_image_sums_and_the_width_of_a_probability():
    probability = np.array([[0.5, 0.5, 0.65, 0.65]])
    fig = plots.lattices([("", probability, np.zeros((1, 4), int))])
    (ax,) = fig.axes
    words = [text.get_text() for text in ax.texts if text.get_text()]
    assert words.count("+") == 2 and {"image", "sum, head"} <= set(words)
    thin, thick = sorted({line.get_linewidth() for line in ax.lines})
    assert thick > 1.4 * thin
    assert "p = 0.5" in [text.get_text() for text in ax.get_legend().texts]
    one = plots.code(topology.known_shape("straight", 3, 2)).axes[0]
    assert "+" not in [text.get_text() for text in one.texts]


def test_an_outline_stays_inside_its_cell():
    labels = np.zeros((20, 20), int)
    labels[5:15, 5:15] = 1
    picture = plots.outlined(np.linspace(0, 1, 400).reshape(20, 20), labels, "#ff0000")
    red = (picture == (1, 0, 0)).all(-1)
    assert red.sum() == 36 and (labels[red] == 1).all()


@pytest.mark.parametrize("modality", optics.MODALITIES)
def test_the_lab_draws_each_modality(modality):
    fig = plots.lab(modality, 1, default_dials(modality))
    assert len(fig.axes) == 4 and "Dice" in fig.get_suptitle()


def slides(shown, monkeypatch, call):
    """The dials that a live figure shows to a person; headless it is a page's states."""
    monkeypatch.setenv("TWODINTS_HEADLESS", "1")
    call()
    html = shown.pop()[0]["text/html"]
    monkeypatch.delenv("TWODINTS_HEADLESS")
    call()
    (box,) = [data for data, _ in shown if hasattr(data, "children")]
    return {dial.description: dial for dial in box.children[:-1]}, html


def test_sliders_are_for_people_only(monkeypatch, shown, tiny_setup):
    dials, html = slides(shown, monkeypatch, lambda: plots.live_lab("DIC", 1, tiny_setup))
    start = dataclasses.asdict(default_dials("DIC")) | {"modality": "DIC", "seed": 1}
    assert {name: dial.value for name, dial in dials.items()} == start
    assert html.count("DIC, touching") == 5  # three states, the first said and read aloud too
    before = len(shown)
    dials["density"].value = 2.0
    data, keywords = shown[before]
    assert "density 2.0" in data["text/plain"] and "image/png" in data
    assert keywords["metadata"]["image/png"]["alt"] == data["text/plain"]
    dials["modality"].value = "brightfield"
    assert dials["touching"].value == default_dials("brightfield").touching


def test_thresholds_are_moved_by_people_only(monkeypatch, shown):
    labels = np.zeros((40, 40), np.int32)
    labels[5:20, 5:20], labels[5:20, 22:37] = 1, 2
    maps = heads.HEADS["distance"].encode(labels)
    dials, html = slides(shown, monkeypatch, lambda: plots.live_thresholds(maps, labels))
    assert "foreground 0.5, h 0.2: 2 cells, F1 1.00." in html and "foreground 0.9, h 0.4" in html
    assert {name: dial.value for name, dial in dials.items()} == {"foreground": 0.5, "h": 0.2}
    before = len(shown)
    dials["foreground"].value = 0.9
    assert len(shown) > before


def test_two_searches_are_replayed_beside_each_other(monkeypatch, shown):
    rng = np.random.default_rng(1)
    history = rng.random((5, 2, 4)), rng.random((5, 2, 4, 2))
    both = {"paper": history, "dints": history}
    dials, html = slides(shown, monkeypatch, lambda: plots.live_replay(both))
    assert "At 0 % of the way" in html and "At 100 % of the way" in html
    assert dials["percent"].value == 0
    before = len(shown)
    dials["percent"].value = 100
    assert len(shown) > before


def test_a_figure_of_other_runs_bears_their_stamp(shown):
    fig = plots.intervals([("a", 0.1, 0.0, 0.2)], "difference")
    plots.show(fig, "Small study: seeds 1, 2", alt="one interval")
    assert "Small study: seeds 1, 2" in texts(fig) and "image/png" in shown[0][0]


def drawn(shown) -> tuple[int, np.ndarray]:
    """Bytes and pixels (H, W, 3) of the picture that was displayed last."""
    data = base64.b64decode(shown[-1][0]["image/png"])
    return len(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def saved(fig, monkeypatch) -> list:
    """Where the pixels of a figure will be, as matplotlib saves them."""
    caught, save = [], fig.savefig
    monkeypatch.setattr(fig, "savefig", lambda to, **how: (save(to, **how), caught.append(to)))
    return caught


def pixels(buffer) -> np.ndarray:
    return np.asarray(Image.open(buffer).convert("RGB")).astype(int)


def test_a_micrograph_keeps_its_greys(tiny_setup, shown):
    ramp = np.tile(np.arange(256.0), (300, 1)) / 255
    plots.show(plots.panels([("ramp", ramp)], 1, 4), tiny_setup, alt="a ramp of all greys")
    assert len(np.unique(drawn(shown)[1])) >= 255  # matplotlib leaves one out


def test_a_grey_micrograph_is_displayed_exactly(monkeypatch, shown):
    noise = np.random.default_rng(2).integers(0, 250, (200, 200)) / 255
    cells = np.zeros((200, 200), int)
    cells[40:90, 40:90] = 1
    fig = plots.panels([("noise", plots.outlined(noise, cells))], columns=1)
    exact = saved(fig, monkeypatch)
    plots.show(fig, "stamp", alt="noise")
    wrong = np.abs(drawn(shown)[1] - pixels(exact[0]))
    assert wrong.max() <= 2 and not wrong[np.ptp(pixels(exact[0]), axis=-1) == 0].any()


def test_a_colour_micrograph_is_displayed_almost_exactly(monkeypatch, shown):
    image, cells = optics.simulate("brightfield", 10, (150, 150), default_dials("brightfield"))
    fig = plots.panels([("stained", plots.outlined(image, cells, "#00ff00"))], columns=1)
    exact = saved(fig, monkeypatch)
    plots.show(fig, "stamp", alt="stained cells, outlined")
    told = pixels(exact[0])
    wrong = np.abs(drawn(shown)[1] - told)
    assert len(np.unique(told.reshape(-1, 3), axis=0)) > 2000
    assert wrong.max() <= 2 and wrong[np.ptp(told, axis=-1) == 0].max() == 0


def test_a_diagram_stays_small(shown):
    x = np.arange(30)
    lines = {f"run {i}": np.sin(x / 9 + i) for i in range(7)}
    for fig in (plots.curves(x, lines, "epoch", "score"), plots.bars({"a": {"x": 0.5}}, "score")):
        plots.show(fig, "stamp", alt="a diagram")
        assert drawn(shown)[0] < 20_000


def test_every_public_name_has_a_sentence_and_is_there():
    for name in plots.__all__:
        assert callable(getattr(plots, name)) or name == "style"
        assert f"`{name}`" in plots.__doc__ or name == "style"


def test_series_share_one_look():
    x = np.arange(5)
    lines = plots.curves(x, {"DIC": x, "other": x}, "x", "y").axes[0].lines
    dots = plots.points({"DIC": (x, x), "other": (x, x)}, "x", "y").axes[0].lines
    told = plots.style.MODALITY["DIC"]
    assert lines[0].get_color() == dots[0].get_color() == told != lines[1].get_color()
    assert lines[0].get_linestyle() != "None" and dots[0].get_linestyle() == "None"
    history = [{"epoch": e, "loss": 1 / e, "dice": None if e == 1 else 0.5} for e in (1, 2, 3)]
    loss, dice = (ax.lines[0] for ax in plots.histories({"a": history}).axes)
    assert len(loss.get_xdata()) == 3 and list(dice.get_xdata()) == [2, 3]


@pytest.mark.parametrize("name", ["edge", "node", "supernet", "bilevel"])
def test_the_boxes_of_a_diagram_hold_their_words_and_stay_apart(name):
    fig = getattr(plots, name)()
    (ax,) = fig.axes
    canvas = FigureCanvasAgg(fig)
    fig.draw(canvas.get_renderer())
    frames = [patch.get_window_extent() for patch in ax.patches]
    words = [text.get_window_extent() for text in ax.texts if text.get_text()]
    whole = fig.bbox
    for frame in frames:
        assert whole.x0 < frame.x0 and frame.x1 < whole.x1 and frame.y1 < whole.y1
        assert sum(frame.overlaps(other) for other in frames) == 1
        (inside,) = [w for w in words if frame.contains(w.x0 + w.width / 2, w.y0 + w.height / 2)]
        assert frame.x0 <= inside.x0 and inside.x1 <= frame.x1


def test_cells_grow_back_to_nearly_what_they_were_and_half_an_overlap_decides():
    before, _, shrunk, back = (ax.get_title() for ax in plots.shrink_and_grow().axes)
    sizes = [[int(n) for n in re.findall(r"\d+(?= \+| px)", t)] for t in (before, shrunk, back)]
    assert all(c < 0.6 * a and 0.9 * a < b <= a for a, c, b in zip(*sizes, strict=True))
    titles = [ax.get_title() for ax in plots.iou_matching().axes]
    for title in titles:
        both, either = map(int, re.search(r"(\d+)/(\d+)", title).groups())
        assert ("no pair" not in title) == (both / either >= 0.5)
    assert 0 < sum("no pair" in title for title in titles) < len(titles)
