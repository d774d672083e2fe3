"""Exercises of the notebook on the paper's tables: what an interval allows one to say."""

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

EXERCISES = (INTERVALS,)
