"""What the notebooks say of their own results is true, sentence by sentence.

A sentence that follows a result and holds a word like "all", "none" or "larger" must stand here:
either above the test that computes it, or among those that state no fact about an output.
"""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
BOOKS = {p.name[:2]: nbformat.read(p, 4) for p in sorted((ROOT / "notebooks").glob("*.ipynb"))}
WORDS = re.compile(
    r"\b(all|every|both|none|no|never|always|only|nothing|hardly|nearly|almost|first|last"
    r"|larger|largest|smaller|smallest|higher|highest|lower|lowest|better|best|worse|worst"
    r"|more|most|less|least|fewer|fewest|twice|half|third|thirds|times)\b",
    re.I,
)
CHECKED: dict[str, dict[str, str]] = {}  # notebook: {sentence: the test that computes it}


def states(number: str, *sentences: str):
    """The decorated test computes these sentences of a notebook."""

    def keep(test):
        CHECKED.setdefault(number, {}).update(dict.fromkeys(sentences, test.__name__))
        return test

    return keep


def plain(text: str) -> str:
    """Markdown without marks, on one line."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*`]", "", text).split())


def said(cell) -> list[str]:
    """The sentences of a cell that speaks of results: what follows one, and what is taken away."""
    tags = cell.metadata.get("tags", [])
    closing = cell.source.startswith("## What to take away")
    if cell.cell_type != "markdown" or any(t.startswith("exercise") for t in tags):
        return []
    if cell.source.startswith("#") and not closing:
        return []
    text = re.sub(r"```.*?```", "", cell.source.split("## References")[0], flags=re.S)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#"))]
    return re.split(r"(?<=[.?!])\s+(?=[A-Z(])", plain(" ".join(lines)))


def statements(number: str) -> list[str]:
    """The sentences of a notebook that need an entry: no question, and a word that claims."""
    found = (
        re.sub(r"^(What to see|Try it)\. ", "", s) for c in BOOKS[number].cells for s in said(c)
    )
    return [s for s in found if WORDS.search(s) and not s.endswith("?")]


def output(number: str, cell: str) -> str:
    """What a cell of a notebook printed or showed, as text."""
    (found,) = [c for c in BOOKS[number].cells if c.get("id") == cell]
    texts = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in found.outputs)
    return "\n".join(texts)


def table(number: str, cell: str) -> dict[str, list[str]]:
    """The rows of a table that a cell showed, by their first column; columns two spaces apart."""
    rows = (re.split(r"\s{2,}", line.strip()) for line in output(number, cell).splitlines())
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def numbers(text: str) -> list[float]:
    """All numbers of a text, in order."""
    return [float(x.replace(",", "")) for x in re.findall(r"-?\d[\d,]*\.?\d*", text)]
