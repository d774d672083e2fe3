"""Exercises of the notebook on baselines: weights, steps, and a split that does not leak."""

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

WEIGHTS = Exercise(
    name="weights-of-a-convolution",
    kind="implement",
    section="Which networks are these?",
    title="how many weights has a convolution?",
    question="""
The counts above are sums over layers. Write `weights(inputs, outputs, kernel, bias)`: the number of
weights of a convolution in two dimensions from `inputs` to `outputs` channels, whose kernel has
`kernel` pixels a side; `bias` says whether each output channel also adds a number of its own.
""",
    answer="weights",
    stub="def weights(inputs, outputs, kernel, bias):\n    return ...",
    hint="""
Each output channel looks at every input channel through a little image of its own.
""",
    solution="""
def weights(inputs, outputs, kernel, bias):
    return outputs * (inputs * kernel**2 + bool(bias))
""",
    also=(
        """
def weights(inputs, outputs, kernel, bias):
    from torch import nn

    layer = nn.Conv2d(inputs, outputs, kernel, bias=bias)
    return sum(p.numel() for p in layer.parameters())
""",
    ),
    wrong=(
        Wrong(
            "no bias",
            """
def weights(inputs, outputs, kernel, bias):
    return inputs * outputs * kernel**2
""",
            "Right without a bias. What comes on top with one?",
        ),
        Wrong(
            "one bias for all",
            """
def weights(inputs, outputs, kernel, bias):
    return inputs * outputs * kernel**2 + bool(bias)
""",
            "You add one number for the whole layer. Read whose number it is.",
        ),
        Wrong(
            "one kernel an output",
            """
def weights(inputs, outputs, kernel, bias):
    return outputs * (kernel**2 + bool(bias))
""",
            "You give each output channel one kernel, as if it looked at a single input channel.",
        ),
        Wrong(
            "a line for a square",
            """
def weights(inputs, outputs, kernel, bias):
    return outputs * (inputs * kernel + bool(bias))
""",
            "Your kernels are lines. In two dimensions they are squares.",
        ),
    ),
    otherwise="Count by hand for two input channels, three output channels and a 1x1 kernel.",
    tries=lambda weights: [
        weights(*case) for case in ((3, 16, 3, True), (8, 4, 1, False), (5, 5, 7, True))
    ],
)

STEPS = Exercise(
    name="steps-of-a-training",
    kind="predict",
    section="How do they learn?",
    title="how often are the weights moved?",
    question="""
120 training images give one patch each an epoch, a step takes 4 patches, and there are 20 epochs.
Predict how many steps the optimiser makes.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
How many steps does it take to see every image once?
""",
    solution="answer = 120 // 4 * 20",
    also=("answer = sum(1 for epoch in range(20) for first in range(0, 120, 4))", "answer = 600"),
    wrong=(
        Wrong(
            "patches for steps",
            "answer = 120 * 20",
            "So many patches are seen. A step takes several of them at once.",
        ),
        Wrong(
            "one epoch",
            "answer = 120 // 4",
            "So many steps has one epoch.",
        ),
        Wrong(
            "batches for patches",
            "answer = 4 * 20",
            "You multiplied the size of a batch by the epochs. Where are the images?",
        ),
        Wrong(
            "epochs",
            "answer = 20",
            "An epoch is a pass over all images, in many steps.",
        ),
    ),
    otherwise="Work out the steps of one epoch first.",
)

EXERCISES = (WEIGHTS, LEAK, STEPS)
