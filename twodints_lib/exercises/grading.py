"""A class's notebooks, run one by one, and which of their checks passed.

This runs the code of whoever handed a notebook in, with the rights of whoever calls it. What is
done here protects against accidents only: a temporary copy, a time limit, few variables of the
environment. Where you would not run the code by hand, do it in a container without network.
"""

import json
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.exercises.cells import exercise_of
from twodints_lib.exercises.exercise import CORRECT, OUTCOMES, UNTOUCHED, WRONG
from twodints_lib.exercises.question import every
from twodints_lib.messages import log
from twodints_lib.runs import kernels

HEADER = ("student", "notebook", "exercise", "outcome", "sentence")
NOT_REACHED = "not reached"
SUMMARY_HEADER = ("exercise", *OUTCOMES, NOT_REACHED, "said most often")
# The only variables that submitted code sees besides ours.
PASSED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH",
          "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TWODINTS_CACHE")  # fmt: skip
LOADED = re.compile(r"""exercises\.load\(\s*["']([\w-]+)["']""")


def grade(folder: str | Path, csv: str | Path, seconds: float = 600) -> list[tuple]:
    """Run every notebook in the folder, each in a kernel of its own, at the preset smoke.

    A submission is a notebook in the folder, or a folder with notebooks; its name without ending
    is the student's. Leaves a table at `csv` and returns its rows: student, notebook, exercise,
    outcome (correct, wrong, not attempted, not reached) and what was said. `seconds` is what one
    notebook may take. Raises InputError for a folder without notebooks or a table that exists.
    """
    submitted = list(submissions(Path(folder)))
    if not submitted:
        raise InputError(f"{folder}: holds no notebook; give the folder of a class's notebooks.")
    if Path(csv).exists() or not Path(csv).parent.is_dir():
        raise InputError(f"--csv {csv}: must be a new file in a folder; choose another name.")
    if not seconds > 0:
        raise InputError(f"--timeout {seconds}: must be more than 0 seconds.")
    found = []
    with tempfile.TemporaryDirectory(prefix="twodints-grade-") as shared:
        for i, (student, path) in enumerate(submitted, 1):
            rows = _graded(student, path, Path(folder), Path(shared), seconds)
            passed = sum(row[3] == CORRECT for row in rows)
            log.info(f"[{i}/{len(submitted)}] {student}, {path.name}: {passed} of {len(rows)}")
            found += rows
    files.write_csv(csv, HEADER, found)
    return found


def summary(rows: list[tuple]) -> list[tuple]:
    """For each exercise, how many answers had each outcome, and the commonest wrong sentence."""
    found = []
    for name in dict.fromkeys(row[2] for row in rows if row[2]):
        own = [row for row in rows if row[2] == name]
        counts = [sum(row[3] == o for row in own) for o in (*OUTCOMES, NOT_REACHED)]
        wrong = Counter(row[4] for row in own if row[3] == WRONG).most_common(1)
        found.append((name, *counts, _line(wrong[0][0], 60) if wrong else ""))
    return found


def submissions(folder: Path) -> Iterator[tuple[str, Path]]:
    """Student and notebook of everything handed in, hidden files and folders left out."""
    for path in sorted(folder.rglob("*.ipynb")):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts):
            yield (parts[0] if len(parts) > 1 else path.stem), path


def _graded(student: str, path: Path, folder: Path, shared: Path, seconds: float) -> list[tuple]:
    """The rows of one notebook."""
    try:
        book = nbformat.read(path, as_version=4)
    except Exception as error:  # whatever was handed in under that name
        return [(student, path.stem, "", NOT_REACHED, f"It is no notebook: {_line(error)}")]
    expected = expected_in(book)
    if not expected:
        return [(student, path.stem, "", NOT_REACHED, "It holds no exercise of the course.")]
    with tempfile.TemporaryDirectory(prefix="twodints-submission-") as room:
        inside = Path(room) / "work"
        if path.parent == folder:
            inside.mkdir()
        else:
            shutil.copytree(path.parent, inside, ignore=shutil.ignore_patterns(".*"))
        checks = Path(room) / "checks"
        ended = _run(book, inside, _environment(room, checks, shared), seconds)
        said = _said(checks)
    rows = []
    for name in expected:
        outcome, sentence = said.get(name, (NOT_REACHED, ended or _stopped(book, name)))
        rows.append((student, path.stem, name, outcome, sentence))
    return rows


def expected_in(book) -> list[str]:
    """The exercises of the course's notebook that this is a copy of, known by any one of them."""
    told = {exercise_of(c) for c in book.cells}
    told |= {n for c in book.cells if c.cell_type == "code" for n in LOADED.findall(c.source)}
    own = (exercises for exercises in every().values() if told & {e.name for e in exercises})
    return [e.name for exercises in own for e in exercises]


def _environment(room: str, checks: Path, shared: Path) -> dict[str, str]:
    """A home of its own, our variables, and little else of this process."""
    kept = {name: os.environ[name] for name in PASSED if name in os.environ}
    ours = {"HOME": room, "TWODINTS_CHECKS": checks, "TWODINTS_RUNS": shared / "runs"}
    ours |= {"TWODINTS_PRESET": "smoke", "TWODINTS_HEADLESS": "1", "MPLCONFIGDIR": shared / "fonts"}
    return {"TWODINTS_CACHE": str(files.cache_dir())} | kept | {k: str(v) for k, v in ours.items()}


def _run(book, folder: Path, environment: dict[str, str], seconds: float) -> str:
    """Execute a notebook in place, errors and all; a sentence where it did not come to its end."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    end = time.monotonic() + seconds
    client = NotebookClient(
        book,
        kernel_name="python3",
        allow_errors=True,
        timeout_func=lambda cell: max(0.1, end - time.monotonic()),
        config=kernels.config(),
        resources={"metadata": {"path": str(folder)}},
    )
    client.log.disabled = True  # what happens stands in the table
    try:
        client.execute(env=environment)
    except CellTimeoutError:
        return f"Its time was up after {seconds:g} seconds."
    except DeadKernelError:
        return "Its kernel died."
    except Exception as error:  # a broken cell, a lost message: never the end of the class
        return f"It could not be run: {_line(error)}"
    return ""


def _said(checks: Path) -> dict[str, tuple[str, str]]:
    """Outcome and sentence of each exercise: of its last check that found an answer."""
    said = {}
    for line in checks.read_text(encoding="utf-8").splitlines() if checks.is_file() else []:
        try:
            name, outcome, sentence = json.loads(line)
        except ValueError:
            continue  # a kernel that died while it wrote
        if outcome != UNTOUCHED or name not in said:
            said[name] = (outcome, sentence)
    return said


def _stopped(book, name: str) -> str:
    """Why an exercise in an executed notebook has no outcome."""
    for cell in (c for c in book.cells if c.cell_type == "code"):
        if name in (exercise_of(cell), *LOADED.findall(cell.source)):
            for output in cell.outputs:
                if output.output_type == "error":
                    return f"Its cell stopped with {output.ename}: {_line(output.evalue)}"
    return "No check of it was called."


def _line(text, length: int = 120) -> str:
    """Any text in one line, cut where it is long."""
    line = " ".join(str(text).split())
    return line if len(line) <= length else line[: length - 1] + "…"
