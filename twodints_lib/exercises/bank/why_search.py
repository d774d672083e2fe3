"""Exercises of the notebook on why one searches: regret, cost, luck and trust."""

import numpy as np

from twodints_lib.exercises.exercise import Exercise, Wrong


def _searches():
    """(truth, rows, seen): a lucky bad network, a revisited one, the best never asked for."""
    truth = np.array([0.5, 0.6, 0.4, 0.55, 0.45])
    return [
        (truth, [0, 2, 1, 3], [0.52, 0.58, 0.57, 0.49]),
        (truth, [4, 4, 3, 0], [0.41, 0.5, 0.45, 0.56]),
        (truth, [2, 1], [0.35, 0.62]),
    ]


REGRET = Exercise(
    name="regret-of-a-search",
    kind="implement",
    section="How far from the best does a search end?",
    title="the regret after each training",
    question="""
`truth` holds the true quality of every network, `rows` the networks in the order in which a search
trained them, and `seen` the score that each of these trainings reached. Write
`regrets(truth, rows, seen)`: the list of regrets, one after each training. The search would choose
the network with the highest score that it has seen so far.
""",
    answer="regrets",
    stub="def regrets(truth, rows, seen):\n    return ...",
    hint=r"""
After $t$ trainings look at the first $t$ scores alone: which place holds the highest? Which network
stands at that place in `rows`, and what is it truly worth?
""",
    solution="""
def regrets(truth, rows, seen):
    found = []
    for t in range(1, len(seen) + 1):
        chosen = rows[int(np.argmax(seen[:t]))]
        found.append(max(truth) - truth[chosen])
    return found
""",
    also=(
        """
def regrets(truth, rows, seen):
    best, found = 0, []
    for now, score in enumerate(seen):
        best = now if score > seen[best] else best
        found.append(np.max(truth) - truth[rows[best]])
    return np.array(found)
""",
    ),
    wrong=(
        Wrong(
            "what was seen is true",
            """
def regrets(truth, rows, seen):
    return max(truth) - np.maximum.accumulate(seen)
""",
            "You subtract the score that was seen. A lucky training would make regret negative.",
        ),
        Wrong(
            "an oracle chooses",
            """
def regrets(truth, rows, seen):
    return max(truth) - np.maximum.accumulate(np.asarray(truth)[rows])
""",
            "Your search chooses the truly best network that it met. How would it know?",
        ),
        Wrong(
            "the last one is chosen",
            """
def regrets(truth, rows, seen):
    return [max(truth) - truth[row] for row in rows]
""",
            "That is the network trained last. A search may keep an earlier one.",
        ),
        Wrong(
            "measured by the best that was met",
            """
def regrets(truth, rows, seen):
    best, found = max(truth[row] for row in rows), []
    for t in range(1, len(seen) + 1):
        found.append(best - truth[rows[int(np.argmax(seen[:t]))]])
    return found
""",
            "You compare with the best network that was trained. A search that never meets a good "
            "one would have no regret.",
        ),
        Wrong(
            "only at the end",
            """
def regrets(truth, rows, seen):
    return max(truth) - truth[rows[int(np.argmax(seen))]]
""",
            "That is the regret at the end. What was it after each training before?",
        ),
    ),
    otherwise="Take three networks worth 1, 2 and 3, train two of them, and go by hand.",
    tries=lambda regrets: [regrets(*one) for one in _searches()],
)

HALVING = Exercise(
    name="cost-of-halving",
    kind="predict",
    section="What do short trainings save?",
    title="what does one bracket cost?",
    question="""
Successive halving trains 27 networks for 600 steps and goes on with the best 9 of them to 1200.
Predict what that costs, in full trainings of 1200 steps.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
A network that goes on keeps what it has learned. How many steps are added in each round, and for
how many networks?
""",
    solution="answer = (27 * 600 + 9 * 600) / 1200",
    also=("answer = 18",),
    wrong=(
        Wrong(
            "every training is a full one",
            "answer = 27 + 9",
            "You let each of them train to the end. Most are stopped early.",
        ),
        Wrong(
            "each round begins anew",
            "answer = (27 * 600 + 9 * 1200) / 1200",
            "You train those that go on from scratch again. They stand at 600 steps already.",
        ),
        Wrong(
            "only what ends counts",
            "answer = 9",
            "You count those that reached the end. Were the others for nothing?",
        ),
        Wrong(
            "the first round is all",
            "answer = 27 * 600 / 1200",
            "That is the first round. Another follows.",
        ),
    ),
    otherwise="Add up the steps of each round, then divide by those of one full training.",
    tolerance=0.05,
)

LUCK = Exercise(
    name="luck-of-the-winner",
    kind="predict",
    section="Is the winner as good as it looked?",
    title="what is a winner's score worth?",
    question="""
A random search trains each network once and reports the best score that it saw. Beside it we lay
what the chosen network reaches on average over seeds. Is the reported score on average `"higher"`,
`"equal"` or `"lower"`? And the distance between the two, when the search trains 50 networks instead
of 5: does it `"grow"`, `"stay"` or `"shrink"`? Answer with two words.
""",
    answer="answer",
    stub="answer = (..., ...)",
    hint="""
Each score is the network's quality plus luck. Which trainings are the ones that come out on top:
those of good networks, or those with luck, or both? And of how many lots is the luckiest drawn?
""",
    solution='answer = ("higher", "grow")',
    also=('answer = ["Higher", "Grow"]',),
    wrong=(
        Wrong(
            "one training is fair",
            'answer = ("equal", "stay")',
            "One training, taken by itself, is fair. But this one was taken because it was high.",
        ),
        Wrong(
            "luck averages out",
            'answer = ("higher", "shrink")',
            "Luck averages out in a mean. A maximum of more lots is no mean.",
        ),
        Wrong(
            "luck is luck",
            'answer = ("higher", "stay")',
            "Throw one die, then ten, and look at the highest.",
        ),
        Wrong(
            "modest winners",
            'answer = ("lower", "grow")',
            "That would be the loser's score: who is taken for a high score, has it.",
        ),
    ),
    otherwise="Give two of the words, first for the score, then for the distance.",
    tries=tuple,
)

SEEDS = Exercise(
    name="seeds-for-trust",
    kind="implement",
    section="How far can the table itself be trusted?",
    title="how many seeds would it take?",
    question=r"""
Let $\rho_1$ be how well one seed ranks the networks like another. Write `seeds_for(rho, wanted)`:
the smallest number of seeds whose mean has at least the reliability `wanted`, by the formula above.
""",
    answer="seeds_for",
    stub="def seeds_for(rho, wanted):\n    return ...",
    hint=r"""
Start from one seed and add one at a time until $k\rho_1 / (1 + (k - 1)\rho_1)$ is large enough.
""",
    solution="""
def seeds_for(rho, wanted):
    k = 1
    while k * rho / (1 + (k - 1) * rho) < wanted:
        k += 1
    return k
""",
    also=(
        """
def seeds_for(rho, wanted):
    return max(1, int(np.ceil(wanted * (1 - rho) / (rho * (1 - wanted)))))
""",
    ),
    wrong=(
        Wrong(
            "in proportion",
            """
def seeds_for(rho, wanted):
    return max(1, int(np.ceil(wanted / rho)))
""",
            "You let reliability grow in proportion. With many seeds it would exceed one.",
        ),
        Wrong(
            "rounded down",
            """
def seeds_for(rho, wanted):
    return max(1, int(wanted * (1 - rho) / (rho * (1 - wanted))))
""",
            "With that many the mean falls just short of what was wanted.",
        ),
        Wrong(
            "the ceiling is meant",
            """
def seeds_for(rho, wanted):
    k = 1
    while (k * rho / (1 + (k - 1) * rho)) ** 0.5 < wanted:
        k += 1
    return k
""",
            "You ask for the ceiling, the root. The mean's own reliability is smaller.",
        ),
        Wrong(
            "luck is independent",
            """
def seeds_for(rho, wanted):
    k = 1
    while 1 - (1 - rho) ** k < wanted:
        k += 1
    return k
""",
            "That is the chance that one of k succeeds. Here the scores of k seeds are averaged.",
        ),
    ),
    otherwise="With a reliability of 0.5 for one seed two seeds give 2/3, and three give 3/4.",
    tries=lambda seeds_for: [
        seeds_for(rho, wanted)
        for rho, wanted in ((0.14, 0.8), (0.3, 0.5), (0.5, 0.7), (0.6, 0.55), (0.2, 0.85))
    ],
)

EXERCISES = (REGRET, HALVING, LUCK, SEEDS)
