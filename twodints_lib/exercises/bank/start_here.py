"""The exercise of the first notebook: what a network has to draw, and how exercises answer."""

from twodints_lib.exercises.exercise import Exercise, Wrong

OUTPUTS = Exercise(
    name="what-a-network-draws",
    kind="predict",
    section="What is the way from pixels to cells?",
    title="what does the network draw?",
    question="""
This is how exercises look. Put your answer in place of the dots and run the cell; below it hint and
solution open on a click.

An image shows 250 cells. How many numbers does the network give for each pixel, if it learns the
target that is described above?
""",
    answer="answer",
    stub="answer = ...",
    hint="""
The network gives one number for each *class*: how likely the pixel belongs to it.
""",
    solution="answer = len(('background', 'interior', 'boundary'))",
    also=("answer = 3",),
    wrong=(
        Wrong(
            "a channel a cell",
            "answer = 250",
            "With a number for each cell the next image, with other cells, would need another "
            "network. Nothing in a pixel tells cell 17 from cell 18.",
        ),
        Wrong(
            "a channel a cell, and the background",
            "answer = 251",
            "You added the background to the cells. But the network does not number cells.",
        ),
        Wrong(
            "cell or not",
            "answer = 2",
            "Inside or outside would do if cells never touched. What has to be drawn between two "
            "that do?",
        ),
        Wrong(
            "one number",
            "answer = 1",
            "One number could hold the class itself. The network says for each class how likely "
            "it is.",
        ),
    ),
    otherwise="Count the classes that the text above names.",
)

EXERCISES = (OUTPUTS,)
