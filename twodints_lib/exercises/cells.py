"""Exercises as cells of the notebooks: question, stub, and what opens on a click.

All that a reader sees comes from the bank: `write` takes an exercise's cells out and puts them in
anew. Hint and solution are `<details>`, which open in JupyterLab, in a page and on a code host.
"""

import copy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.exercises.exercise import Exercise
from twodints_lib.exercises.question import STUB_LEFT, every
from twodints_lib.runs import notebooks

NOTEBOOKS = notebooks.FOLDER
HEADER = ("notebook", "exercise", "kind", "wrong answers refused")


def tag(name: str) -> str:
    """What marks the cells of an exercise."""
    return f"exercise:{name}"


def exercise_of(cell: NotebookNode) -> str:
    """The exercise whose cell this is, "" for any other."""
    told = (t.partition(":") for t in cell.metadata.get("tags", []))
    return next((name for kind, _, name in told if kind == "exercise"), "")


def code_of(exercise: Exercise, source: str) -> str:
    """The code cell, with the stub or any answer in it."""
    head = f'from twodints_lib import exercises\n\nq = exercises.load("{exercise.name}")'
    gap = "\n\n\n" if source.strip().startswith(("def ", "import ", "from ")) else "\n\n"
    end = "\n\n\n" if "def " in source else "\n"
    return f"{head}{gap}{source.strip()}{end}q.check({exercise.answer})"


def cells_of(exercise: Exercise) -> list[NotebookNode]:
    """Its three cells: the question, the stub with the check, hint and solution folded."""
    folded = {"Hint": exercise.hint.strip(), "Solution": _fenced(exercise.solution)}
    details = "\n\n".join(
        f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"
        for title, text in folded.items()
    )
    question = f"### Exercise: {exercise.title}\n\n*{exercise.kind.capitalize()}.* "
    made = [
        nbformat.v4.new_markdown_cell(question + exercise.question.strip()),
        nbformat.v4.new_code_cell(code_of(exercise, exercise.stub), outputs=[_printed(STUB_LEFT)]),
        nbformat.v4.new_markdown_cell(details),
    ]
    for number, cell in enumerate(made, 1):
        cell.id = f"{exercise.name}-{number}"
        cell.metadata["tags"] = [tag(exercise.name)]
    return made


def _fenced(source: str) -> str:
    return f"```python\n{source.strip()}\n```"


def _printed(text: str):
    return nbformat.v4.new_output("stream", name="stdout", text=f"{text}\n")


def with_exercises(book: NotebookNode, exercises: tuple[Exercise, ...]) -> NotebookNode:
    """A copy of a notebook with these exercises' cells, and with no other exercises' cells.

    Each stands in its section: what is to be predicted before the first code, the rest at the end.
    InputError where the notebook has no section of that name.
    """
    made = copy.deepcopy(book)
    made.cells = [c for c in made.cells if not exercise_of(c)]
    for exercise in exercises:
        place = _place(made.cells, exercise)
        made.cells[place:place] = cells_of(exercise)
    for count, cell in enumerate((c for c in made.cells if c.cell_type == "code"), 1):
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    return made


def _place(cells: list, exercise: Exercise) -> int:
    """Where in the notebook the exercise goes; those of one place keep their order."""
    heads = [
        i for i, c in enumerate(cells) if c.cell_type == "markdown" and c.source.startswith("## ")
    ]
    own = [i for i in heads if cells[i].source.splitlines()[0] == f"## {exercise.section}"]
    if len(own) != 1:
        told = ", ".join(repr(cells[i].source.splitlines()[0][3:]) for i in heads)
        raise InputError(f"{exercise.name}: section is {exercise.section!r}; there are {told}.")
    end = next((i for i in heads if i > own[0]), len(cells))
    if exercise.kind != "predict":
        return end
    code = (i for i in range(own[0], end) if cells[i].cell_type == "code")
    return next((i for i in code if not exercise_of(cells[i])), end)


def write(folder: Path = NOTEBOOKS) -> list[Path]:
    """Renew the exercises' cells of every notebook that has some; the notebooks that changed."""
    changed = []
    for name, exercises in every().items():
        path = notebooks.find(name, folder)
        book = nbformat.read(path, as_version=4)
        made = with_exercises(book, exercises)
        if made != book:
            with files.whole_file(path) as new:
                nbformat.write(made, new)
            changed.append(path)
    return changed


def rows() -> list[tuple]:
    """Notebook, exercise, kind and number of wrong answers refused, in the course's order."""
    order = {notebooks.name_of(p): p.stem for p in notebooks.every(NOTEBOOKS)}
    books = sorted(((order.get(n, n), own) for n, own in every().items()), key=lambda book: book[0])
    return [(book, e.name, e.kind, len(e.wrong)) for book, exercises in books for e in exercises]
