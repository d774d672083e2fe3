"""What became of every cell: found, missed, merged, split, badly drawn, spurious."""

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy import ndimage
from skimage.measure import find_contours

from twodints_lib.plots.laboratory import busiest
from twodints_lib.plots.pictures import grey, label_picture, panels, scale_bar
from twodints_lib.plots.style import GREY, OUTCOMES
from twodints_lib.scoring.matching import frame_ids, matched_ids, overlaps, pair
from twodints_lib.scoring.scores import name_errors

KINDS = {"not found": "missed", "eroded": "badly drawn", "displaced": "badly drawn"}
CASE = [patheffects.withStroke(linewidth=2.6, foreground="black")]


def outcomes(truth, pred, threshold: float = 0.5) -> dict[str, list[tuple[np.ndarray, int]]]:
    """Cells by what became of them: {outcome: [(labels it is drawn in, its id)]}.

    Missed cells and all cells that are drawn wrongly are the truth's, spurious ones the
    prediction's. Cells at the frame are in none, as they count for nothing.
    """
    found = overlaps(truth, pred)
    pairs = pair(found, threshold)
    lost, alone, names = name_errors(found, pairs)
    kept: dict = {outcome: [] for outcome in OUTCOMES}
    kept["found"] = [(truth, int(i)) for i in found.truth_ids[pairs[0]]]
    cells = [(truth, i) for i in lost] + [(pred, i) for i in alone]
    for cell, name in zip(cells, names, strict=True):
        kept[KINDS.get(name, name)].append(cell)
    return kept


def outlines(ax: Axes, labels, ids, colour: str, dash, width: float = 1.4) -> None:
    """Draw the rims of these cells of a label image as lines on a darker one."""
    places, lines = ndimage.find_objects(labels), []
    for i in ids:
        rows, columns = places[i - 1]
        mask = np.pad(labels[rows, columns] == i, 1)
        corner = (columns.start - 1, rows.start - 1)
        lines += [rim[:, ::-1] + corner for rim in find_contours(mask, 0.5)]
    how = {"colors": colour, "linestyles": [dash], "linewidths": width, "path_effects": CASE}
    ax.add_collection(LineCollection(lines, **how), autolim=False)


def errors(image, truth, pred, title: str = "image", threshold: float = 0.5) -> Figure:
    """The image, what became of each of its cells, and the same for its most crowded part."""
    kept, window = outcomes(truth, pred, threshold), busiest(truth)
    picture = grey(image)
    top, left = window[0].start, window[1].start
    sides = (window[1].stop - left, window[0].stop - top)
    shown = [(title, picture), (f"{np.count_nonzero(np.unique(truth))} true cells", picture)]
    shown += [("the framed part", picture), ("what was drawn there", label_picture(pred))]
    fig = panels(shown, columns=4, size=2.7)
    whole, marked, part, drawn = fig.axes
    for ax in (marked, part):
        _mark(ax, kept)
    scale_bar(part, sides[0])
    for ax in (part, drawn):
        ax.set(xlim=(left - 0.5, left + sides[0] - 0.5), ylim=(top + sides[1] - 0.5, top - 0.5))
    for ax in (whole, marked):
        frame = {"fill": False, "edgecolor": "white", "lw": 1.2, "path_effects": CASE}
        ax.add_patch(Rectangle((left, top), *sides, **frame))
    _key(fig, kept)
    return fig


def _mark(ax: Axes, kept: dict) -> None:
    for outcome, cells in kept.items():
        for labels in {id(labels): labels for labels, _ in cells}.values():
            outlines(ax, labels, [i for own, i in cells if own is labels], *OUTCOMES[outcome])


def _key(fig: Figure, kept: dict) -> None:
    """Colour, dash and number of each outcome, under the figure."""
    looks = [OUTCOMES[outcome] for outcome in kept]
    lines = [Line2D([], [], color=c, ls=d, lw=1.8, path_effects=CASE) for c, d in looks]
    names = [f"{outcome}: {len(cells)}" for outcome, cells in kept.items()]
    fig.get_layout_engine().set(rect=(0, 0.09, 1, 0.91))
    fig.legend(
        lines, names, loc="lower center", ncols=len(names), frameon=False, fontsize=9,
        handlelength=3.2, bbox_to_anchor=(0, 0, 1, 1), bbox_transform=fig.transFigure,
    )  # fmt: skip


def matches(image, truth, pred, threshold: float = 0.5) -> Figure:
    """A panel each: true cells found, true cells without a partner, found cells without one, and
    cells at the frame, which are left out."""
    truth_ids, pred_ids = matched_ids(truth, pred, threshold)
    left, left_pred = frame_ids(truth), frame_ids(pred)
    missed = np.setdiff1d(np.unique(truth), [0, *truth_ids, *left])
    alone = np.setdiff1d(np.unique(pred), [0, *pred_ids, *left_pred])
    shown = [
        ("found (TP)", truth, truth_ids, OUTCOMES["found"]),
        ("without a partner (FN)", truth, missed, OUTCOMES["missed"]),
        ("partner of no cell (FP)", pred, alone, OUTCOMES["spurious"]),
        ("true, but at the frame", truth, left, (GREY, "solid")),
    ]
    fig = panels([(f"{name}: {len(ids)}", grey(image)) for name, _, ids, _ in shown])
    for ax, (_, labels, ids, look) in zip(fig.axes, shown, strict=True):
        outlines(ax, labels, ids, *look)
    return fig
