"""Charts of scores and histories: lines, dots, bars and intervals.

Lines and dots are one idea, series: {name: (x, y)}, each in its own colour, dash and mark; a
modality or a representation has the same colour in every chart.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twodints_lib.plots.style import DASHES, GREY, INK, LIMIT, MARKS, colour, legend, whole_numbers
from twodints_lib.plots.style import axes as make_axes


def _series(ax: Axes, series: dict, lines: bool = True, marks: bool = False, **look) -> None:
    """Draw {name: (x, y)} as lines, marks or both; `look` goes for all of them."""
    for i, (name, (x, y)) in enumerate(series.items()):
        own = {"ls": DASHES[i % 4] if lines else "none", "marker": MARKS[i % 5] if marks else ""}
        own |= {"color": colour(name, i), "ms": 4, "label": name}
        ax.plot(x, y, **own | look)
    if lines and series:
        whole_numbers(ax, np.concatenate([np.asarray(x, float) for x, _ in series.values()]))


def _intervals(ax: Axes, rows) -> None:
    """(name, mean, low, high) from top to bottom; pale where the interval has zero in it."""
    for y, (_, mean, low, high) in enumerate(rows):
        look = {"color": GREY if low <= 0 <= high else INK}
        ax.plot([low, high], [-y, -y], lw=2, **look)
        ax.plot(mean, -y, "o", **look)
    ax.axvline(0, **LIMIT)
    ax.set_yticks(-np.arange(len(rows)), [row[0] for row in rows])


def chart(
    series: dict, xlabel: str, ylabel: str, lines: bool = True, marks: bool = False,
    at: dict | None = None, diagonal: bool = False, size=(7, 3), look: dict | None = None, **limits,
) -> Figure:  # fmt: skip
    """Series {name: (x, y)} as lines, marks or both, on axes of their own.

    `at`, {name: x}, draws dotted lines across, `diagonal` one where both are equal. `size` is in
    inches, `look` goes to every line, `limits` to the axes (`ylim=(0, 1)`).
    """
    fig, (ax,) = make_axes(*size)
    _series(ax, series, lines, marks, **look or {})
    for i, (name, x) in enumerate((at or {}).items()):
        ax.axvline(x, label=name, **LIMIT | {"ls": DASHES[-1 - i]})
    if diagonal:
        top = max(np.nanmax(values) for xy in series.values() for values in xy)
        ax.plot([0, top], [0, top], **LIMIT)
    ax.set(xlabel=xlabel, ylabel=ylabel, **limits)
    legend(ax, beside=size[0] > size[1] + 2)
    return fig


def spreads(groups: dict, xlabel: str, ylabel: str, **limits) -> Figure:
    """Lines in pale bands: {name: (x, low, middle, high)}, for example a median over repeats and
    where most of them lie."""
    lines = {name: (x, middle) for name, (x, _, middle, _) in groups.items()}
    fig = chart(lines, xlabel, ylabel, **limits)
    ax = fig.axes[0]
    for line, (x, low, _, high) in zip(list(ax.lines), groups.values(), strict=True):
        ax.fill_between(x, low, high, color=line.get_color(), alpha=0.15, lw=0)
    return fig


def curves(x, lines: dict, xlabel: str, ylabel: str, mark: float | None = None) -> Figure:
    """Lines over the same x: {name: values}; few points are marked. `mark`: a line at this x."""
    series, at = {name: (x, values) for name, values in lines.items()}, {"_": mark}
    return chart(series, xlabel, ylabel, marks=len(x) <= 20, at=at if mark is not None else None)


def points(groups: dict, xlabel: str, ylabel: str, diagonal: bool = False) -> Figure:
    """Dots: {name: (x, y)}; with `diagonal`, the line on which both are equal."""
    return chart(groups, xlabel, ylabel, False, True, diagonal=diagonal, size=(5, 4))


def dice_against_f1(rows) -> Figure:
    """One dot an image: class Dice against F1, coloured by modality; without Dice, no dot."""
    dots = {r["modality"]: [] for r in rows}
    for r in rows:
        dots[r["modality"]].append((r["dice"], r["f1"]))
    groups = {name: np.array(found, float).T for name, found in dots.items()}
    return points(groups, "Dice (mean of interior and boundary)", "F1", diagonal=True)


def distributions(values: dict, label: str, mark: float | None = None) -> Figure:
    """Cumulative share of values, e.g. cell diameters: {name: values}; `mark` draws a limit."""
    shares = {n: (np.sort(v), np.arange(1, len(v) + 1) / len(v)) for n, v in values.items()}
    at = {f"{mark:g}": mark} if mark is not None else None
    fig = chart(shares, label, "share of cells below", at=at, ylim=(0, 1))
    fig.axes[0].set_xscale("log", base=2)
    fig.axes[0].xaxis.set_major_formatter("{x:g}")
    return fig


def path_curves(history, marks: dict | None = None) -> Figure:
    """Probability of every path over a search, (epochs, B, P), one line a path; `marks` are
    {name: epoch}."""
    paths = np.reshape(history, (len(history), -1)).T
    lines = {f"_{i}": (range(1, len(path) + 1), path) for i, path in enumerate(paths)}
    look = {"color": INK, "ls": "-", "alpha": 0.35, "lw": 0.8}
    return chart(lines, "epoch", "probability of a path", at=marks, look=look, ylim=(0, 1))


def histories(runs: dict) -> Figure:
    """Training loss and validation Dice over epochs: {name: history}."""
    fig, (left, right) = make_axes(9, 3.2, 2)
    for ax, key, label in ((left, "loss", "DiceCE loss"), (right, "dice", "validation Dice")):
        told = {n: [(r["epoch"], r[key]) for r in h if r[key] is not None] for n, h in runs.items()}
        _series(ax, {n: np.reshape(xy, (-1, 2)).T for n, xy in told.items()}, marks=key == "dice")
        ax.set(xlabel="epoch", ylabel=label)
    right.set(ylim=(0, 1))
    legend(right)
    return fig


def bars(groups: dict, label: str) -> Figure:
    """Grouped bars: {series: {group: value}}, values in 0..1 printed above each bar."""
    fig, (ax,) = make_axes(8, 3.2)
    names, width = list(next(iter(groups.values()))), 0.8 / len(groups)
    for i, (series, values) in enumerate(groups.items()):
        x = np.arange(len(names)) + (i - (len(groups) - 1) / 2) * width
        heights = [values[n] for n in names]
        drawn = ax.bar(x, heights, width * 0.95, color=colour(series, i), label=series)
        ax.bar_label(drawn, fmt="%.2f", fontsize=7)
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel=label, ylim=(0, 1.08))
    legend(ax, beside=True)
    return fig


def intervals(rows, label: str) -> Figure:
    """Differences with their 95 % intervals: [(name, mean, low, high)], zero marked."""
    fig, (ax,) = make_axes(8, 0.36 * len(rows) + 1.1)
    _intervals(ax, rows)
    ax.set(xlabel=label)
    return fig


def difference(found: dict) -> Figure:
    """compare.compare() as a picture: F1 of each image in A and in B, and the mean differences."""
    fig, (left, right) = make_axes(9, 4, 2)
    images = found["images"]
    pairs, kinds = np.array(images["F1"]["pairs"]), np.array(images["modalities"])
    groups = {kind: pairs[kinds == kind].T for kind in dict.fromkeys(images["modalities"])}
    _series(left, groups, lines=False, marks=True)
    left.plot([0, 1], [0, 1], **LIMIT)
    left.set(xlabel=f"F1, A: {found['a']}", ylabel=f"F1, B: {found['b']}", aspect="equal")
    left.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    legend(left)
    rows = [(s, *images[s]["difference"]) for s in ("Dice", "F1") if s in images]
    _intervals(right, rows)
    for y, (score, mean, *_) in enumerate(rows):
        counts = "won {won}, lost {lost}, tied {tied}".format(**images[score])
        right.annotate(counts, (mean, -y), (0, 9), textcoords="offset points", ha="center")
    right.set(xlabel="B minus A, mean over images, 95 %", ylim=(-len(rows) + 0.4, 0.6))
    return fig
