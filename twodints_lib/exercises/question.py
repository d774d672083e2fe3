"""What a learner holds in a notebook: `q = exercises.load(name)`, then check, hint, solution."""

import json
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from twodints_lib.errors import InputError
from twodints_lib.exercises import bank
from twodints_lib.exercises.exercise import CORRECT, UNTOUCHED, Exercise, judge

STUB_LEFT = "Not attempted yet: put your answer in place of the ... and run the cell again."


class Question:
    """One exercise to be answered."""

    def __init__(self, exercise: Exercise):
        self.exercise = exercise

    def check(self, answer: Any) -> None:
        """Print whether the answer is right, wrong and in what, or not there yet. Never raises."""
        verdict = judge(self.exercise, answer)
        _report(self.exercise.name, verdict)
        said = {CORRECT: "Correct.", UNTOUCHED: STUB_LEFT}
        print(said.get(verdict.outcome, f"Not yet. {verdict.sentence}"))

    def hint(self) -> None:
        """Show the hint."""
        _show(self.exercise.hint.strip())

    def solution(self) -> None:
        """Show a solution; there are others."""
        _show(f"```python\n{self.exercise.solution.strip()}\n```")


def _show(markdown: str) -> None:
    from IPython.display import Markdown, display

    display(Markdown(markdown))


def _report(name: str, verdict) -> None:
    """Leave the verdict in the file that `twodints grade` named, if it did."""
    told = os.environ.get("TWODINTS_CHECKS")
    if told:
        with open(told, "a", encoding="utf-8") as file:
            file.write(json.dumps([name, verdict.outcome, verdict.sentence]) + "\n")


@cache
def every() -> dict[str, tuple[Exercise, ...]]:
    """All exercises, by their notebook's name without its number."""
    names = sorted(p.stem for p in Path(bank.__file__).parent.glob("[a-z]*.py"))
    return {n: import_module(f"{bank.__name__}.{n}").EXERCISES for n in names}


def load(name: str) -> Question:
    """The exercise of this name."""
    known = {e.name: e for exercises in every().values() for e in exercises}
    if name not in known:
        raise InputError(f"{name}: no such exercise; there are {', '.join(sorted(known))}.")
    return Question(known[name])
