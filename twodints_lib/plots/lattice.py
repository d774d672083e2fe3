"""The search space as a lattice of blocks and resolutions, of any size."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twodints_lib.plots.style import COLOURS, STYLES, legend
from twodints_lib.space.topology import active_nodes, path_ends


def style(name: str, index: int) -> tuple:
    """(colour, dash) of an operation; one without its own takes the colour of its number."""
    return STYLES.get(name, (COLOURS[index % len(COLOURS)], (0, (2, 1, 1, 1))))


def _draw(ax: Axes, probability: np.ndarray, operation: np.ndarray, names) -> None:
    """Width and opacity: probability; colour and dash: the strongest operation."""
    blocks, paths = probability.shape
    depths = (paths + 2) // 3
    start, end = path_ends(depths)
    for b, p in np.argwhere(probability > 0.01):
        colour, dash = style(names[operation[b, p]], operation[b, p])
        width, alpha = 0.5 + 3.5 * probability[b, p], 0.15 + 0.85 * min(1, probability[b, p])
        ax.plot([b, b + 1], [-start[p], -end[p]], color=colour, lw=width, ls=dash, alpha=alpha)
    decided = np.isin(probability, (0, 1)).all()
    live = active_nodes({"paths": probability}) if decided else np.ones((blocks + 1, depths), bool)
    x, y = np.meshgrid(np.arange(blocks + 1), -np.arange(depths), indexing="ij")
    edge = np.where(live.ravel(), "#333333", "#cccccc")
    ax.scatter(x.ravel(), y.ravel(), s=60, color="white", edgecolor=edge, zorder=3)
    scales = ["1", *(f"1/{2**d}" for d in range(1, depths))]
    ax.set_yticks(-np.arange(depths), scales)
    ax.set_xticks(np.arange(blocks + 1), ["stem", *map(str, range(1, blocks + 1))])
    ax.spines[:].set_visible(False)


def lattices(steps, names=("skip", "3x3"), columns: int = 1) -> Figure:
    """Lattices of one space side by side: [(title, probability, operation)].

    `probability` (B, P) of each path, drawn as its width; `operation` (B, P) index into `names`
    of the strongest operation, drawn as colour and dash. A decoded code is a probability of 0 or
    1; nodes that it does not use are pale.
    """
    blocks, paths = np.shape(steps[0][1])
    rows, wide = -(-len(steps) // columns), 1.1 if columns == 1 else 0.62
    size = (columns * (wide * blocks + 0.6) + 1.1, rows * (0.2 * paths + 0.9) + 0.3)
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
    legend(axes[columns - 1], beside=True, handles=keys, labels=list(names))
    return fig


def code(found: dict, title: str = "") -> Figure:
    """A decoded code as a lattice."""
    return lattices([(title, found["paths"], found["operations"])], found["names"])
