"""How figures look: colours, marks and dashes in one place, and axes without a frame.

Colours are Okabe and Ito's, told apart by everyone; operations differ in their dash too, so that
a lattice can be read in grey print.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twodints_lib.lab.optics import MODALITIES

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
BLUE, RED, GREEN, PINK, ORANGE, SKY, GREY = COLOURS
MODALITY = dict(zip(MODALITIES, COLOURS[:4], strict=True))
MARKS = "osD^v"
DASHES = ("-", "--", "-.", ":")
LIMIT = {"color": "k", "ls": ":", "lw": 1}  # a threshold, zero, or where both are equal

# Colour and dash of each operation; others take a colour that is left.
STYLES = {
    "skip": (ORANGE, (0, (4, 2))),
    "3x3": (BLUE, "solid"),
    "1x1": (SKY, (0, (1, 1))),
    "depthwise 3x3": (GREEN, (0, (6, 1, 1, 1))),
    "5x5": (PINK, "solid"),
    "7x7": (RED, "solid"),
}


def axes(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches and its axes side by side: a pale grid, no frame."""
    fig = Figure(figsize=(width, height), layout="constrained")
    made = list(np.atleast_1d(fig.subplots(1, columns)))
    for ax in made:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25, linewidth=0.6)
    return fig, made


def legend(ax: Axes, beside: bool = False, **entries) -> None:
    """The names of what is drawn: where there is room, or `beside` the axes."""
    if not entries and not ax.get_legend_handles_labels()[0]:
        return
    where = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if beside else {}
    ax.legend(frameon=False, fontsize=8, **where, **entries)
