"""The course's notebooks, found by their names.

A file is called NN_name.ipynb. The number is its place in the course and stands in file names and
links alone: whatever means one notebook, in code or in a record, means it by its name.
"""

from pathlib import Path

from twodints_lib import files
from twodints_lib.errors import InputError

FOLDER = files.ROOT / "notebooks"


def every(folder: Path = FOLDER) -> list[Path]:
    """All notebooks of a folder in the course's order; empty in a plain install."""
    return sorted(Path(folder).glob("[0-9]*_*.ipynb"))


def name_of(notebook: str | Path) -> str:
    """The name without the number, of a path or of a stem: "search_space"."""
    return Path(notebook).stem.partition("_")[2]


def is_meant(notebook: str | Path, word: str) -> bool:
    """Whether a word begins a notebook's number or its name: "05", "supernet"."""
    return Path(notebook).name.startswith(word) or name_of(notebook).startswith(word)


def find(name: str, folder: Path = FOLDER) -> Path:
    """The notebook of this name, whatever its number; InputError where there is none."""
    found = [p for p in every(folder) if name_of(p) == name]
    if len(found) != 1:
        raise InputError(f"{name}: {folder} has no notebook NN_{name}.ipynb; rename it.")
    return found[0]


def number_of(notebook: str | Path) -> str:
    """The number that a notebook has today, as "05", by the name in its path or stem; the name
    itself where there is no such notebook any more."""
    name = name_of(notebook)
    return next((p.stem.partition("_")[0] for p in every() if name_of(p) == name), name)
