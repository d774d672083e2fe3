"""Diagrams of boxes and arrows, for what no plot of numbers shows: an edge, a supernet, a step."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from twodints_lib.plots.style import GREY, INK, STYLES

PALE = "#F2F2F2"
SKIP, CONV = STYLES["skip"][0], STYLES["3x3"][0]


def diagram(boxes: dict, arrows: list, size, words=()) -> Figure:
    """Boxes {name: (x, y, text, colour of the rim)} and arrows [(from, to, text)] between them.

    One unit is an inch, y goes upwards, `size` is (width, height); a box is as large as its text.
    `words` are [(x, y, text)] without a box.
    """
    fig = Figure(figsize=size)
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, size[0]), ylim=(0, size[1]))
    ax.axis("off")
    drawn = {name: _box(ax, *box) for name, box in boxes.items()}
    for start, end, text in arrows:
        _arrow(ax, boxes[start][:2], boxes[end][:2], drawn[start], drawn[end], text)
    for x, y, text in words:
        ax.text(x, y, text, ha="center", va="center", fontsize=9, color=GREY)
    return fig


def _box(ax: Axes, x, y, text, colour=INK) -> FancyBboxPatch:
    lines = text.splitlines()
    plain = max(len(line.replace("$", "").replace("\\", "")) for line in lines)
    width, height = max(0.085 * plain, 0.16), 0.17 * len(lines)
    look = {"boxstyle": "round,pad=0.07", "facecolor": PALE, "edgecolor": colour, "lw": 1.6}
    box = FancyBboxPatch((x - width / 2, y - height / 2), width, height, zorder=3, **look)
    ax.add_patch(box)
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, zorder=4)
    return box


def _arrow(ax: Axes, start, end, tail, head, text="") -> None:
    look = {"arrowstyle": "-|>", "color": INK, "lw": 1.2, "patchA": tail, "patchB": head}
    ax.annotate("", end, start, arrowprops=look | {"shrinkA": 2, "shrinkB": 2}, zorder=2)
    middle = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(*middle, text, ha="center", va="center", fontsize=9, color=INK, bbox=white, zorder=3)


def edge() -> Figure:
    """What a path does: resample, both operations, their weights, the path's probability."""
    boxes = {
        "x": (0.95, 1.1, "$x$\nnode it starts from", INK),
        "r": (2.75, 1.1, "$r$: up, stay\nor down", INK),
        "skip": (4.8, 1.75, "skip: as it is", SKIP),
        "conv": (4.8, 0.45, "ReLU, 3x3, norm", CONV),
        "+": (6.4, 1.1, "+", INK),
        "y": (8.6, 1.1, "next node:\nadds up its paths", INK),
    }
    arrows = [
        ("x", "r", ""),
        ("r", "skip", ""),
        ("r", "conv", ""),
        ("skip", "+", "$w_{skip}$"),
        ("conv", "+", "$w_{3x3}$"),
        ("+", "y", "$p$"),
    ]
    return diagram(boxes, arrows, (9.7, 2.2))


def node() -> Figure:
    """A node: what three edges bring is summed, and the sum goes on along every edge behind it."""
    boxes = {
        "up": (1.3, 2.0, "edge from the\nfiner node", INK),
        "stay": (1.3, 1.15, "edge from the node\nof its own resolution", INK),
        "down": (1.3, 0.3, "edge from the\ncoarser node", INK),
        "+": (4.4, 1.15, "+", INK),
        "a": (7.4, 2.0, "edge to the\nfiner node", INK),
        "b": (7.4, 1.15, "edge to the node\nof its own resolution", INK),
        "c": (7.4, 0.3, "edge to the\ncoarser node", INK),
    }
    arrows = [("up", "+", "$p_1 e_1$"), ("stay", "+", "$p_2 e_2$"), ("down", "+", "$p_3 e_3$")]
    arrows += [("+", "a", "$y$"), ("+", "b", "$y$"), ("+", "c", "$y$")]
    return diagram(boxes, arrows, (8.8, 2.3), [(4.4, 0.35, "$y = p_1 e_1 + p_2 e_2 + p_3 e_3$")])


def supernet() -> Figure:
    """Two blocks at two resolutions, with what stands before them and behind."""
    fine, coarse, boxes = 2.1, 0.8, {"image": (0.75, 2.1, "image", INK)}
    boxes["small"] = (0.75, coarse, "image,\nhalf as large", INK)
    for depth, y in enumerate((fine, coarse)):
        boxes[f"stem{depth}"] = (1.95, y, "stem", INK)
        for column in range(3):
            boxes[f"{column}{depth}"] = (2.9 + 1.5 * column, y, "+" if column else "•", INK)
    boxes["up"] = (7.1, coarse, "3x3, norm,\ntwice as large", INK)
    boxes["sum"] = (7.1, fine, "+", INK)
    boxes["last"] = (8.25, fine, "3x3, norm,\n3x3, norm", INK)
    boxes["head"] = (9.45, fine, "head", INK)
    boxes["logits"] = (9.45, coarse, "three maps", INK)
    arrows = [("image", "small", ""), ("image", "stem0", ""), ("small", "stem1", "")]
    arrows += [("stem0", "00", ""), ("stem1", "01", "")]
    for column in (0, 1):
        arrows += [(f"{column}{a}", f"{column + 1}{b}", "") for a in (0, 1) for b in (0, 1)]
    arrows += [("20", "sum", ""), ("21", "up", ""), ("up", "sum", ""), ("sum", "last", "")]
    arrows += [("last", "head", ""), ("head", "logits", "")]
    words = [(3.65, 2.75, "block 1"), (5.15, 2.75, "block 2"), (2.9, 2.45, "resolution 1")]
    words += [(2.9, 0.4, "resolution 1/2")]
    return diagram(boxes, arrows, (10.1, 3), words)


def bilevel() -> Figure:
    """One step of a bi-level search: weights by one half of the images, alphas by the other."""
    boxes = {
        "ours": (0.9, 1.9, "half 1 of the\ntraining images", INK),
        "theirs": (0.9, 0.5, "half 2 of the\ntraining images", GREY),
        "net": (3.4, 1.2, "supernet\nweights $W$, alphas $\\alpha$", INK),
        "L1": (6.1, 1.9, "loss $L_1$", INK),
        "L2": (6.1, 0.5, "loss $L_2$ and\nthe four terms", GREY),
        "w": (8.6, 1.9, "SGD moves $W$,\n$\\alpha$ rests", INK),
        "a": (8.6, 0.5, "Adam moves $\\alpha$,\n$W$ rests", GREY),
    }
    arrows = [("ours", "net", "1"), ("theirs", "net", "2"), ("net", "L1", "1"), ("net", "L2", "2")]
    arrows += [("L1", "w", "gradient"), ("L2", "a", "gradient"), ("w", "a", "then")]
    return diagram(boxes, arrows, (9.8, 2.4))
