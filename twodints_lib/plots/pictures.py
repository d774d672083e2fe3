"""The course's figures; those of searches are in draw_search.py. Only these import matplotlib.

Functions take plain arrays and return a Figure; show() stamps it with what made it and displays
it with a text for those who cannot see it. Colours are Okabe and Ito's, told apart by everyone.
"""

import base64
import dataclasses
import io
import os
from html import escape

import numpy as np
from IPython.display import display
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image
from skimage.segmentation import find_boundaries

from twodints_lib.lab.optics import MODALITIES, Dials, default_dials, simulate
from twodints_lib.runs.report import text_table
from twodints_lib.scoring.matching import frame_ids, matched_ids

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
MODALITY = dict(zip(MODALITIES, COLOURS[:4], strict=True))
TARGET = ListedColormap(["#20242c", "#56B4E9", "#E69F00"])  # background, interior, boundary
SMOKE = "smoke run: it shows that everything runs, it is not a result"


def show(fig: Figure, setup, alt: str):
    """Display a figure with its stamp (preset, data, seed, commit) and alternative text.

    A figure drawn from records of another run gets that run's stamp: a text in place of `setup`.
    """
    stamp = setup if isinstance(setup, str) else setup.stamp
    if stamp is not setup and not setup.preset.is_result:
        ribbon = {"color": "white", "backgroundcolor": "#B00020", "fontsize": 9}
        fig.text(0.5, 1.04, SMOKE, ha="center", va="bottom", **ribbon)
    fig.text(0.995, -0.01, stamp, ha="right", va="top", fontsize=7, color="#777777")
    data = {"image/png": _png(fig), "text/plain": alt}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def _png(fig: Figure) -> str:
    buffer, small = io.BytesIO(), io.BytesIO()
    fig.savefig(buffer, format="png", dpi=100, bbox_inches="tight", facecolor="white")
    # A palette takes a third of the bytes; an octree keeps rare colours, thin outlines.
    picture = Image.open(buffer).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
    picture.save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def show_table(header, rows, setup=None, caption: str = ""):
    """Display rows of cells as a table; with a setup, stamped like a figure."""
    note = "" if setup is None else setup.stamp
    if setup is not None and not setup.preset.is_result:
        caption = f"{SMOKE}. {caption}"
    cells = "".join(
        "<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows
    )
    head = "".join(f"<th>{escape(str(c))}</th>" for c in header)
    html = f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{cells}</table>"
    html += f"<small>{escape(note)}</small>"
    display({"text/html": html, "text/plain": text_table(header, rows, caption)}, raw=True)


def grey(image) -> np.ndarray:
    """Any image to displayable values: floats in 0..1 between its 0.5 and 99.5 percentiles."""
    image = np.moveaxis(image, 0, -1) if image.ndim == 3 and image.shape[0] == 3 else image
    low, high = np.percentile(image, (0.5, 99.5))
    return np.clip((np.asarray(image, float) - low) / max(high - low, 1e-9), 0, 1)


def outlined(image, labels, colour=COLOURS[4], width: int = 1) -> np.ndarray:
    """The image (H, W, 3) in 0..1 with the outline of every instance drawn on it."""
    picture = grey(image)
    picture = np.repeat(picture[..., None], 3, -1) if picture.ndim == 2 else picture.copy()
    edge = find_boundaries(labels, mode="inner" if width == 1 else "thick")
    picture[edge] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return picture


def pictures(panels, columns: int = 4, size: float = 2.6, cmap="gray") -> Figure:
    """A grid of (title, image) pairs; grey images by `cmap`, class maps by their own colours."""
    rows = -(-len(panels) // columns)
    fig = Figure(figsize=(columns * size, rows * (size + 0.3)), layout="constrained")
    axes = np.atleast_1d(fig.subplots(rows, columns)).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, (title, image) in zip(axes, panels, strict=False):
        if image.dtype == np.uint8 and image.ndim == 2 and image.max() <= 2:
            ax.imshow(image, cmap=TARGET, vmin=0, vmax=2, interpolation="nearest")
        else:
            ax.imshow(image, cmap=cmap, interpolation="nearest")
        ax.set_title(title, fontsize=9)
    return fig


def label_picture(labels) -> np.ndarray:
    """Instance labels as (H, W, 3) colours; neighbouring ids get unlike ones."""
    table = np.random.default_rng(3).uniform(0.25, 1.0, (int(labels.max()) + 1, 3))
    table[0] = 0.08
    return table[labels]


def _axes(fig, *shape):
    axes = np.atleast_1d(fig.subplots(*shape)).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25, linewidth=0.6)
    return axes


def distributions(values: dict, label: str, mark: float | None = None) -> Figure:
    """Cumulative share of values per modality, e.g. cell diameters; `mark` draws a limit."""
    fig = Figure(figsize=(7, 3.2), layout="constrained")
    (ax,) = _axes(fig, 1)
    for name, v in values.items():
        v = np.sort(v)
        ax.plot(v, np.arange(1, len(v) + 1) / len(v), label=name, color=MODALITY.get(name, "k"))
    if mark is not None:
        ax.axvline(mark, color="k", linestyle=":", label=f"{mark:g}")
    ax.set(xlabel=label, ylabel="share of cells below", xscale="log", ylim=(0, 1))
    ax.set_xticks([4, 8, 16, 32, 64, 128], ["4", "8", "16", "32", "64", "128"], minor=False)
    ax.set_xticks([], minor=True)
    ax.legend(frameon=False, fontsize=8)
    return fig


def bars(groups: dict, label: str) -> Figure:
    """Grouped bars: {series: {group: value}}, values in 0..1 printed above each bar."""
    fig = Figure(figsize=(8, 3.2), layout="constrained")
    (ax,) = _axes(fig, 1)
    names, width = list(next(iter(groups.values()))), 0.8 / len(groups)
    for i, (series, values) in enumerate(groups.items()):
        x = np.arange(len(names)) + (i - (len(groups) - 1) / 2) * width
        drawn = ax.bar(
            x, [values[n] for n in names], width * 0.95, color=COLOURS[i % 7], label=series
        )
        ax.bar_label(drawn, fmt="%.2f", fontsize=7)
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel=label, ylim=(0, 1.08))
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def histories(runs: dict) -> Figure:
    """Training loss and validation Dice over epochs: {name: history}."""
    fig = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = _axes(fig, 1, 2)
    for i, (name, history) in enumerate(runs.items()):
        epochs = [r["epoch"] for r in history]
        left.plot(epochs, [r["loss"] for r in history], color=COLOURS[i % 7], label=name)
        scored = [(r["epoch"], r["dice"]) for r in history if r["dice"] is not None]
        right.plot(*zip(*scored, strict=True), "o-", color=COLOURS[i % 7], label=name, markersize=4)
    left.set(xlabel="epoch", ylabel="DiceCE loss")
    right.set(xlabel="epoch", ylabel="validation Dice", ylim=(0, 1))
    right.legend(frameon=False, fontsize=8)
    return fig


def errors(image, truth, pred, title: str = "") -> Figure:
    """Truth and prediction outlined on the image, side by side."""
    panels = [
        (title or "image", grey(image)),
        (
            f"truth: {len(np.unique(truth)) - (0 in truth)} cells",
            outlined(image, truth, COLOURS[2]),
        ),
        (f"predicted: {int(pred.max())} cells", outlined(image, pred, COLOURS[1])),
    ]
    return pictures(panels, columns=3, size=3.4)


def matches(image, truth, pred, threshold: float = 0.5) -> Figure:
    """True cells that were found or missed, found cells that match none, cells left out."""
    truth_ids, pred_ids = matched_ids(truth, pred, threshold)
    left_truth, left_pred = frame_ids(truth), frame_ids(pred)
    missed = np.setdiff1d(np.unique(truth), [0, *truth_ids, *left_truth])
    spurious = np.setdiff1d(np.unique(pred), [0, *pred_ids, *left_pred])
    panels = []
    for title, labels, ids, colour in (
        ("found (TP)", truth, truth_ids, COLOURS[2]),
        ("missed (FN)", truth, missed, COLOURS[1]),
        ("no true cell (FP)", pred, spurious, COLOURS[3]),
        ("true, but at the frame", truth, left_truth, COLOURS[5]),
    ):
        chosen = np.where(np.isin(labels, ids), labels, 0)
        panels.append((f"{title}: {len(ids)}", outlined(image, chosen, colour)))
    return pictures(panels)


def dice_against_f1(rows) -> Figure:
    """One dot an image: class Dice against F1, coloured by modality."""
    fig = Figure(figsize=(5, 4.2), layout="constrained")
    (ax,) = _axes(fig, 1)
    for i, name in enumerate(dict.fromkeys(r["modality"] for r in rows)):
        own = [r for r in rows if r["modality"] == name and r["dice"] is not None]
        colour, marker = MODALITY.get(name, "k"), "osD^v"[i % 5]
        ax.scatter([r["dice"] for r in own], [r["f1"] for r in own], 26, colour, marker, label=name)
    ax.plot([0, 1], [0, 1], color="k", linestyle=":", lw=1)
    ax.set(
        xlabel="Dice (mean of interior and boundary)", ylabel="F1", xlim=(0, 1), ylim=(-0.02, 1.02)
    )
    ax.legend(frameon=False, fontsize=8)
    return fig


def threshold_curves(steps, curves: dict, mark: float) -> Figure:
    """Mean F1 over the IoU threshold, one line a modality."""
    fig = Figure(figsize=(7, 3.2), layout="constrained")
    (ax,) = _axes(fig, 1)
    for i, (name, values) in enumerate(curves.items()):
        ax.plot(
            steps, values, "osD^v"[i % 5] + "-", color=MODALITY.get(name, "k"), label=name, ms=4
        )
    ax.axvline(mark, color="k", linestyle=":", lw=1)
    ax.set(xlabel="IoU at which a cell counts", ylabel="mean F1", ylim=(0, 1))
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def lab(modality: str, seed: int, dials, size=(256, 256)) -> Figure:
    """One image of the modality lab, with its labels, at the given dials."""
    image, labels = simulate(modality, seed, size, dials)
    panels = [(modality, grey(image)), (f"{labels.max()} cells", outlined(image, labels))]
    return pictures(panels, columns=2, size=3.6)


def live_lab(modality: str, seed: int):
    """Sliders for the lab's dials (ipywidgets); in a run without a person, one line of text."""
    if os.environ.get("TWODINTS_HEADLESS"):
        print("The sliders appear here in a live session.")
        return
    import ipywidgets as widgets

    limits = {"touching": (0, 1), "density": (0.2, 3), "blur": (0.2, 4), "contrast": (0.2, 2)}
    limits["noise"] = (0, 5)
    start = dataclasses.asdict(default_dials(modality))
    kind = widgets.Dropdown(options=MODALITIES, value=modality, description="modality")
    dials = {
        name: widgets.FloatSlider(
            start[name], min=low, max=high, step=0.05, description=name, continuous_update=False
        )
        for name, (low, high) in limits.items()
    }

    def redraw(kind, **values):
        display({"image/png": _png(lab(kind, seed, Dials(**values)))}, raw=True)

    picture = widgets.interactive_output(redraw, {"kind": kind} | dials)
    display(widgets.HBox([widgets.VBox([kind, *dials.values()]), picture]))
