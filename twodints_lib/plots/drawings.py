"""Drawings of a few made-up cells: what a target does to them, and which pairs of them match.

The cells are made up, what is drawn and written of them is computed.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from skimage.draw import ellipse

from twodints_lib.plots.pictures import TARGET
from twodints_lib.plots.style import COLOURS, OUTCOMES, legend
from twodints_lib.plots.style import axes as make_axes
from twodints_lib.targets.classes import INTERIOR, decode_grown, label_interior, three_class

TRUE, DRAWN = COLOURS[2], COLOURS[1]


def _cells(shape, *ellipses) -> np.ndarray:
    """Labels (H, W) of ellipses (row, column, radius, radius); later ones lie on earlier ones."""
    labels = np.zeros(shape, np.int32)
    for i, given in enumerate(ellipses, 1):
        labels[ellipse(*given, shape)] = i
    return labels


def _grid(ax: Axes, picture, title: str) -> None:
    """A picture of few pixels, each in its own square."""
    how = {"cmap": TARGET, "vmin": 0, "vmax": 2} if picture.ndim == 2 else {}
    ax.imshow(picture, **how)
    ax.set_xticks(np.arange(picture.shape[1] + 1) - 0.5, [])
    ax.set_yticks(np.arange(picture.shape[0] + 1) - 0.5, [])
    ax.tick_params(length=0)
    ax.grid(color="white", lw=0.4, alpha=0.5)
    ax.set_title(title, fontsize=9)


def _two(labels) -> np.ndarray:
    """Two cells in two colours, background dark."""
    return np.array([(0.13, 0.14, 0.17), (0.26, 0.75, 0.75), (0.95, 0.64, 0.0)])[labels]


def shrink_and_grow() -> Figure:
    """Two touching cells, their three classes, what is read off, and the cells grown back."""
    labels = _cells((18, 27), (8.5, 8, 7, 7.5), (8.5, 19, 6, 6.5))
    target = three_class(labels)
    found = label_interior(target == INTERIOR)
    back = decode_grown(np.stack([target == c for c in range(3)]).astype(np.float32))
    fig, axes = make_axes(11, 2.3, 4)
    told = [("two cells that touch", labels), ("three classes", None)]
    told += [("interiors, read off", found), ("grown back by 2 pixels", back)]
    for ax, (title, cells) in zip(axes, told, strict=True):
        if cells is None:
            _grid(ax, target, title)
        else:
            sizes = " + ".join(str(n) for n in np.bincount(cells.ravel())[1:])
            _grid(ax, _two(cells), f"{title}: {sizes} px")
    return fig


def iou_matching() -> Figure:
    """Pairs of a true and a found cell, their IoU, and whether they count as one at one half."""
    true = (17, 20, 12, 12)
    found = {"two pixels aside": (17, 22, 12, 12), "drawn too small": (17, 20, 8, 8)}
    found |= {"half beside it": (17, 29, 12, 12), "two in one": (17, 31, 12, 24)}
    fig, axes = make_axes(11, 2.3, 4)
    for ax, (name, drawn) in zip(axes, found.items(), strict=True):
        a, b = (_cells((34, 58), one) > 0 for one in (true, drawn))
        both, either = int((a & b).sum()), int((a | b).sum())
        counts = "a pair" if both / either >= 0.5 else "no pair"
        ax.contourf(a & b, [0.5, 1.5], colors=[OUTCOMES["spurious"][0]])
        ax.contour(a, [0.5], colors=[TRUE], linewidths=2.5)
        ax.contour(b, [0.5], colors=[DRAWN], linewidths=2.5, linestyles=["--"])
        ax.set(aspect="equal", xticks=[], yticks=[], xlim=(0, 57))
        ax.spines[:].set_visible(False)
        keys = [Line2D([], [], color=TRUE, lw=2.5), Line2D([], [], color=DRAWN, lw=2.5, ls="--")]
        if ax is axes[0]:
            legend(ax, handles=keys, labels=["true", "found"], loc="lower right")
        ax.set_title(f"{name}: IoU {both}/{either} = {both / either:.2f}\n{counts}", fontsize=9)
    return fig
