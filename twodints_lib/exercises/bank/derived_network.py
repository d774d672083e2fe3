"""Exercises of the notebook on the derived network: which evidence is worth something."""

from twodints_lib.exercises.exercise import Exercise, Wrong
from twodints_lib.runs.report import markdown

SECTION = "Would any other network of the space have done?"

HEADER = ("", "F1 of the network found", "trained", "epoch chosen on, scored on", "seeds",
          "parameters", "random networks: parameters, F1")  # fmt: skip
REPORTS = (
    ("A", "0.66 ± 0.02", "anew", "validation, test", 5, "94,000",
     "10 of 60,000 to 130,000: 0.65 ± 0.02"),
    ("B", '0.64, "a first try"', "anew", "validation, test", 1, "71,000",
     "1 of 70,000: 0.66"),
    ("C", "0.71 ± 0.01", "in the search", "validation, test", 5, "488,000",
     "10 of 60,000 to 130,000: 0.65 ± 0.02"),
    ("D", "0.68 ± 0.02", "anew", "validation, test", 5, "210,000",
     "10 of 190,000 to 230,000: 0.67 ± 0.02"),
    ("E", '0.61 ± 0.03, "too high for new images"', "anew", "validation, validation", 5,
     "80,000", "10 of 70,000 to 90,000: 0.61 ± 0.03"),
)  # fmt: skip


def _accused(answer):
    """The letter, and the reason where the letter is the fake's."""
    letter, reason = answer
    if ... in (letter, reason):
        return ...
    letter = letter.strip().upper()
    return letter, reason if letter == "C" else ""


FAKE = Exercise(
    name="which-result-is-fake",
    kind="investigate",
    section=SECTION,
    title="which of these five results is fake?",
    question=f"""
Five invented reports of one study. Its supernet has 40 paths and 488,000 parameters, its images are
split into training, validation and test. Each report sets the network that was decoded from the
searched supernet beside random ones, which were trained, chosen and scored like it. F1 is a mean
over seeds, with its standard deviation.

{markdown(HEADER, REPORTS)}

Four of them are honest, weak as they may be; in one, the number is not that of the thing it is said
to be. Which one, and how do you see it? Give its letter and one of these reasons: `"leakage"`
(scored on images that were used before), `"seed"` (the luckiest of several), `"control"` (no random
network beside it), `"size"` (a larger network against smaller ones), `"supernet"` (the supernet's
score under the found network's name).
""",
    answer="answer",
    stub="answer = (..., ...)  # letter, reason",
    hint="""
A weak result that says how weak it is is not fake. Go through the columns *trained* and
*parameters*: which network can the number belong to?
""",
    solution="""
# Never trained anew, and as many parameters as the whole: this is the mixture, not a part of it.
answer = ("C", "supernet")
""",
    also=('answer = ["c", "Supernet"]',),
    wrong=(
        Wrong(
            "no gain is no result",
            'answer = ("A", "control")',
            "A stands beside ten random networks and hardly beats them. That is a finding, and it "
            "says so.",
        ),
        Wrong(
            "weak for fake",
            'answer = ("B", "seed")',
            "A single seed shows little, and B claims little: it calls itself a first try and "
            "shows a rival that did better.",
        ),
        Wrong(
            "large for unfair",
            'answer = ("D", "size")',
            "D is large, but look at the size of its rivals.",
        ),
        Wrong(
            "told for hidden",
            'answer = ("E", "leakage")',
            "E's images did choose the epoch. It says so, and its rivals had the same advantage, "
            "so that the difference stands.",
        ),
        Wrong(
            "symptom for cause",
            'answer = ("C", "size")',
            "The right one, and the sizes do differ. But how can a part be as large as the whole?",
        ),
        Wrong(
            "right report, no leak",
            'answer = ("C", "leakage")',
            "The right one. But its test images were used for nothing else; look elsewhere.",
        ),
    ),
    otherwise="Give a letter from A to E and one of the five reasons, both as text.",
    tries=_accused,
)

LUCK = Exercise(
    name="best-of-ten-seeds",
    kind="investigate",
    section=SECTION,
    title="what luck alone is worth",
    question="""
One network is trained with ten seeds; its scores scatter normally round their mean. Somebody
reports the best of the ten and holds it against the mean of a rival, which is the very same
network. How large is this "gain" on average, in standard deviations of the scatter? One decimal is
enough. Guess first, then let random numbers tell.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
`np.random.default_rng(0).normal(size=(10000, 10))` are ten thousand such studies. What does each of
them report?
""",
    solution="answer = np.random.default_rng(0).normal(size=(100_000, 10)).max(axis=1).mean()",
    also=(
        """
x = np.linspace(-8, 8, 4001)  # the best is under x when all ten are: P(x)^10
density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
below = np.cumsum(density) * (x[1] - x[0])
answer = np.sum(x * 10 * below**9 * density) * (x[1] - x[0])
""",
    ),
    wrong=(
        Wrong(
            "luck evens out",
            "answer = 0.0",
            "Means of many seeds even out. Here one seed is picked because it is the best.",
        ),
        Wrong(
            "one standard deviation",
            "answer = 1.0",
            "So far lies a typical seed from the mean. The best of ten is no typical one.",
        ),
        Wrong(
            "error of the mean",
            "answer = 1 / np.sqrt(10)",
            "That is how much a mean of ten seeds scatters. No mean of theirs is reported here.",
        ),
        Wrong(
            "grows with the root",
            "answer = np.sqrt(10)",
            "Sums grow with the root of their number; the largest of several grows more slowly.",
        ),
    ),
    otherwise="Draw ten random numbers a study, keep what it reports, and average over studies.",
    tolerance=0.1,
)

RIVALS = Exercise(
    name="rivals-of-ones-size",
    kind="implement",
    section="What does it cost?",
    title="rivals of one's own size",
    question="""
Larger networks often score better, whoever chose them. So a found network should stand beside
rivals of its own size. Write `fair(found, rivals)`: given the parameters of the network found and a
list of those of its rivals, the places in that list (0, 1, ...) of all rivals that differ from the
found network by at most a fifth **of its parameters**, up or down.
""",
    answer="fair",
    stub="def fair(found, rivals):\n    return ...",
    hint="""
The difference may be positive or negative; what it may be at most is a share of one of the two
numbers, and the question says of which.
""",
    solution="""
def fair(found, rivals):
    return [i for i, rival in enumerate(rivals) if abs(rival - found) <= found / 5]
""",
    also=(
        """
def fair(found, rivals):
    ratio = np.array(rivals) / found
    return np.flatnonzero((ratio >= 0.8) & (ratio <= 1.2))
""",
    ),
    wrong=(
        Wrong(
            "the weaker ones",
            """
def fair(found, rivals):
    return [i for i, rival in enumerate(rivals) if found * 0.8 <= rival <= found]
""",
            "You keep smaller rivals and drop larger ones: a contest that one cannot lose.",
        ),
        Wrong(
            "whatever is smaller",
            """
def fair(found, rivals):
    return [i for i, rival in enumerate(rivals) if rival <= found * 1.2]
""",
            "You have no lower limit: the tiniest network is no rival either.",
        ),
        Wrong(
            "a fifth of the rival",
            """
def fair(found, rivals):
    return [i for i, rival in enumerate(rivals) if abs(rival - found) <= rival / 5]
""",
            "A fifth, but of the other network's parameters: your limit moves with each rival.",
        ),
        Wrong(
            "the nearest alone",
            """
def fair(found, rivals):
    near = sorted(range(len(rivals)), key=lambda i: abs(rivals[i] - found))
    return near[:1]
""",
            "You keep the nearest one, however far it is, and a single rival is luck again.",
        ),
        Wrong(
            "sizes for places",
            """
def fair(found, rivals):
    return [rival for rival in rivals if abs(rival - found) <= found / 5]
""",
            "You give back how large they are. Their places in the list are asked for.",
        ),
    ),
    otherwise="Try it with a found network of 100 and rivals of 70, 90, 110 and 130.",
    tries=lambda fair: [
        fair(100, [79, 80, 81, 100, 120, 121, 124, 10]),
        fair(50_000, [90_000, 48_000, 61_000, 59_000]),
        fair(1000, [1900, 3000]),
    ],
)

EXERCISES = (RIVALS, FAKE, LUCK)
