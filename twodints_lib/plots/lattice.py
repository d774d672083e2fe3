"""Figures of the search: the lattice, its film and replay, curves, comparisons with intervals."""

import os

import numpy as np
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twodints_lib.plots.pictures import COLOURS, _axes, _png, label_picture, pictures
from twodints_lib.scoring.matching import score_image
from twodints_lib.space.topology import active_nodes, path_ends
from twodints_lib.targets.heads import decode_distance

# Colour and dash of each operation, told apart in grey print too; others take what is left.
STYLES = {
    "skip": (COLOURS[4], (0, (4, 2))),
    "3x3": (COLOURS[0], "solid"),
    "1x1": (COLOURS[5], (0, (1, 1))),
    "depthwise 3x3": (COLOURS[2], (0, (6, 1, 1, 1))),
    "5x5": (COLOURS[3], "solid"),
    "7x7": (COLOURS[1], "solid"),
}


MARKS = "osD^v"


def style(name: str, index: int):
    """(colour, dash) of an operation."""
    return STYLES.get(name, (COLOURS[index % len(COLOURS)], (0, (2, 1, 1, 1))))


def _lattice(ax, probability, operation, names, title):
    """Width and opacity: probability; colour and dash: the strongest operation."""
    probability, operation = np.asarray(probability, float), np.asarray(operation)
    blocks, paths = probability.shape
    depths = (paths + 2) // 3
    start, end = path_ends(depths)
    for b in range(blocks):
        for p in np.flatnonzero(probability[b] > 0.01):
            colour, dash = style(names[operation[b, p]], operation[b, p])
            width, alpha = 0.5 + 3.5 * probability[b, p], 0.15 + 0.85 * min(1, probability[b, p])
            ax.plot([b, b + 1], [-start[p], -end[p]], color=colour, lw=width, ls=dash, alpha=alpha)
    decided = np.isin(probability, (0, 1)).all()
    live = np.ones((blocks + 1, depths), bool)
    if decided:
        live = active_nodes({"paths": probability})
    x, y = np.meshgrid(np.arange(blocks + 1), -np.arange(depths), indexing="ij")
    edge = np.where(live.ravel(), "#333333", "#cccccc")
    ax.scatter(x.ravel(), y.ravel(), s=60, color="white", edgecolor=edge, zorder=3)
    scales = ["1" if d == 0 else f"1/{2**d}" for d in range(depths)]
    ax.set_yticks(-np.arange(depths), scales)
    ax.set_xticks(np.arange(blocks + 1), ["stem", *map(str, range(1, blocks + 1))])
    ax.set(xlabel="after block", ylabel="resolution", title=title)
    ax.spines[:].set_visible(False)


def _key(fig_or_ax, names):
    styles = [style(n, i) for i, n in enumerate(names)]
    keys = [Line2D([], [], color=c, linestyle=d, lw=2) for c, d in styles]
    fig_or_ax.legend(
        keys, names, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1)
    )


def lattice(probability, operation, names=("skip", "3x3"), title: str = "") -> Figure:
    """The search space as a lattice of blocks and resolutions, of any size.

    `probability` (B, P) of each path, drawn as its width; `operation` (B, P) index of the
    strongest operation, drawn as colour and dash. A decoded code is a probability of 0 or 1;
    nodes that it does not use are pale.
    """
    blocks, paths = np.shape(probability)
    fig = Figure(figsize=(1.1 * blocks + 1.6, 0.25 * paths + 1.6), layout="constrained")
    ax = fig.subplots()
    _lattice(ax, probability, operation, names, title)
    _key(ax, names)
    return fig


def code(found: dict, title: str = "") -> Figure:
    """A code as a lattice."""
    return lattice(found["paths"], found["operations"], found["names"], title)


def film(steps, names=("skip", "3x3"), columns: int = 3) -> Figure:
    """Several states of one lattice side by side: [(title, probability, operation)]."""
    blocks, paths = np.shape(steps[0][1])
    rows = -(-len(steps) // columns)
    size = (columns * (0.62 * blocks + 0.7) + 1, rows * (0.2 * paths + 0.9))
    fig = Figure(figsize=size, layout="constrained")
    axes = np.atleast_1d(fig.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    for ax in axes[len(steps) :]:
        ax.axis("off")
    for i, (ax, (title, probability, operation)) in enumerate(zip(axes, steps, strict=False)):
        _lattice(ax, probability, operation, names, title)
        ax.set(xlabel="", ylabel="resolution" if i % columns == 0 else "")
    _key(axes[columns - 1], names)
    return fig


def live_replay(searches: dict, names=("skip", "3x3")):
    """A slider through each search's history: {name: (paths (T, B, P), operations (T, B, P, O))}.

    Two searches stand above each other at the same share of their way. In a run without a person,
    one line of text: the film above it shows the same.
    """
    if os.environ.get("TWODINTS_HEADLESS"):
        print("A slider through the search appears here in a live session.")
        return
    import ipywidgets as widgets

    def redraw(percent):
        for name, (paths, operations) in searches.items():
            step = round(percent / 100 * (len(paths) - 1))
            title = f"{name}, after {step + 1} of {len(paths)}"
            figure = lattice(paths[step], operations[step].argmax(-1), names, title)
            display({"image/png": _png(figure)}, raw=True)

    slider = widgets.IntSlider(0, min=0, max=100, step=5, description="% of search")
    display(slider, widgets.interactive_output(redraw, {"percent": slider}))


def live_thresholds(maps, truth):
    """Sliders for the distance decoder's thresholds (ipywidgets): cells and F1 follow them.

    `maps` (2, H, W) foreground and distance; headless: one line of text.
    """
    if os.environ.get("TWODINTS_HEADLESS"):
        print("The sliders appear here in a live session.")
        return
    import ipywidgets as widgets

    def redraw(foreground, h):
        found = decode_distance(maps, foreground, h)
        f1 = score_image(truth, found)["f1"]
        panels = [(f"{found.max()} cells, F1 {f1:.2f}", label_picture(found))]
        fig = pictures([*panels, (f"truth: {truth.max()} cells", label_picture(truth))], 2, 3.6)
        display({"image/png": _png(fig)}, raw=True)

    limits = {"foreground": (0.05, 0.95, 0.5), "h": (0.02, 0.6, 0.2)}
    dials = {
        name: widgets.FloatSlider(
            start, min=low, max=high, step=0.01, description=name, continuous_update=False
        )
        for name, (low, high, start) in limits.items()
    }
    picture = widgets.interactive_output(redraw, dials)
    display(widgets.VBox([*dials.values(), picture]))


def path_curves(history, marks: dict | None = None) -> Figure:
    """Probability of every path over a search, (epochs, B, P), one line a path."""
    fig = Figure(figsize=(7, 3), layout="constrained")
    (ax,) = _axes(fig, 1)
    flat = np.asarray(history).reshape(len(history), -1)
    ax.plot(np.arange(1, len(flat) + 1), flat, color=COLOURS[0], alpha=0.35, lw=0.8)
    ax.axhline(0.5, color="k", linestyle=":", lw=1)
    for name, x in (marks or {}).items():
        ax.axvline(x, color=COLOURS[1], lw=1, label=name)
        ax.legend(frameon=False, fontsize=8)
    ax.set(xlabel="epoch", ylabel="probability of a path", ylim=(0, 1))
    return fig


def curves(x, lines: dict, xlabel: str, ylabel: str, mark: float | None = None) -> Figure:
    """Lines over x: {name: values}."""
    fig = Figure(figsize=(7, 3), layout="constrained")
    (ax,) = _axes(fig, 1)
    for i, (name, values) in enumerate(lines.items()):
        ax.plot(x, values, ("-", "--", "-.", ":")[i % 4], color=COLOURS[i % 7], label=name)
    if mark is not None:
        ax.axvline(mark, color="k", linestyle=":", lw=1)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False, fontsize=8)
    return fig


def intervals(rows, label: str) -> Figure:
    """Differences with their 95 % intervals: [(name, mean, low, high)], zero marked."""
    fig = Figure(figsize=(8, 0.36 * len(rows) + 1.1), layout="constrained")
    (ax,) = _axes(fig, 1)
    for y, (_, mean, low, high) in enumerate(rows):
        colour = COLOURS[6] if low <= 0 <= high else COLOURS[0]
        ax.plot([low, high], [-y, -y], color=colour, lw=2)
        ax.plot(mean, -y, "o", color=colour)
    ax.axvline(0, color="k", linestyle=":", lw=1)
    ax.set_yticks(-np.arange(len(rows)), [row[0] for row in rows])
    ax.set(xlabel=label)
    return fig


def points(groups: dict, xlabel: str, ylabel: str, diagonal: bool = False) -> Figure:
    """Dots: {name: (x, y)}; with `diagonal`, the line on which both are equal."""
    fig = Figure(figsize=(5, 4), layout="constrained")
    (ax,) = _axes(fig, 1)
    for i, (name, (x, y)) in enumerate(groups.items()):
        ax.scatter(x, y, 22, COLOURS[i % 7], marker=MARKS[i % 5], label=name)
    if diagonal:
        top = max(max(np.max(x), np.max(y)) for x, y in groups.values())
        ax.plot([0, top], [0, top], color="k", linestyle=":", lw=1)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False, fontsize=8)
    return fig
