"""Exercises of the notebook on the data: sizes, contact, and what a score notices."""

import numpy as np

from twodints_lib.exercises.exercise import Exercise, Wrong


def _labels():
    """Label images: apart, side by side, corner to corner, with numbers left out, one large."""
    apart = np.zeros((12, 16), int)
    apart[1:4, 1:4], apart[6:11, 2:9], apart[2:4, 12:15] = 1, 2, 3
    pairs = np.zeros((14, 14), int)
    pairs[1:5, 1:5], pairs[1:5, 5:8] = 1, 2
    pairs[8:11, 1:4], pairs[11:13, 4:7] = 4, 7
    pairs[8:12, 10:13] = 9
    return [apart, pairs, np.pad(np.full((9, 9), 5), 2)]


DIAMETER = Exercise(
    name="diameters-of-cells",
    kind="implement",
    section="What makes them hard?",
    title="how large is a cell?",
    question="""
A cell's *diameter* is here that of the disc with as many pixels. Write `sizes_of(labels)`: the
diameters of all cells of a label image, in the order of their numbers. 0 is background, and some
numbers may be missing.
""",
    answer="sizes_of",
    stub="def sizes_of(labels):\n    return ...",
    hint=r"""
A disc of diameter $d$ has the area $\pi d^2 / 4$. `np.unique(labels, return_counts=True)` gives the
numbers that occur and how many pixels each has.
""",
    solution="""
def sizes_of(labels):
    _, area = np.unique(labels[labels > 0], return_counts=True)
    return np.sqrt(4 * area / np.pi)
""",
    also=(
        """
def sizes_of(labels):
    found = []
    for number in sorted(set(labels.ravel()) - {0}):
        pixels = np.count_nonzero(labels == number)
        found.append(2 * (pixels / np.pi) ** 0.5)
    return found
""",
    ),
    wrong=(
        Wrong(
            "radius",
            """
def sizes_of(labels):
    _, area = np.unique(labels[labels > 0], return_counts=True)
    return np.sqrt(area / np.pi)
""",
            "That is the distance from the middle to the rim.",
        ),
        Wrong(
            "side of a square",
            """
def sizes_of(labels):
    _, area = np.unique(labels[labels > 0], return_counts=True)
    return np.sqrt(area)
""",
            "That is the side of the square with as many pixels.",
        ),
        Wrong(
            "background is a cell",
            """
def sizes_of(labels):
    _, area = np.unique(labels, return_counts=True)
    return np.sqrt(4 * area / np.pi)
""",
            "You measure the background too, as if it were one large cell.",
        ),
        Wrong(
            "missing numbers",
            """
def sizes_of(labels):
    return np.sqrt(4 * np.bincount(labels.ravel())[1:] / np.pi)
""",
            "Right where the numbers run on. Where some are missing you report cells without a "
            "pixel.",
        ),
        Wrong(
            "width",
            """
def sizes_of(labels):
    numbers = np.unique(labels[labels > 0])
    return [np.ptp(np.nonzero(labels == n)[1]) + 1 for n in numbers]
""",
            "That is how wide each cell is. A long cell has other widths when it is turned.",
        ),
    ),
    otherwise="Draw a square cell of 10 by 10 pixels and work out what should come out.",
    tries=lambda sizes_of: [sizes_of(labels) for labels in _labels()],
)

CONTACT = Exercise(
    name="cells-that-touch",
    kind="implement",
    section="What makes them hard?",
    title="which cells touch?",
    question="""
Write `in_contact(labels)`: the set of the numbers of all cells that touch another one. Two cells
touch where a pixel of the one is a neighbour of a pixel of the other, sideways, up and down, or
across a corner.
""",
    answer="in_contact",
    stub="def in_contact(labels):\n    return ...",
    hint="""
Lay the image over itself, moved by one pixel: `labels[:, :-1]` and `labels[:, 1:]` are left and
right neighbours. How many directions are there, when a pair counts from both sides?
""",
    solution="""
def in_contact(labels):
    found = set()
    views = [(labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])]
    views += [(labels[:-1, :-1], labels[1:, 1:]), (labels[1:, :-1], labels[:-1, 1:])]
    for a, b in views:
        meet = (a != b) & (a > 0) & (b > 0)
        found |= set(a[meet]) | set(b[meet])
    return found
""",
    also=(
        """
def in_contact(labels):
    from scipy.ndimage import binary_dilation

    found = []
    for number in np.unique(labels[labels > 0]):
        near = labels[binary_dilation(labels == number, np.ones((3, 3)))]
        if ((near > 0) & (near != number)).any():
            found.append(int(number))
    return found
""",
    ),
    wrong=(
        Wrong(
            "background counts",
            "def in_contact(labels):\n    return set(labels[labels > 0])",
            "Here every cell touches. Does the background count as a neighbour of yours?",
        ),
        Wrong(
            "no corners",
            """
def in_contact(labels):
    found = set()
    for a, b in [(labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])]:
        meet = (a != b) & (a > 0) & (b > 0)
        found |= set(a[meet]) | set(b[meet])
    return found
""",
            "Two cells that meet at a corner are missing.",
        ),
        Wrong(
            "one of each pair",
            """
def in_contact(labels):
    found = set()
    views = [(labels[:-1], labels[1:]), (labels[:, :-1], labels[:, 1:])]
    views += [(labels[:-1, :-1], labels[1:, 1:]), (labels[1:, :-1], labels[:-1, 1:])]
    for a, b in views:
        found |= set(a[(a != b) & (a > 0) & (b > 0)])
    return found
""",
            "You name one cell of a pair. Whoever is touched touches as well.",
        ),
        Wrong(
            "connected pieces",
            """
def in_contact(labels):
    from scipy.ndimage import label

    pieces = label(labels > 0)[0]
    large = np.bincount(pieces.ravel())[pieces] > 12
    return set(labels[(labels > 0) & large])
""",
            "You look at how large a connected piece is, not at how many cells are in it.",
        ),
    ),
    otherwise="Draw three cells on squared paper, two of them corner to corner, and go by hand.",
    tries=lambda in_contact: [_numbers(in_contact(labels.copy())) for labels in _labels()],
)


def _numbers(found):
    return found if found is ... or found is None else sorted({int(n) for n in found})


NOTICED = Exercise(
    name="what-dice-notices",
    kind="predict",
    section="What do the dials do?",
    title="does Dice notice contact?",
    question="""
Below, a threshold finds cells in images in which hardly any cells touch, and in others in which
nearly all do. Everything else stays as it was. What happens from the first to the second to the
Dice of the pixels, and what to the F1 of the cells? Answer with two words out of `"rises"`,
`"same"` (within a few hundredths) and `"falls"`.
""",
    answer="answer",
    stub="answer = (..., ...)  # Dice, F1",
    hint="""
A threshold decides pixel by pixel. Does a pixel change its brightness because another cell is its
neighbour? And how many pieces does a pair of touching cells make?
""",
    solution='answer = ("same", "falls")',
    also=('answer = ["Same", "Falls"]',),
    wrong=(
        Wrong(
            "both notice",
            'answer = ("falls", "falls")',
            "You let both fall. Which pixel is told wrong because its cell has a neighbour?",
        ),
        Wrong(
            "neither notices",
            'answer = ("same", "same")',
            "Two cells that touch make one connected piece. What does a count of cells say to it?",
        ),
        Wrong(
            "mixed up",
            'answer = ("falls", "same")',
            "Which of the two looks at pixels alone, and which at whole cells?",
        ),
        Wrong(
            "contact helps",
            'answer = ("rises", "rises")',
            "Contact makes nothing easier for who has to count.",
        ),
    ),
    otherwise="Give two of the three words, first for Dice, then for F1.",
    tries=tuple,
)

EXERCISES = (DIAMETER, CONTACT, NOTICED)
