"""Figures of runs beside each other."""

import numpy as np
from matplotlib.figure import Figure

from twodints_lib.plots.lattice import MARKS
from twodints_lib.plots.pictures import COLOURS, _axes


def difference(found: dict) -> Figure:
    """compare.compare() as a picture: F1 of each image in A and in B, and the mean differences."""
    fig = Figure(figsize=(9, 4), layout="constrained")
    left, right = _axes(fig, 1, 2)
    images = found["images"]
    pairs, kinds = np.array(images["F1"]["pairs"]), np.array(images["modalities"])
    for i, kind in enumerate(dict.fromkeys(images["modalities"])):
        x, y = pairs[kinds == kind].T
        left.scatter(x, y, 26, COLOURS[i % 7], marker=MARKS[i % len(MARKS)], label=kind)
    left.plot([0, 1], [0, 1], color="k", linestyle=":", lw=1)
    left.set(xlabel=f"F1, A: {found['a']}", ylabel=f"F1, B: {found['b']}", aspect="equal")
    left.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    left.legend(frameon=False, fontsize=8, loc="upper left")
    scores = [s for s in ("Dice", "F1") if s in images]
    for y, score in enumerate(scores):
        mean, low, high = images[score]["difference"]
        colour = COLOURS[6] if low <= 0 <= high else COLOURS[0]
        right.plot([low, high], [-y, -y], color=colour, lw=2)
        right.plot(mean, -y, "o", color=colour)
        counts = "won {won}, lost {lost}, tied {tied}".format(**images[score])
        right.annotate(counts, (mean, -y), (0, 9), textcoords="offset points", ha="center")
    right.axvline(0, color="k", linestyle=":", lw=1)
    right.set_yticks(-np.arange(len(scores)), scores)
    right.set(xlabel="B minus A, mean over images, 95 %", ylim=(-len(scores) + 0.4, 0.6))
    return fig
