"""An exercise as data, and what an answer to it is worth.

Every answer, right or wrong, is reduced to something that can be compared: `tries` calls a
function on data that the exercise makes, or leaves a value as it is. An answer is correct where
this equals the solution's, and shows a misconception where it equals that of a wrong answer, which
is code as well. So an author writes answers and sentences, and no checks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

KINDS = ("predict", "implement", "investigate")
CORRECT, WRONG, UNTOUCHED = OUTCOMES = ("correct", "wrong", "not attempted")


@dataclass(frozen=True)
class Wrong:
    """A misconception: its name, an answer that shows it, and what is said to who gives it."""

    name: str
    source: str
    sentence: str  # helps, and does not give the answer away


@dataclass(frozen=True)
class Exercise:
    """One exercise: all that its cells, its check and its tests are made from.

    Sources are code that gives `answer` its value; numpy is there as `np`.
    """

    name: str  # lower-case words with hyphens; no other exercise has it
    kind: str  # predict, implement or investigate
    section: str  # of its notebook: the heading's text
    title: str
    question: str  # markdown
    answer: str  # the name that the learner gives a value or writes as a function
    stub: str  # where the learner writes; unfinished values are `...`
    hint: str  # markdown
    solution: str
    also: tuple[str, ...]  # other right answers, written differently
    wrong: tuple[Wrong, ...]
    otherwise: str  # what is said to any other wrong answer
    tries: Callable[[Any], Any] = lambda answer: answer
    tolerance: float = 1e-6  # by which numbers may differ


@dataclass(frozen=True)
class Verdict:
    """What an answer is worth: one of OUTCOMES, the misconception's name, what is said."""

    outcome: str
    misconception: str = ""
    sentence: str = ""


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """The verdict on an answer, a value or a function; one that raises an error is wrong."""
    got = _tried(exercise, answer)
    if _unfinished(got):
        return Verdict(UNTOUCHED)
    if same(got, result(exercise, exercise.solution), exercise.tolerance):
        return Verdict(CORRECT)
    for wrong in exercise.wrong:
        if same(got, result(exercise, wrong.source), exercise.tolerance):
            return Verdict(WRONG, wrong.name, wrong.sentence)
    said = exercise.otherwise
    if isinstance(got, Exception):
        said = f"It stops with {type(got).__name__}: {got}. {said}"
    return Verdict(WRONG, "", said)


def result(exercise: Exercise, source: str) -> Any:
    """What an answer written as code comes to."""
    names = {"np": np}
    exec(source, names)
    return _tried(exercise, names[exercise.answer])


def _tried(exercise: Exercise, answer: Any) -> Any:
    """What `tries` makes of an answer; the error where it stops with one."""
    if answer is ...:
        return ...
    try:
        return exercise.tries(answer)
    except Exception as error:
        return error


def _unfinished(got: Any) -> bool:
    """Whether a stub was left: `...` in it, nothing given back, or an error that `...` made."""
    if isinstance(got, Exception):
        return "ellipsis" in str(got)
    if isinstance(got, Mapping):
        return _unfinished(list(got.values()))
    if isinstance(got, list | tuple):
        return bool(got) and (any(x is ... for x in got) or all(map(_unfinished, got)))
    return got is ... or got is None


def same(a: Any, b: Any, tolerance: float = 1e-6) -> bool:
    """Whether two answers are equal: numbers within the tolerance, texts but for case and blanks,
    collections and arrays item by item, errors by their kind."""
    a, b = _plain(a), _plain(b)
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b)
    if isinstance(a, str) and isinstance(b, str):
        return a.strip().lower() == b.strip().lower()
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, Number) and isinstance(b, Number):
        return bool(np.isclose(a, b, rtol=0, atol=tolerance, equal_nan=True))
    return type(a) is type(b) and bool(a == b)


def _plain(x: Any) -> Any:
    """Arrays and tensors as lists, their scalars as numbers."""
    return x.tolist() if hasattr(x, "tolist") else x
