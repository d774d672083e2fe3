"""Exercises of the notebook on the paper's tables: luck, intervals, counts."""

from twodints_lib.exercises.exercise import Exercise, Wrong
from twodints_lib.runs.report import markdown

HEADER = ("", "Dice of the searched network minus a control's", "95 % interval")
DIFFERENCES = (
    ("A", "+0.021", "+0.004 to +0.038"),
    ("B", "+0.048", "-0.015 to +0.111"),
    ("C", "-0.030", "-0.052 to -0.008"),
    ("D", "+0.006", "+0.001 to +0.011"),
    ("E", "-0.002", "-0.047 to +0.043"),
)


def _letters(answer):
    """The letters of an answer, a text or a collection, in order."""
    if answer is None:
        return None
    return "".join(sorted(set("".join(answer).upper()) - set(" ,")))


INTERVALS = Exercise(
    name="what-an-interval-allows",
    kind="investigate",
    section="Table 4: does the order of the rows hold?",
    title="for which is there evidence?",
    question=f"""
Five invented comparisons of a searched network with a control, over the same seeds and images:

{markdown(HEADER, DIFFERENCES)}

For which of them is there evidence that the search **helped**? Give the letters, all in one text.
""",
    answer="answer",
    stub='answer = ...  # letters, such as "XY"',
    hint="""
An interval holds the differences that the data allow. The search helped where every one of them
says so. How large the difference is, is another question.
""",
    solution='answer = "AD"  # wholly above zero, however small',
    also=('answer = {"D", "A"}', 'answer = ["a", "d"]'),
    wrong=(
        Wrong(
            "every gain counts",
            'answer = "ABD"',
            "One of these gains is as well explained by luck: the data also allow a loss.",
        ),
        Wrong(
            "the largest gain",
            'answer = "B"',
            "The largest difference comes with the widest interval. Which values does it allow?",
        ),
        Wrong(
            "whatever excludes zero",
            'answer = "ACD"',
            "All of these differ from their control. In which direction, though?",
        ),
        Wrong(
            "small for none",
            'answer = "A"',
            "That one counts. There is another, whose gain is small but sure: evidence is about "
            "sign and certainty, not about size.",
        ),
        Wrong(
            "sides mixed up",
            'answer = "BE"',
            "In these, zero lies inside the interval: the data allow either sign.",
        ),
    ),
    otherwise="Go through the intervals one by one: which signs do they allow?",
    tries=_letters,
)

LEADER = Exercise(
    name="who-leads-by-luck",
    kind="predict",
    section="Table 4: does the order of the rows hold?",
    title="who leads by luck?",
    question="""
The paper's Table 4 has nine rows, each trained once: a UNet, three SegResNets and five variants of
DiNTS. Suppose that all nine were equally good, so that chance alone decides who has the highest
score. Predict the probability that the first place goes to **some** DiNTS.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
If all are alike, every row has the same chance to lead. How many of these chances are on one side?
""",
    solution="answer = 5 / 9",
    also=(
        "answer = (np.random.default_rng(0).normal(size=(200_000, 9)).argmax(1) >= 4).mean()",
        "answer = 0.56",
    ),
    wrong=(
        Wrong(
            "one row",
            "answer = 1 / 9",
            "That is the chance of one particular row. DiNTS has more than one ticket.",
        ),
        Wrong(
            "one in two",
            "answer = 1 / 2",
            "That would hold for two rows, one of each kind. Count tickets, not kinds.",
        ),
        Wrong(
            "one of three kinds",
            "answer = 1 / 3",
            "Three kinds of network, but not as many rows of each.",
        ),
        Wrong(
            "impossible by luck",
            "answer = 0.0",
            "Somebody always leads, also where there is nothing to choose between.",
        ),
    ),
    otherwise="Number the rows and count those that would make DiNTS the winner.",
    tolerance=0.01,
)

BACKWARDS = Exercise(
    name="found-cells-from-f1",
    kind="implement",
    section="Is it over-segmentation?",
    title="how many cells does an F1 stand for?",
    question=r"""
Papers print F1 and rarely the counts. From $F_1 = 2\,\mathrm{TP} / (2\,\mathrm{TP} + \mathrm{FP} +
\mathrm{FN})$, with all images taken together, write `matched(f1, n_true, n_pred)`: how many cells
were found rightly, given the numbers of true and of predicted cells.
""",
    answer="matched",
    stub="def matched(f1, n_true, n_pred):\n    return ...",
    hint=r"""
What are $\mathrm{TP} + \mathrm{FN}$ and $\mathrm{TP} + \mathrm{FP}$? The denominator is their sum.
""",
    solution="""
def matched(f1, n_true, n_pred):
    return f1 * (n_true + n_pred) / 2
""",
    also=(
        """
def matched(f1, n_true, n_pred):
    tries = np.linspace(0, min(n_true, n_pred), 200_001)
    fp, fn = n_pred - tries, n_true - tries
    return tries[np.abs(2 * tries / (2 * tries + fp + fn) - f1).argmin()]
""",
    ),
    wrong=(
        Wrong(
            "F1 for recall",
            "def matched(f1, n_true, n_pred):\n    return f1 * n_true",
            "You take F1 for the share of true cells that were found.",
        ),
        Wrong(
            "F1 for precision",
            "def matched(f1, n_true, n_pred):\n    return f1 * n_pred",
            "You take F1 for the share of predicted cells that are right.",
        ),
        Wrong(
            "twice as many",
            "def matched(f1, n_true, n_pred):\n    return f1 * (n_true + n_pred)",
            "With a perfect F1 and as many found cells as true ones you find more than there are.",
        ),
        Wrong(
            "the smaller number",
            "def matched(f1, n_true, n_pred):\n    return f1 * min(n_true, n_pred)",
            "The smaller of both is the most that can be matched, not what F1 is a share of.",
        ),
    ),
    otherwise="Make up counts TP, FP and FN, work out F1, and see whether yours leads back.",
    tries=lambda matched: [matched(0.5, 100, 60), matched(0.8, 40, 50), matched(1.0, 7, 7)],
    tolerance=0.01,
)

EXERCISES = (LEADER, INTERVALS, BACKWARDS)
