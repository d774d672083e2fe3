"""How figures look: colours, marks and dashes in one place, and axes without a frame.

Modalities, operations, representations and everything else (networks, runs) have a palette each:
a colour means one thing in the whole course. Within a palette colours are told apart by everyone,
also with a colour vision deficiency; operations and outcomes differ in their dash too, so that
they can be read in grey print.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from twodints_lib.lab.optics import MODALITIES

# Networks, runs, and all that has no palette of its own.
COLOURS = ("#222222", "#F2A200", "#43BFBF", "#8C2F00", "#A9BF7C", "#F200F2", "#8A8A8A")
INK, ORANGE, GREY = COLOURS[0], COLOURS[1], COLOURS[6]
# Of Okabe and Ito.
MODALITY = dict(zip(MODALITIES, ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), strict=True))
REPRESENTATION = {
    "3-class, as shipped": "#BFBF00",
    "3-class, grown back": "#593B00",
    "distance": "#F200A2",
    "flow": "#5100F2",
}
CLASSES = ("#20242C", "#9DB4C0", "#F7E463")  # background, interior, boundary
MARKS = "osD^v"
DASHES = ("-", "--", "-.", ":")
LIMIT = {"color": "k", "ls": ":", "lw": 1}  # a threshold, zero, or where both are equal

# Colour and dash of each operation; others take a colour that is left.
STYLES = {
    "skip": ("#BF937C", (0, (4, 2))),
    "3x3": ("#1F1F59", "solid"),
    "1x1": ("#55BEF2", (0, (1, 1))),
    "depthwise 3x3": ("#8955F2", (0, (6, 1, 1, 1))),
    "5x5": ("#590000", (0, (9, 2))),
    "7x7": ("#F20000", (0, (3, 1, 1, 1, 1, 1))),
}
# Colour and dash of what became of a cell; each line is drawn on a wider black one.
OUTCOMES = {
    "found": ("#FFFFFF", "solid"),
    "missed": ("#F25589", (0, (2, 1.5))),
    "merged": ("#00F200", (0, (6, 1.5))),
    "split": ("#BE55F2", (0, (1, 1))),
    "badly drawn": ("#A09A30", (0, (5, 1, 1, 1))),
    "spurious": ("#9DBAF2", (0, (3, 1, 1, 1, 1, 1))),
}


def colour(name: str, index: int) -> str:
    """The colour of a series: that of its meaning, or the next of those that have none."""
    meant = MODALITY | REPRESENTATION | {name: look[0] for name, look in STYLES.items()}
    return meant.get(name.removesuffix(", tuned"), COLOURS[index % len(COLOURS)])


def whole_numbers(ax: Axes, x) -> None:
    """Ticks at whole numbers where all x are such: there is no half epoch."""
    x = np.asarray(x, float)
    if x.size and (x == x.round()).all():
        one = MultipleLocator(1)  # what MaxNLocator does not keep to where all x are one
        ax.xaxis.set_major_locator(MaxNLocator(integer=True) if np.ptp(x) else one)


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
    ax.legend(frameon=False, fontsize=8, **where | entries)
