"""Exercises of the notebook on the search space: paths, fitting blocks, parameters, ranks."""

import numpy as np

from twodints_lib.exercises.exercise import Exercise, Wrong

PATHS = Exercise(
    name="paths-of-a-block",
    kind="implement",
    section="What does the lattice look like?",
    title="how many paths has a block?",
    question="""
With four resolutions a block has ten paths. Write `count_paths(depths)`, the number of paths of a
block with so many resolutions, one included. Count them at the finest and at the coarsest
resolution first.
""",
    answer="count_paths",
    stub="def count_paths(depths):\n    return ...",
    hint="""
From every resolution a path may go up, stay or go down. Two of them would leave the lattice: which?
""",
    solution="def count_paths(depths):\n    return 3 * depths - 2",
    also=(
        """
def count_paths(depths):
    places = range(depths)
    return sum(abs(a - b) <= 1 for a in places for b in places)
""",
    ),
    wrong=(
        Wrong(
            "paths that leave the lattice",
            "def count_paths(depths):\n    return 3 * depths",
            "You let three paths start everywhere. Where does the one that goes up from the finest "
            "resolution end?",
        ),
        Wrong(
            "every pair of resolutions",
            "def count_paths(depths):\n    return depths**2",
            "You connect every resolution with every other. A path goes one step at most.",
        ),
        Wrong(
            "no direction",
            "def count_paths(depths):\n    return 2 * depths - 1",
            "You count the way up and the way down between two resolutions as one. They are two "
            "paths.",
        ),
        Wrong(
            "one end forgotten",
            "def count_paths(depths):\n    return 3 * depths - 1",
            "You took away what is impossible at one end of the lattice. It has two.",
        ),
    ),
    otherwise="Draw two columns of two nodes each, and every path between them.",
    tries=lambda count_paths: [count_paths(depths) for depths in (1, 2, 3, 4, 6)],
)


def _blocks():
    """Pairs of neighbouring blocks, each a set of paths (from, to)."""
    return [
        ({(0, 0)}, {(0, 0)}),
        ({(0, 0)}, {(0, 1)}),
        ({(0, 0), (0, 1)}, {(0, 0)}),  # a node that nothing consumes
        ({(0, 0)}, {(0, 0), (1, 1)}),  # a node that nothing produced
        ({(0, 0), (1, 0)}, {(0, 1)}),
        ({(0, 1)}, {(0, 1)}),
        ({(0, 0), (1, 1)}, {(0, 1), (1, 0)}),
        ({(0, 1), (1, 2)}, {(1, 1), (1, 2), (2, 2)}),
        ({(0, 0), (1, 2)}, {(0, 1), (1, 0)}),  # as many nodes, others
        (set(), {(0, 0)}),
        (set(), set()),
    ]


def _verdicts(can_follow):
    """Yes or no for each pair of blocks; what is not filled in stays so."""
    said = [can_follow(set(a), set(b)) for a, b in _blocks()]
    return [x if x is ... or x is None else bool(x) for x in said]


FITS = Exercise(
    name="blocks-that-fit",
    kind="implement",
    section="How many networks are in it?",
    title="do two blocks fit?",
    question="""
A block is a set of paths, each a pair (resolution it starts from, resolution it ends at). Write
`can_follow(block, following)`: whether the second block can stand behind the first. It can where it
consumes the very nodes that the first produces. A block without any path fits nothing.
""",
    answer="can_follow",
    stub="def can_follow(block, following):\n    return ...",
    hint="""
Which nodes does a set of paths end at, and which does the next one start from? Python compares sets
with `==`.
""",
    solution="""
def can_follow(block, following):
    produced = {end for _, end in block}
    consumed = {start for start, _ in following}
    return bool(block) and produced == consumed
""",
    also=(
        """
def can_follow(block, following):
    fed = all(any(end == start for _, end in block) for start, _ in following)
    used = all(any(end == start for start, _ in following) for _, end in block)
    return len(block) > 0 and len(following) > 0 and fed and used
""",
    ),
    wrong=(
        Wrong(
            "a node may be left over",
            """
def can_follow(block, following):
    return bool(following) and {a for a, _ in following} <= {b for _, b in block}
""",
            "You let a node be computed that nothing consumes: a dead end, paid for in vain.",
        ),
        Wrong(
            "a node may be missing",
            """
def can_follow(block, following):
    return bool(block) and {b for _, b in block} <= {a for a, _ in following}
""",
            "You let a path start from a node that nothing produced.",
        ),
        Wrong(
            "one common node is enough",
            """
def can_follow(block, following):
    return bool({b for _, b in block} & {a for a, _ in following})
""",
            "You ask for one node in common. What happens at all the others?",
        ),
        Wrong(
            "as many nodes",
            """
def can_follow(block, following):
    return 0 < len({b for _, b in block}) == len({a for a, _ in following})
""",
            "You compare how many nodes there are. They must be the same nodes.",
        ),
        Wrong(
            "empty blocks",
            """
def can_follow(block, following):
    return {b for _, b in block} == {a for a, _ in following}
""",
            "Right for blocks with paths. Read the last sentence of the question.",
        ),
        Wrong(
            "starts with starts",
            """
def can_follow(block, following):
    return bool(block) and {a for a, _ in block} == {a for a, _ in following}
""",
            "You compare where both blocks start. The first hands over what it ends at.",
        ),
    ),
    otherwise="Draw both blocks behind each other and look at every node between them.",
    tries=_verdicts,
)

PARAMETERS = Exercise(
    name="parameters-of-an-edge",
    kind="predict",
    section="What does a network cost?",
    title="an edge at the coarsest resolution",
    question="""
Each step towards a coarser resolution doubles the channels. Two edges stay at their resolution and
convolve 3x3: one at the finest of four resolutions, one at the coarsest. Predict how many times as
many weights the coarse one has.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
A convolution has a small kernel for every pair of an input and an output channel. How many steps
are there from the finest to the coarsest of four resolutions?
""",
    solution="answer = (2**3) ** 2  # 9 c c weights, and c is eight times as large",
    also=("answer = (9 * 32 * 32) / (9 * 4 * 4)", "answer = 64"),
    wrong=(
        Wrong(
            "channels once",
            "answer = 2**3",
            "So many times the channels. A kernel is there for every pair of channels, though.",
        ),
        Wrong(
            "the same kernel",
            "answer = 1",
            "The kernels are as small at every resolution, but how many of them are there?",
        ),
        Wrong(
            "pixels",
            "answer = 1 / 4**3",
            "So few pixels has the coarse image. Weights do not depend on the size of the image.",
        ),
        Wrong(
            "four steps",
            "answer = (2**4) ** 2",
            "Count the steps again: four resolutions have fewer steps between them.",
        ),
    ),
    otherwise="Write down the number of weights of a 3x3 convolution from c to c channels.",
)


def _series():
    """Pairs of series without ties: curved, falling, in disorder, with one far away."""
    rng = np.random.default_rng(6)
    x = rng.permutation(9) + 1.0
    return [(x, x**3), (x, -np.sqrt(x)), (x, rng.normal(size=9)), (x, x + 40 * rng.random(9) ** 6)]


RANKS = Exercise(
    name="rank-correlation",
    kind="implement",
    section="Does the memory model hold?",
    title="does it rank?",
    question="""
To choose among networks, an estimate need not be right; it has to put them in the right order.
Write `rank_correlation(x, y)`, Spearman's: the correlation of the ranks of two arrays without equal
values. It is 1 where both put everything in one order, and -1 where the orders are opposite.
""",
    answer="rank_correlation",
    stub="def rank_correlation(x, y):\n    return ...",
    hint="""
The rank of a value is the number of values that are smaller. `np.argsort` gives places, not ranks:
the cell above shows how to come from one to the other.
""",
    solution="""
def rank_correlation(x, y):
    ranks = [np.argsort(np.argsort(v)) for v in (x, y)]
    return np.corrcoef(ranks)[0, 1]
""",
    also=(
        """
def rank_correlation(x, y):
    a, b = ((v[:, None] > v).sum(1) for v in (x, y))
    n = len(x)
    return 1 - 6 * ((a - b) ** 2).sum() / (n * (n**2 - 1))
""",
        """
def rank_correlation(x, y):
    from scipy.stats import spearmanr

    return spearmanr(x, y).statistic
""",
    ),
    wrong=(
        Wrong(
            "the values themselves",
            "def rank_correlation(x, y):\n    return np.corrcoef(x, y)[0, 1]",
            "You correlate the values. A curve that always rises should give 1, and one value far "
            "away should not decide.",
        ),
        Wrong(
            "places for ranks",
            """
def rank_correlation(x, y):
    return np.corrcoef(np.argsort(x), np.argsort(y))[0, 1]
""",
            "That correlates where the sorted values lie, not which rank each value has.",
        ),
        Wrong(
            "Kendall's",
            """
def rank_correlation(x, y):
    same = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return same.sum() / (len(x) * (len(x) - 1))
""",
            "That compares pairs and is Kendall's tau. Here Spearman's is asked for.",
        ),
        Wrong(
            "without a sign",
            """
def rank_correlation(x, y):
    return abs(np.corrcoef([np.argsort(np.argsort(v)) for v in (x, y)])[0, 1])
""",
            "Opposite orders should give a negative number.",
        ),
    ),
    otherwise="Write down the ranks of four numbers by hand and compare.",
    tries=lambda rank_correlation: [rank_correlation(x.copy(), y.copy()) for x, y in _series()],
)

EXERCISES = (PATHS, FITS, PARAMETERS, RANKS)
