"""What the notebooks say of their results, sentence by sentence, and what their cells gave."""

import re
from pathlib import Path

import nbformat
import numpy as np
from skimage.draw import disk

from twodints_lib import files, targets
from twodints_lib.runs import notebooks

ROOT = Path(__file__).parents[1]
FILES = {p.name: nbformat.read(p, 4) for p in notebooks.every()}
BOOKS = {notebooks.name_of(name): book for name, book in FILES.items()}
CLAIMS = re.compile(  # a sentence with one of these words may be wrong
    r"\b(all|any|every|both|none|no|never|always|only|nothing|hardly|nearly|almost|first|last"
    r"|larger|largest|smaller|smallest|higher|highest|lower|lowest|better|best|worse|worst"
    r"|more|most|mostly|less|least|fewer|fewest|seldom|often|twice|half|thirds|times|than|same"
    r"|equal|equals|rises?|falls?|grows?|shrinks?|stays?)\b",
    re.I,
)


def code(file: str) -> list:
    """The code cells of a notebook's file."""
    return [c for c in FILES[file].cells if c.cell_type == "code"]


def texts(file: str) -> list[str]:
    """The texts of a notebook's file."""
    return [c.source for c in FILES[file].cells if c.cell_type == "markdown"]


def pictures(file: str) -> list:
    """The outputs of a notebook's file that have a picture."""
    return [o for c in code(file) for o in c.outputs if "image/png" in o.get("data", {})]


def sentences(cell) -> list[str]:
    """The sentences of a cell that speaks of results: what follows one, and what is taken away.

    Left out: what opens a section, tables, code, what to try, references, and exercises.
    """
    tags, text = cell.metadata.get("tags", []), cell.source
    opens = text.startswith("#") and not text.startswith("## What to take away")
    if cell.cell_type != "markdown" or opens or any(t.startswith("exercise") for t in tags):
        return []
    text = re.split(r"## References|\*\*Try it\.\*\*", text)[0]
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#"))]
    plain = " ".join(re.sub(r"[*`]", "", " ".join(lines)).split())
    plain = re.sub(r"^What to see\. ", "", plain)
    return re.split(r"(?<=[.?!])\s+(?=[A-Z(\"])", plain)


def statements(notebook: str) -> list[str]:
    """The sentences of a notebook that state something; a question does not."""
    said = (s for cell in BOOKS[notebook].cells for s in sentences(cell))
    return [s for s in said if CLAIMS.search(s) and not s.endswith("?")]


def output(notebook: str, cell: str) -> str:
    """What a cell of a notebook printed or showed, as text."""
    (found,) = [c for c in BOOKS[notebook].cells if c.get("id") == cell]
    return "\n".join(o.get("text") or o["data"]["text/plain"] for o in found.outputs)


def table(notebook: str, cell: str) -> dict[str, list[str]]:
    """The rows of a table that a cell showed, by their first column; columns two spaces apart."""
    lines = output(notebook, cell).splitlines()
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def numbers(text: str) -> list[float]:
    """All numbers of a text, in order."""
    return [float(n.replace(",", "")) for n in re.findall(r"[-+]?\d[\d,]*\.?\d*", text)]


CHECKED: dict[str, list[str]] = {}  # notebook: sentences that a test computes


def states(notebook: str, *sentences: str):
    """The decorated test computes these sentences of a notebook."""
    CHECKED.setdefault(notebook, []).extend(sentences)
    return lambda test: test


def course_networks() -> dict[str, dict]:
    """The networks of the committed course by the title of their table's row, longest last."""
    record = files.read_json(ROOT / "records" / "course-laptop-simulated.json")
    networks = sorted(record["networks"], key=lambda n: n["epochs"])
    return {n["row"]["network"]: n for n in networks}


def disc(diameter: float) -> np.ndarray:
    """Labels of one disc."""
    canvas = np.zeros((96, 96), np.int32)
    canvas[disk((48, 48), diameter / 2)] = 1
    return canvas


def kept(labels: np.ndarray) -> float:
    """The share of the labelled pixels that is interior of the three classes."""
    return (targets.three_class(labels) == targets.INTERIOR).sum() / (labels > 0).sum()
