"""The whole course by `twodints run` with the smoke preset, and what it leaves."""

import csv
import json
from pathlib import Path

import nbformat
import pytest
from conftest import twodints

from twodints_lib import course
from twodints_lib.exercises import cells
from twodints_lib.exercises.question import STUB_LEFT

MICRO4 = Path(__file__).parents[2] / "shared" / "data" / "micro4"
NAMES = [p.stem for p in sorted(course.NOTEBOOKS.glob("[0-9]*.ipynb"))]


class TestMicro4:  # a class each, since one process runs a class
    def test_it_runs_and_leaves_its_results(self, tmp_path):
        """On real cells, with nothing trained before."""
        if not MICRO4.is_dir():
            pytest.skip("micro4 is not on this machine")
        run_and_look("micro4", str(MICRO4), tmp_path, TWODINTS_RUNS=str(tmp_path / "runs"))


class TestSimulated:
    def test_it_runs_and_leaves_its_results(self, tmp_path):
        """On drawn cells; what the notebooks trained as tests of their own is found."""
        run_and_look("simulated", "simulated", tmp_path)


def run_and_look(data, place, tmp_path, **environment):
    out = tmp_path / "out"
    run = twodints("run", "--preset", "smoke", "--data", place, "--out", str(out), **environment)
    assert run.returncode == 0, run.stderr
    assert "make course PRESET=laptop" in run.stdout and "no result" in run.stdout
    for name in NAMES:
        book = nbformat.read(out / f"{name}.ipynb", as_version=4)
        assert all(c.get("execution_count") for c in book.cells if c.cell_type == "code"), name
        stubs = [c for c in book.cells if c.cell_type == "code" and cells.exercise_of(c)]
        assert {_printed(c) for c in stubs} <= {f"{STUB_LEFT}\n"}, name
    record = json.loads((out / "course.json").read_text())
    assert record["data"] == data and record["is_result"] is False and record["data_hash"]
    assert [n["notebook"] for n in record["notebooks"]] == NAMES
    assert max(n["peak_gib"] for n in record["notebooks"]) < 6
    assert {n["kind"] for n in record["networks"]} >= {"unet", "segresnet", "supernet", "derived"}
    with open(out / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(record["networks"]) and {r["is_result"] for r in rows} == {"False"}
    assert "no result" in (out / "results.md").read_text()
    figures = [
        o for c in book.cells for o in c.get("outputs", []) if "text/html" in o.get("data", {})
    ]
    assert any("smoke run" in o["data"]["text/html"] for o in figures)


def _printed(cell) -> str:
    """All that a cell printed: a kernel may send the end of a line as an output of its own."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")
