"""Exercises of the notebook on baselines: a split that does not leak."""

import numpy as np

from twodints_lib.exercises.exercise import Exercise, Wrong


def _split(validates):
    """For patches in order and in disorder: whether an image is on both sides, and the share."""
    tidy = np.repeat(np.arange(12), 4)
    told = []
    for source in (tidy, np.random.default_rng(1).permutation(tidy)):
        chosen = validates(source.copy())
        if chosen is ... or chosen is None:
            return chosen
        chosen = np.asarray(chosen, bool).reshape(source.shape)
        both = np.intersect1d(source[chosen], source[~chosen])
        told.append((len(both) > 0, _size(chosen.mean())))
    return told


def _size(share):
    limits = ((0, "none"), (0.1, "few"), (0.4, "fine"), (0.999, "many"), (1, "all"))
    return next(word for limit, word in limits if share <= limit)


LEAK = Exercise(
    name="patches-that-leak",
    kind="implement",
    section="What does a training step see?",
    title="a split that does not leak",
    question="""
A colleague cut every image into four patches and wants to keep some patches for validation.
`source[k]` is the number of the image from which patch `k` was cut; the patches may lie in any
order. Write `validates(source)`: an array of True for patches that validate and False for those
that train. About a quarter should validate, and no score may profit from what was trained on.
""",
    answer="validates",
    stub="def validates(source):\n    return ...",
    hint="""
Patches of one image share its cells, its light and its camera. So what has to be dealt out to the
two sides? `np.isin(source, some)` tells which patches come from some images.
""",
    solution="""
def validates(source):
    images = np.unique(source)
    return np.isin(source, images[: len(images) // 4])
""",
    also=(
        """
def validates(source):
    return source % 4 == 0
""",
        """
def validates(source):
    images = np.random.default_rng(3).permutation(sorted(set(source)))
    chosen = set(images[:3])
    return [s in chosen for s in source]
""",
    ),
    wrong=(
        Wrong(
            "patches dealt out one by one",
            """
def validates(source):
    return np.random.default_rng(0).random(len(source)) < 0.25
""",
            "Some patches that validate have a sister that trains: cut from one image, with the "
            "same light and parts of the same tissue.",
        ),
        Wrong(
            "the end of the list",
            """
def validates(source):
    return np.arange(len(source)) >= len(source) * 3 / 4
""",
            "That is clean only while the patches lie in the order of their images. Shuffled, "
            "they leak.",
        ),
        Wrong(
            "training for validation",
            """
def validates(source):
    images = np.unique(source)
    return ~np.isin(source, images[: len(images) // 4])
""",
            "Nothing leaks, but far more patches validate than train. Did you swap the sides?",
        ),
        Wrong(
            "everything validates",
            "def validates(source):\n    return source >= 0",
            "Every patch validates, and none is left to learn from.",
        ),
        Wrong(
            "nothing validates",
            "def validates(source):\n    return source < 0",
            "No patch validates: nothing leaks where nothing is measured.",
        ),
    ),
    otherwise="Check both: is any image on both sides, and does about a quarter validate?",
    tries=_split,
)

EXERCISES = (LEAK,)
