"""Exercises of the notebook on targets: grey values, what erosion costs, Dice by hand."""

import numpy as np

from twodints_lib.exercises.exercise import Exercise, Wrong


def _masks():
    """Pairs of masks: any two, one in the other, apart, one empty, both empty."""
    rng = np.random.default_rng(2)
    some, other = rng.random((2, 12, 12)) < [[[0.3]], [[0.6]]]
    left, right = np.zeros((2, 12, 12), bool)
    left[2:6, 2:6], right[7:10, 7:11] = True, True
    none = np.zeros((12, 12), bool)
    return [(some, other), (some & other, other), (left, right), (left, none), (none, none)]


def _channels():
    """Grey images with dust, hot pixels and much or little that is exactly zero."""
    rng = np.random.default_rng(9)
    dark = rng.gamma(2, 300, (24, 24))
    dark[:14] = 0
    dark[20, 20] = 60_000
    plain = rng.normal(120, 12, (24, 24)).clip(1, 255)
    plain[3, 3] = 255
    return [dark, plain]


STRETCH = Exercise(
    name="stretch-a-channel",
    kind="implement",
    section="What does a network see of an image?",
    title="stretch a channel",
    question="""
Write `stretch(channel)`: find the 1st and the 99th percentile of the channel's **non-zero** pixels,
clip the whole channel to them, and map it so that the lower becomes 0 and the upper 255. Whether
you round is up to you.
""",
    answer="stretch",
    stub="def stretch(channel):\n    return ...",
    hint="""
`np.percentile(values, [1, 99])` gives both limits, `channel[channel > 0]` the pixels to ask.
""",
    solution="""
def stretch(channel):
    low, high = np.percentile(channel[channel > 0], [1, 99])
    return (channel.clip(low, high) - low) / (high - low) * 255
""",
    also=(
        """
def stretch(channel):
    values = np.sort(channel[channel != 0])
    low, high = (np.interp(q * (len(values) - 1), range(len(values)), values) for q in (0.01, 0.99))
    return np.interp(channel, [low, high], [0, 255]).astype(np.uint8)
""",
    ),
    wrong=(
        Wrong(
            "minimum and maximum",
            """
def stretch(channel):
    low, high = channel.min(), channel.max()
    return (channel - low) / (high - low) * 255
""",
            "You stretch between the extremes, so that a single hot pixel darkens everything else.",
        ),
        Wrong(
            "zeros as well",
            """
def stretch(channel):
    low, high = np.percentile(channel, [1, 99])
    return (channel.clip(low, high) - low) / (high - low) * 255
""",
            "Your percentiles count the empty pixels too: how bright an image comes out would "
            "depend on how much of it is empty.",
        ),
        Wrong(
            "no clip",
            """
def stretch(channel):
    low, high = np.percentile(channel[channel > 0], [1, 99])
    return (channel - low) / (high - low) * 255
""",
            "What lies outside the two limits leaves the range.",
        ),
        Wrong(
            "clipped and not stretched",
            """
def stretch(channel):
    return channel.clip(*np.percentile(channel[channel > 0], [1, 99]))
""",
            "You cut off what is outside, and leave the rest where it was.",
        ),
    ),
    otherwise="Look at the smallest and the largest value of what you return.",
    tries=lambda stretch: [stretch(channel.copy()) for channel in _channels()],
    tolerance=1.01,
)

EROSION = Exercise(
    name="erosion-of-a-small-cell",
    kind="predict",
    section="And back: which cells does a perfect network lose?",
    title="what is left of a small cell?",
    question="""
A round cell is 12 pixels across. The recipe takes two pixels off it, all around, and draws what is
left. Before you run the next cell: which IoU has the found cell with the true one? Two decimals
are enough. Then say for yourself whether it counts as found.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
The found cell lies inside the true one. So their intersection is the small disc, and their union
the large one. How does a disc's area depend on its radius?
""",
    solution="answer = (6 - 2) ** 2 / 6**2  # under one half: not found",
    also=("answer = np.pi * 4**2 / (np.pi * 6**2)", "answer = 0.44"),
    wrong=(
        Wrong(
            "lengths for areas",
            "answer = (12 - 4) / 12",
            "That is the share of the diameter that is left. IoU counts pixels, which fill areas.",
        ),
        Wrong(
            "two pixels off the diameter",
            "answer = (12 - 2) ** 2 / 12**2",
            "You took two pixels off the diameter; they go on either side.",
        ),
        Wrong(
            "what is lost",
            "answer = 1 - 4**2 / 6**2",
            "That is the share of the cell that is lost. IoU asks for what both have in common.",
        ),
        Wrong(
            "Dice for IoU",
            "answer = 2 * 4**2 / (4**2 + 6**2)",
            "That is the Dice of the two discs. IoU divides by what at least one of them covers.",
        ),
    ),
    otherwise="Draw both discs and write down their radii, then their areas.",
    tolerance=0.01,
)

SMALLEST = Exercise(
    name="smallest-cell",
    kind="implement",
    section="And back: which cells does a perfect network lose?",
    title="the smallest cell that survives",
    question=r"""
A disc of radius $r$ keeps $(r - 2)^2 / r^2$ of its area. Write `smallest(iou)`: the diameter, in
pixels, from which on a round cell reaches this IoU. For a half it is the number printed above.
""",
    answer="smallest",
    stub="def smallest(iou):\n    return ...",
    hint=r"""
Set $(r - 2)^2 / r^2$ equal to the IoU and take the square root of both sides. What is left is
linear in $r$. And mind the difference between $r$ and what is asked for.
""",
    solution="def smallest(iou):\n    return 4 / (1 - iou**0.5)",
    also=(
        """
def smallest(iou):
    a, b, c = 1 - iou, -4, 4  # r^2 - 4 r + 4 = iou r^2
    r = (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a)
    return 2 * r
""",
    ),
    wrong=(
        Wrong(
            "no square root",
            "def smallest(iou):\n    return 4 / (1 - iou)",
            "You treat the share of the area as a share of the radius.",
        ),
        Wrong(
            "radius for diameter",
            "def smallest(iou):\n    return 2 / (1 - iou**0.5)",
            "Your formula is right for another length than the one that is asked for.",
        ),
        Wrong(
            "share that is lost",
            "def smallest(iou):\n    return 4 / (1 - (1 - iou) ** 0.5)",
            "You solve for the share that is lost; your cells get smaller where more is demanded.",
        ),
    ),
    otherwise="Try it on an IoU of one half and compare with what the notebook printed.",
    tries=lambda smallest: [smallest(iou) for iou in (0.5, 0.6, 0.75, 0.9)],
    tolerance=0.05,
)

DICE = Exercise(
    name="dice-by-hand",
    kind="implement",
    section="How high is the ceiling, then?",
    title="Dice by hand",
    question=r"""
The bars above count cells. The paper's Table 4 counts pixels: for two sets of pixels $A$ and $B$,

$$\mathrm{Dice}(A, B) = \frac{2\,|A \cap B|}{|A| + |B|}.$$

Write it for two boolean masks of one shape. Two empty masks agree, so their Dice is 1.
""",
    answer="dice",
    stub="def dice(a, b):\n    return ...",
    hint="""
`a & b` is the intersection of two boolean masks, and `.sum()` counts the pixels of a mask. Which
of your sums can be zero?
""",
    solution="""
def dice(a, b):
    size = a.sum() + b.sum()
    return 2 * (a & b).sum() / size if size else 1.0
""",
    also=(
        """
def dice(a, b):
    found, missed, spurious = (a & b).sum(), (a & ~b).sum(), (b & ~a).sum()
    if not a.any() and not b.any():
        return 1.0
    return found / (found + (missed + spurious) / 2)
""",
        """
def dice(a, b):
    a, b = (set(np.flatnonzero(m)) for m in (a, b))
    return 2 * len(a.intersection(b)) / max(1, len(a) + len(b)) if a or b else 1
""",
    ),
    wrong=(
        Wrong(
            "IoU for Dice",
            """
def dice(a, b):
    return (a & b).sum() / (a | b).sum() if (a | b).any() else 1.0
""",
            "That divides by the union, which is IoU: it is smaller wherever the masks differ.",
        ),
        Wrong(
            "forgets two empty masks",
            """
def dice(a, b):
    with np.errstate(invalid="ignore"):
        return 2 * (a & b).sum() / (a.sum() + b.sum())
""",
            "Right where there is something to count. Read the last sentence of the question.",
        ),
        Wrong(
            "counts the background",
            "def dice(a, b):\n    return (a == b).mean()",
            "That is the share of pixels that agree. Two small masks far apart agree nearly "
            "everywhere, on background; Dice looks at the masks alone.",
        ),
        Wrong(
            "without the factor 2",
            """
def dice(a, b):
    size = a.sum() + b.sum()
    return (a & b).sum() / size if size else 1.0
""",
            "A mask compared with itself should reach 1. What does yours give?",
        ),
        Wrong(
            "precision",
            """
def dice(a, b):
    return (a & b).sum() / b.sum() if b.any() else float(not a.any())
""",
            "That changes when the masks trade places. Dice does not.",
        ),
    ),
    otherwise="Try it on two small masks that you count by hand.",
    tries=lambda dice: [dice(a, b) for a, b in _masks()],
)

EXERCISES = (STRETCH, EROSION, SMALLEST, DICE)
