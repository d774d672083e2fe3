"""Exercises of the notebook on the search: what a path's probability is."""

import numpy as np

from twodints_lib.exercises.exercise import Exercise, Wrong


def _logits():
    """Path logits of five blocks, flat and far from flat."""
    rng = np.random.default_rng(5)
    return [np.zeros(1), np.zeros(4), rng.normal(0, 1, 4), rng.normal(0, 2, 7), np.full(4, -3.0)]


PROBABILITY = Exercise(
    name="probability-of-a-path",
    kind="implement",
    section="How far did the path probabilities move?",
    title="the probability of a path",
    question=r"""
Path $i$ of a block has the logit $\alpha_i$; alone, it would be on with probability
$p_i = \sigma(\alpha_i) = 1 / (1 + e^{-\alpha_i})$, whatever the others do. But a block without any
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

EXERCISES = (PROBABILITY,)
