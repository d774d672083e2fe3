"""Exercises of the notebook on one row: what a scale changes, and which comparison holds."""

from twodints_lib.exercises.exercise import Exercise, Wrong

PIXELS = Exercise(
    name="pixels-of-a-step",
    kind="predict",
    section="What is the row?",
    title="what does a smaller scale save?",
    question="""
At true size a step sees 16 patches of 256 pixels a side; at another scale it sees 2 patches of 128.
Predict how many times fewer pixels that is.
""",
    answer="answer",
    stub="answer = ...",
    hint="""
Write down the pixels of one step at either scale: patches times pixels of a patch.
""",
    solution="answer = (16 * 256**2) / (2 * 128**2)",
    also=("answer = 8 * 2 * 2", "answer = 32"),
    wrong=(
        Wrong(
            "patches alone",
            "answer = 16 / 2",
            "So many times fewer patches. The patches themselves shrink as well.",
        ),
        Wrong(
            "sides for areas",
            "answer = 8 * 2",
            "You took the side of a patch for its pixels. It has two sides.",
        ),
        Wrong(
            "the side alone",
            "answer = 256 / 128",
            "That is how much shorter a side is.",
        ),
        Wrong(
            "both squared",
            "answer = 8**2 * 2**2",
            "Patches lie behind each other, not in a square: their number is not squared.",
        ),
    ),
    otherwise="Work out the pixels of a step at either scale, then divide.",
)

HOLDS = Exercise(
    name="which-comparison-holds",
    kind="investigate",
    section="What are its scores worth beside the printed ones?",
    title="which of these sentences may stand?",
    question="""
Five people ran rows at a small scale and wrote a sentence each:

* **A.** "Our Dice is lower than the printed one, so the paper's number is too high."
* **B.** "Row DiNTS beats row UNet with our seed, so DiNTS is the better network at this scale."
* **C.** "Over five seeds, on the same images, the interval of DiNTS minus UNet lies above zero, so
  at this scale DiNTS is better."
* **D.** "At this scale the rows come in the paper's order, so at true size they would too."
* **E.** "Our best row is the largest network, so a search is of no use."

One of them follows from what was done. Which?
""",
    answer="answer",
    stub='answer = ...  # a letter, such as "X"',
    hint="""
Ask of each: was the same thing compared with the same thing, was it done more than once, and does
the sentence stay with what was measured?
""",
    solution='answer = "C"',
    also=('answer = " c"',),
    wrong=(
        Wrong(
            "another scale",
            'answer = "A"',
            "Other images, another size and another length: the two numbers are of different "
            "things, and either may be right.",
        ),
        Wrong(
            "one seed",
            'answer = "B"',
            "With another seed the order may turn round. How often was it tried?",
        ),
        Wrong(
            "beyond what was measured",
            'answer = "D"',
            "An order at one scale is known for that scale. What widths and lengths do to it was "
            "not measured.",
        ),
        Wrong(
            "one cause of many",
            'answer = "E"',
            "That the largest leads may be due to its size. Whether a search earns something shows "
            "beside networks of one size.",
        ),
    ),
    otherwise="Give one letter from A to E, as text.",
)

EXERCISES = (PIXELS, HOLDS)
