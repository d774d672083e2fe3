"""Exercises that answer: what a learner writes in a notebook, and what is said to it.

`load` gives one exercise as a `Question` with `check`, `hint` and `solution`, for a notebook's
cell; `every` gives all, by notebook, from the modules of `bank`. An `Exercise` holds text, stub,
hint, solution and `Wrong` answers in one place; `judge` tells what an answer is worth, a `Verdict`.
`with_exercises` puts their cells into a notebook, `write` renews those of the course, `rows` lists
them. `grade` runs a class's notebooks and tells which checks passed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cells"],
    submod_attrs={
        "exercise": ["Exercise", "Wrong", "Verdict", "judge"],
        "question": ["Question", "every", "load"],
        "cells": ["with_exercises", "write", "rows"],
        "grading": ["grade"],
    },
)
