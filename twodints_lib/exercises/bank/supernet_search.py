"""Exercises of the notebook on the search: a path's probability, its entropy, its pull, memory."""

import numpy as np

from twodints_lib.exercises.exercise import Exercise, Wrong


def _logits():
    """Path logits of five blocks, flat and far from flat."""
    rng = np.random.default_rng(5)
    return [np.zeros(1), np.zeros(4), rng.normal(0, 1, 4), rng.normal(0, 2, 7), np.full(4, -3.0)]


PROBABILITY = Exercise(
    name="probability-of-a-path",
    kind="implement",
    section="How does a choice become a number that can be trained?",
    title="the probability of a path",
    question=r"""
Path $i$ of a block has the logit $\alpha_i$; alone, it would be on with probability
$\sigma(\alpha_i) = 1 / (1 + e^{-\alpha_i})$, whatever the others do. But a block without any
path is not allowed. Write `probability(alpha)`: the probability of each path to be on, given that
at least one path of its block is. `alpha` is an array with a block's logits.
""",
    answer="probability",
    stub="def probability(alpha):\n    return ...",
    hint=r"""
$P(\text{on} \mid \text{some on}) = P(\text{on and some on}) / P(\text{some on})$. A path that is on
is itself "some". And the opposite of "some on" is that all are off: a product.
""",
    solution="""
def probability(alpha):
    p = 1 / (1 + np.exp(-alpha))
    return p / (1 - np.prod(1 - p))
""",
    also=(
        """
def probability(alpha):
    size = len(alpha)
    codes = np.arange(1, 2**size)[:, None] >> np.arange(size) & 1  # all but the empty block
    odds = np.exp(codes @ alpha)
    return odds @ codes / odds.sum()
""",
    ),
    wrong=(
        Wrong(
            "each path for itself",
            "def probability(alpha):\n    return 1 / (1 + np.exp(-alpha))",
            "That is the chance of a path alone. A block with a single path must give 1.",
        ),
        Wrong(
            "softmax",
            "def probability(alpha):\n    return np.exp(alpha) / np.exp(alpha).sum()",
            "Yours add up to 1, as if exactly one path could be on. Several can.",
        ),
        Wrong(
            "shares",
            """
def probability(alpha):
    p = 1 / (1 + np.exp(-alpha))
    return p / p.sum()
""",
            "You turn chances into shares that add up to 1. Paths of a block are no rivals.",
        ),
        Wrong(
            "not all on",
            """
def probability(alpha):
    p = 1 / (1 + np.exp(-alpha))
    with np.errstate(divide="ignore"):
        return p / (1 - np.prod(p))
""",
            "You exclude the block with all paths on. Which one is not allowed?",
        ),
        Wrong(
            "one more is needed",
            """
def probability(alpha):
    p = 1 / (1 + np.exp(-alpha))
    some = 1 - np.prod(1 - p)
    return p * some
""",
            "You multiply by the chance that some path is on, so that yours get smaller. Knowing "
            "that the block is not empty makes every path likelier.",
        ),
    ),
    otherwise="Try two paths of logit 0: of four blocks, equally likely, one is not allowed.",
    tries=lambda probability: [probability(alpha.copy()) for alpha in _logits()],
)

ENTROPY = Exercise(
    name="entropy-of-a-path",
    kind="implement",
    section="What else does DiNTS ask of the alphas?",
    title="how undecided is a path?",
    question=r"""
A path that is on with probability $p$ has the entropy $-p \log_2 p - (1 - p) \log_2 (1 - p)$, in
bits. Write `entropy(p)` for an array of probabilities. A path that has decided, $p = 0$ or $p = 1$,
has none: nothing is uncertain any more, and $0 \log 0$ counts as 0.
""",
    answer="entropy",
    stub="def entropy(p):\n    return ...",
    hint="""
It is 1 where nothing is decided and has the same value for a chance and its opposite. For the ends
of the range, `scipy.special.xlogy` or a clip to tiny numbers helps.
""",
    solution="""
def entropy(p):
    from scipy.special import xlogy

    return -(xlogy(p, p) + xlogy(1 - p, 1 - p)) / np.log(2)
""",
    also=(
        """
def entropy(p):
    bits = 0
    for q in (np.clip(p, 1e-12, 1), np.clip(1 - p, 1e-12, 1)):
        bits = bits - q * np.log2(q)
    return bits
""",
    ),
    wrong=(
        Wrong(
            "nats for bits",
            """
def entropy(p):
    from scipy.special import entr

    return entr(p) + entr(1 - p)
""",
            "Right in nats. In bits an even chance has an entropy of 1.",
        ),
        Wrong(
            "half of it",
            """
def entropy(p):
    from scipy.special import entr

    return entr(p) / np.log(2)
""",
            "You count the chance of being on alone. Yours differs for a chance and its opposite.",
        ),
        Wrong(
            "sign",
            """
def entropy(p):
    from scipy.special import xlogy

    return (xlogy(p, p) + xlogy(1 - p, 1 - p)) / np.log(2)
""",
            "Logarithms of chances are negative; an entropy is not.",
        ),
        Wrong(
            "the ends",
            """
def entropy(p):
    with np.errstate(all="ignore"):
        return -p * np.log2(p) - (1 - p) * np.log2(1 - p)
""",
            "Right between the ends. What does it give for a path that has decided?",
        ),
        Wrong(
            "variance",
            "def entropy(p):\n    return 4 * p * (1 - p)",
            "That is a parabola: as high in the middle and as low at the ends, but no entropy.",
        ),
    ),
    otherwise="Compare with what you expect for an even chance, for one in four, and at the ends.",
    tries=lambda entropy: entropy(np.array([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])),
)

SLOPE = Exercise(
    name="pull-of-the-entropy",
    kind="predict",
    section="Where does each term lead, and how hard does it pull?",
    title="how hard does the entropy pull at the start?",
    question=r"""
A single path with the logit $\alpha$ is on with $p = \sigma(\alpha)$, and the entropy of $p$ is to
be made small. Before the search all logits are about nought, so $p$ is one half. Predict the
derivative of the entropy with respect to $\alpha$ there.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
Draw the entropy over p. Where is it largest, and which slope has a smooth curve at its top?
""",
    solution="answer = 0  # the top of the curve is flat: who is undecided is not pulled",
    also=(
        """
def bits(alpha):
    p = 1 / (1 + np.exp(-alpha))
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


answer = (bits(1e-4) - bits(-1e-4)) / 2e-4
""",
    ),
    wrong=(
        Wrong(
            "value for slope",
            "answer = 1",
            "That is the entropy itself, in bits, and it is largest here. What is asked for is how "
            "fast it changes.",
        ),
        Wrong(
            "slope of the probability",
            "answer = 0.25",
            "So fast does p change with its logit. By the chain rule the slope of the entropy "
            "over p comes as a factor.",
        ),
        Wrong(
            "probability for slope",
            "answer = 0.5",
            "That is p. What is asked for is how fast the entropy changes.",
        ),
        Wrong(
            "downhill at once",
            "answer = -1",
            "Which way is down here? Both ways are alike, so neither sign can be right.",
        ),
    ),
    otherwise="Compare the entropy a little to the left of one half and a little to the right.",
    tolerance=1e-3,
)

REST = Exercise(
    name="budget-at-rest",
    kind="predict",
    section="How much memory would it take?",
    title="which budget does an untouched supernet meet?",
    question=r"""
Before a search all logits are about nought, so each path of a large block is on with $p_i$ of about
one half. While the supernet is trained, all of its paths are computed and kept. Predict the budget
$\beta$ at which the memory term $M = |m - \beta|$ is zero then, with one decimal. Read what $m$
counts once more.
""",
    answer="answer",
    stub="answer = ...",
    hint=r"""
$m$ is a mean of the $p_i$ with the weights $m_{bi}$. What is the mean of numbers that are all about
the same?
""",
    solution="answer = 0.5  # the mean of the probabilities, whatever each path keeps",
    also=(
        """
p, kept = np.full(10, 0.5), np.random.default_rng(0).uniform(1, 10, 10)
answer = (p * kept).sum() / kept.sum()
""",
    ),
    wrong=(
        Wrong(
            "what is computed",
            "answer = 1.0",
            "So much does the training itself take. The term asks what a network drawn from the "
            "alphas is expected to take.",
        ),
        Wrong(
            "what is asked for",
            "answer = 0.8",
            "That is the usual budget. Is the term zero there before anything has moved?",
        ),
        Wrong(
            "undecided is free",
            "answer = 0.0",
            "No path has been chosen, and yet each is expected to be there now and then.",
        ),
        Wrong(
            "one path alone",
            "answer = 0.1",
            "That would be one of ten paths. In the sum each counts by its probability.",
        ),
    ),
    otherwise="Write down the formula of m for two paths with the same probability.",
    tolerance=0.02,
)

EXERCISES = (PROBABILITY, ENTROPY, REST, SLOPE)
