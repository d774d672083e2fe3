"""Exercises of the notebook on instance evaluation: F1 by matching, and where Dice differs."""

import numpy as np

from twodints_lib import scoring
from twodints_lib.exercises.exercise import Exercise, Wrong


def _overlaps():
    """Tables of IoU with the threshold to match at: plain, at the limit, with rivals, empty."""
    plain = np.array([[0.8, 0.0, 0.0], [0.1, 0.6, 0.0], [0.0, 0.2, 0.3], [0.0, 0.0, 0.0]])
    limit = np.array([[0.5, 0.0], [0.0, 0.7]])
    shared = np.array([[0.4, 0.4], [0.0, 0.0]])  # two pieces of one true cell
    rivals = np.array([[0.45, 0.4], [0.4, 0.0]])  # the best pair spoils the best matching
    nothing = np.zeros((3, 0))
    return [(plain, 0.5), (limit, 0.5), (shared, 0.3), (rivals, 0.3), (plain, 0.75), (nothing, 0.5)]


MATCHING = Exercise(
    name="f1-by-matching",
    kind="implement",
    section="How is F1 counted?",
    title="F1 by matching",
    question=r"""
Row $i$, column $j$ of the array `iou` holds the IoU of true cell $i$ with found cell $j$. A true
and a found cell may be paired where it is at least `threshold`, and **each cell is in one pair at
most**. With as many pairs as that allows (TP),

$$F_1 = \frac{2\,\mathrm{TP}}{2\,\mathrm{TP} + \mathrm{FP} + \mathrm{FN}}.$$

Write `f1_score(iou, threshold)`. It is tried with thresholds under one half too, where a cell can
have several partners to choose from.
""",
    answer="f1_score",
    stub="def f1_score(iou, threshold):\n    return ...",
    hint="""
TP and FN together are the true cells, so `len(iou)`; TP and FP the found ones. For the most pairs,
`scipy.optimize.linear_sum_assignment(allowed, maximize=True)` gives rows and columns of the best
one-to-one choice in a table of what is allowed.
""",
    solution="""
def f1_score(iou, threshold):
    from scipy.optimize import linear_sum_assignment

    allowed = iou >= threshold
    pairs = linear_sum_assignment(allowed, maximize=True)
    return 2 * allowed[pairs].sum() / sum(iou.shape)
""",
    also=(
        """
def f1_score(iou, threshold):
    partner = {}  # of each found cell: augmenting paths

    def place(i, seen):
        for j in np.flatnonzero(iou[i] >= threshold):
            if j not in seen:
                seen.add(j)
                if j not in partner or place(partner[j], seen):
                    partner[j] = i
                    return True
        return False

    tp = sum(place(i, set()) for i in range(len(iou)))
    fp, fn = iou.shape[1] - tp, len(iou) - tp
    return 2 * tp / (2 * tp + fp + fn)
""",
    ),
    wrong=(
        Wrong(
            "one cell in several pairs",
            """
def f1_score(iou, threshold):
    return 2 * (iou >= threshold).sum() / sum(iou.shape)
""",
            "You count every pair that is good enough. Under one half two found pieces can both "
            "reach one true cell, and only one of them may have it.",
        ),
        Wrong(
            "more than for at least",
            """
def f1_score(iou, threshold):
    from scipy.optimize import linear_sum_assignment

    allowed = iou > threshold
    return 2 * allowed[linear_sum_assignment(allowed, maximize=True)].sum() / sum(iou.shape)
""",
            "Look at a pair that has just the IoU that is asked for.",
        ),
        Wrong(
            "TP / (TP + FP + FN)",
            """
def f1_score(iou, threshold):
    from scipy.optimize import linear_sum_assignment

    allowed = iou >= threshold
    tp = allowed[linear_sum_assignment(allowed, maximize=True)].sum()
    return tp / (sum(iou.shape) - tp)
""",
            "That is another score, known as critical success index. Here a pair weighs double, "
            "once for each side.",
        ),
        Wrong(
            "recall",
            """
def f1_score(iou, threshold):
    from scipy.optimize import linear_sum_assignment

    allowed = iou >= threshold
    return allowed[linear_sum_assignment(allowed, maximize=True)].sum() / len(iou)
""",
            "That is the share of true cells that were found. Cells that were made up cost too.",
        ),
        Wrong(
            "greedy",
            """
def f1_score(iou, threshold):
    left, tp = iou.copy(), 0
    while left.size and left.max() >= threshold:
        i, j = np.unravel_index(left.argmax(), left.shape)
        left[i], left[:, j], tp = 0, 0, tp + 1
    return 2 * tp / sum(iou.shape)
""",
            "You take the best pair first. That pair can use up the only partner of another cell, "
            "while both could have been paired.",
        ),
    ),
    otherwise="Count TP, FP and FN of a table with two rows and three columns by hand.",
    tries=lambda f1_score: [f1_score(iou.copy(), threshold) for iou, threshold in _overlaps()],
)

MERGED = Exercise(
    name="f1-of-merged-cells",
    kind="predict",
    section="Does a good Dice mean a good F1?",
    title="two bridges",
    question="""
An image holds eight cells of one size. A network draws every pixel of them right, and two thin
bridges too many: twice, two neighbours come back as one piece. Each of these two pieces is a
little larger than its two cells together. Predict the F1 of this image at an IoU of one half.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
How many cells are there in truth, and how many pieces were found? A merged piece has more than
twice the area of either of its cells: on which side of one half is their IoU?
""",
    solution="answer = 2 * 4 / (8 + 6)  # TP 4; 8 true cells and 6 found ones",
    also=("tp, fp, fn = 4, 2, 4\nanswer = 2 * tp / (2 * tp + fp + fn)", "answer = 0.57"),
    wrong=(
        Wrong(
            "pixels for cells",
            "answer = 1.0",
            "That is close to the Dice: nearly every pixel is right. F1 asks for cells.",
        ),
        Wrong(
            "a merged piece finds one of its cells",
            "answer = 2 * 6 / (8 + 6)",
            "You let each merged piece pass for one of its cells. Work out their IoU.",
        ),
        Wrong(
            "recall",
            "answer = 4 / 8",
            "That is the share of true cells that were found, recall. The merged pieces match "
            "nothing, and that costs as well.",
        ),
        Wrong(
            "precision",
            "answer = 4 / 6",
            "That is the share of found pieces that are cells, precision. Of the true cells some "
            "have no partner, and that costs as well.",
        ),
        Wrong(
            "pieces over cells",
            "answer = 6 / 8",
            "You compare how many pieces there are with how many cells. Which of them match?",
        ),
    ),
    otherwise="Write down TP, FP and FN: which pieces have a partner, which cells have none?",
    tolerance=0.01,
)


def _touching():
    """Twelve square cells in a block, each against its neighbours."""
    rows, columns = np.indices((60, 80))
    labels = 1 + rows // 20 + 3 * (columns // 20)
    return np.pad(labels, 10).astype(np.int32)


def _fooled(paint):
    """Whether a painted prediction has pixels right, no cell right, and paints at all."""
    truth = _touching()
    painted = np.asarray(paint(truth.copy()))
    found = scoring.score(truth, painted.astype(np.int32), scoring.CHALLENGE)
    return found["foreground_dice"] >= 0.9, found["f1"] == 0, painted.any()


FOOL = Exercise(
    name="high-dice-no-cell",
    kind="investigate",
    section="Does a good Dice mean a good F1?",
    title="a high Dice and not one cell",
    question="""
Write `paint(truth)`: it is given the labels of a block of twelve touching cells (integers, 0 is
background) and gives back found labels of the same shape, with a foreground Dice of at least 0.9
and an F1 of 0. So all pixels are about right, and no cell is.
""",
    answer="paint",
    stub="def paint(truth):\n    return ...",
    hint="""
Dice sees only whether a pixel belongs to *some* cell. What can you do to the numbers of the cells
without touching the background? There are two quite different ways.
""",
    solution="def paint(truth):\n    return (truth > 0).astype(int)  # one cell for all",
    also=(
        """
def paint(truth):
    rows = np.arange(len(truth))[:, None]
    return np.where(truth > 0, 1 + truth * 1000 + rows // 5, 0)  # each cell in slices
""",
    ),
    wrong=(
        Wrong(
            "empty",
            "def paint(truth):\n    return np.zeros_like(truth)",
            "No cell is right, and no pixel of a cell either: without any found cell Dice is 0.",
        ),
        Wrong(
            "the truth itself",
            "def paint(truth):\n    return truth",
            "The pixels are right, but at least one cell is right as well.",
        ),
        Wrong(
            "background as well",
            "def paint(truth):\n    return np.ones_like(truth)",
            "Not one cell is right, but too many pixels are wrong: leave the background alone.",
        ),
    ),
    otherwise="Look at your labels: which pixels are not 0, and which cell does each piece meet?",
    tries=_fooled,
)

NAMES = Exercise(
    name="name-the-error",
    kind="predict",
    section="What went wrong with each missed cell?",
    title="what is its name?",
    question="""
Four true cells of 100 pixels were not matched. What lies on each:

* **first:** one piece of 40 pixels, wholly inside the cell;
* **second:** one piece of 230 pixels, which covers this cell and its neighbour;
* **third:** three pieces of 30 pixels, all inside the cell;
* **fourth:** one piece of 100 pixels, 40 of which are inside the cell.

Name the errors in this order, with the words of the text above.
""",
    answer="answer",
    stub="answer = [..., ..., ..., ...]",
    hint="""
Ask how many pieces lie mostly in the cell, and how many cells a piece holds.
""",
    solution='answer = ["eroded", "merged", "split", "displaced"]',
    also=('answer = ("Eroded", "Merged", "Split", "Displaced")',),
    wrong=(
        Wrong(
            "within for beside",
            'answer = ["displaced", "merged", "split", "eroded"]',
            "Two of the names have changed places: which piece lies within its cell, and which "
            "partly beside it?",
        ),
        Wrong(
            "one piece splits",
            'answer = ["split", "merged", "split", "displaced"]',
            "The first has a single piece on it. What is cut in two leaves more than that.",
        ),
        Wrong(
            "not matched for not found",
            'answer = ["not found", "merged", "split", "not found"]',
            "Not matched is not the same as not found: something lies on each of these cells.",
        ),
        Wrong(
            "names of pieces",
            'answer = ["eroded", "merged", "split", "spurious"]',
            "The last word is for pieces that meet no cell at all; this one meets a cell.",
        ),
        Wrong(
            "one of many for many of one",
            'answer = ["eroded", "split", "merged", "displaced"]',
            "In the second, are two cells in one piece, or is one cell in two pieces?",
        ),
    ),
    otherwise="Give four of the six words, in the order of the list.",
    tries=list,
)

EXERCISES = (MATCHING, MERGED, FOOL, NAMES)
