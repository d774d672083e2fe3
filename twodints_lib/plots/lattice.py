"""The search space as a lattice of blocks and resolutions, of any size."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twodints_lib.plots.style import COLOURS, GREY, INK, STYLES, legend
from twodints_lib.space.topology import active_nodes, path_ends


def style(name: str, index: int) -> tuple:
    """(colour, dash) of an operation; one without its own takes the colour of its number."""
    return STYLES.get(name, (COLOURS[index % len(COLOURS)], (0, (2, 1, 1, 1))))


def _draw(ax: Axes, probability: np.ndarray, operation: np.ndarray, names) -> None:
    """Width and opacity: probability; colour and dash: the strongest operation. In front of the
    first column stands the image, behind the last the merges, and "+" where paths meet."""
    blocks, paths = probability.shape
    depths = (paths + 2) // 3
    start, end = path_ends(depths)
    for b, p in np.argwhere(probability > 0.01):
        colour, dash = style(names[operation[b, p]], operation[b, p])
        look = {"color": colour, "ls": dash, **_thickness(probability[b, p])}
        ax.plot([b, b + 1], [-start[p], -end[p]], **look)
    decided = np.isin(probability, (0, 1)).all()
    live = active_nodes({"paths": probability}) if decided else np.ones((blocks + 1, depths), bool)
    x, y = np.meshgrid(np.arange(blocks + 1), -np.arange(depths), indexing="ij")
    edge = np.where(live.ravel(), "#333333", "#cccccc")
    ax.scatter(x.ravel(), y.ravel(), s=60, color="white", edgecolor=edge, zorder=3)
    meet = [np.bincount(end[row > 0.01], minlength=depths) > 1 for row in probability]
    for b, d in np.argwhere(np.stack(meet) & live[1:]):
        ax.text(b + 1, -d, "+", ha="center", va="center_baseline", fontsize=8, zorder=4)
    _ends(ax, blocks, live)
    scales = ["1", *(f"1/{2**d}" for d in range(1, depths))]
    ax.set_yticks(-np.arange(depths), scales)
    ax.set_xticks(np.arange(blocks + 1), ["stem", *map(str, range(1, blocks + 1))])
    ax.spines[:].set_visible(False)


def _thickness(probability: float) -> dict:
    """Width and opacity of a line: the square lets one half and two thirds be told apart."""
    p = min(1.0, float(probability))
    return {"lw": 0.5 + 4 * p**2, "alpha": 0.2 + 0.8 * p}


def _ends(ax: Axes, blocks: int, live: np.ndarray) -> None:
    """The image with a stem to each node in use, and the merges of the last column to the head."""
    depths = live.shape[1]
    middle, thin = -(depths - 1) / 2, {"arrowstyle": "-|>", "color": GREY, "lw": 0.8, "shrinkB": 5}
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": GREY}
    words = {"ha": "center", "va": "center", "fontsize": 8, "rotation": 90, "bbox": box}
    for d in np.flatnonzero(live[0]):
        ax.annotate("", (0, -d), (-0.75, middle), arrowprops=thin, zorder=1)
    for d in np.flatnonzero(live[-1]):
        ax.annotate("", (blocks + 0.75, middle), (blocks, -d), arrowprops=thin, zorder=1)
    ax.text(-0.75, middle, "image", zorder=5, **words)
    ax.text(blocks + 0.75, middle, "sum, head", zorder=5, **words)
    ax.set(xlim=(-1.05, blocks + 1.05), ylim=(-depths + 0.6, 0.4))


def lattices(steps, names=("skip", "3x3"), columns: int = 1) -> Figure:
    """Lattices of one space side by side: [(title, probability, operation)].

    `probability` (B, P) of each path, drawn as its width; `operation` (B, P) index into `names`
    of the strongest operation, drawn as colour and dash. A decoded code is a probability of 0 or
    1; nodes that it does not use are pale.
    """
    blocks, paths = np.shape(steps[0][1])
    rows, wide = -(-len(steps) // columns), 1.1 if columns == 1 else 0.62
    size = (columns * (wide * (blocks + 2) + 0.3) + 1.3, rows * (0.2 * paths + 0.9) + 0.3)
    fig = Figure(figsize=size, layout="constrained")
    axes = np.atleast_1d(fig.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    for ax in axes[len(steps) :]:
        ax.axis("off")
    for ax, (title, probability, operation) in zip(axes, steps, strict=False):
        _draw(ax, np.asarray(probability, float), np.asarray(operation), names)
        ax.set_title(title, fontsize=10)
    fig.supxlabel("after block", fontsize=10)
    fig.supylabel("resolution", fontsize=10)
    looks = [style(name, i) for i, name in enumerate(names)]
    keys = [Line2D([], [], color=colour, linestyle=dash, lw=2) for colour, dash in looks]
    told = list(names)
    if not np.isin(np.concatenate([np.ravel(p) for _, p, _ in steps]), (0, 1)).all():
        keys += [Line2D([], [], color=INK, **_thickness(p)) for p in (0.25, 0.5, 0.75, 1)]
        told += ["p = 0.25", "p = 0.5", "p = 0.75", "p = 1"]
    legend(axes[columns - 1], beside=True, handles=keys, labels=told)
    return fig


def code(found: dict, title: str = "") -> Figure:
    """A decoded code as a lattice."""
    return lattices([(title, found["paths"], found["operations"])], found["names"])
