"""`twodints grade`: a class's notebooks run one by one; whatever they do, there is a table."""

import csv
import re

import nbformat
import pytest

from twodints_lib import cli, exercises
from twodints_lib.exercises import cells
from twodints_lib.runs import notebooks

NAME = "targets_and_back"
OWN = {e.name: e for e in exercises.every()[NAME]}
THREE = ("erosion-of-a-small-cell", "smallest-cell", "dice-by-hand")
SOLVED = {name: cells.code_of(e, e.solution) for name, e in OWN.items()}
STUBS = {name: cells.code_of(e, e.stub) for name, e in OWN.items()}


def hand_in(path, sources, tags=True):
    """Leave a notebook with an import of numpy and these exercises' cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import numpy as np")])
    for name, source in sources.items():
        cell = nbformat.v4.new_code_cell(source)
        cell.metadata["tags"] = [cells.tag(name)] * tags
        book.cells.append(cell)
    nbformat.write(book, path)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def of(rows, student):
    return {r["exercise"]: r for r in rows if r["student"] == student}


def test_a_class_is_graded_whatever_it_hands_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SECRET", "of the teacher")
    folder, out = tmp_path / "class", tmp_path / "marks.csv"
    hand_in(folder / "ada" / "my copy.ipynb", SOLVED, tags=False)
    (folder / "ada" / "helper.py").write_text("factor = 2\n")
    dice = SOLVED["dice-by-hand"].replace(
        "return 2 *", "from helper import factor\n    return factor *"
    )
    hand_in(folder / "ada" / "my copy.ipynb", SOLVED | {"dice-by-hand": dice}, tags=False)
    wrong = cells.code_of(OWN["dice-by-hand"], OWN["dice-by-hand"].wrong[0].source)
    broken = "raise ValueError('lost')\n" + STUBS["smallest-cell"]
    curious = "import os\nassert 'SECRET' not in os.environ\n" + STUBS["erosion-of-a-small-cell"]
    mixed = dict(zip(THREE, (curious, broken, wrong), strict=True))
    hand_in(folder / "bob.ipynb", mixed)
    ends = "import os\nos._exit(1)"
    hand_in(folder / "cyd.ipynb", SOLVED | {"smallest-cell": ends})
    (folder / "dan.ipynb").write_text("my dog ate it")
    hand_in(folder / "eve.ipynb", {})
    (folder / ".ipynb_checkpoints").mkdir()
    hand_in(folder / ".ipynb_checkpoints" / "bob.ipynb", SOLVED)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert cli.main(["grade", str(folder), "--csv", str(out)]) == 0
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    rows = table(out)
    assert {r["student"] for r in rows} == {"ada", "bob", "cyd", "dan", "eve"}
    assert {r["outcome"] for r in of(rows, "ada").values()} == {"correct"}
    assert {r["notebook"] for r in of(rows, "ada").values()} == {"my copy"}
    bob = of(rows, "bob")
    assert [bob[n]["outcome"] for n in THREE] == ["not attempted", "not reached", "wrong"]
    assert "ValueError" in bob["smallest-cell"]["sentence"]
    assert bob["dice-by-hand"]["sentence"] == OWN["dice-by-hand"].wrong[0].sentence
    cyd = of(rows, "cyd")
    assert [cyd[n]["outcome"] for n in THREE] == ["correct", "not reached", "not reached"]
    assert "died" in cyd["dice-by-hand"]["sentence"]
    for student, word in (("dan", "no notebook"), ("eve", "no exercise")):
        (row,) = of(rows, student).values()
        assert row["outcome"] == "not reached" and word in row["sentence"]
    said = capsys.readouterr()
    line = r"dice-by-hand +1 +1 +0 +1 +That divides by the union"  # ada, bob, nobody, cyd
    assert re.search(line, said.out) and said.err == ""


def test_a_whole_notebook_with_the_solutions_in_is_correct(tmp_path):
    book = nbformat.read(notebooks.find(NAME), as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code" and cells.exercise_of(cell):
            cell.source = SOLVED[cells.exercise_of(cell)]
    nbformat.write(book, tmp_path / "ada.ipynb")
    rows = exercises.grade(tmp_path, tmp_path / "marks.csv")
    assert [r[:4] for r in rows] == [("ada", "ada", name, "correct") for name in OWN]


def test_time_is_up_for_a_notebook_that_does_not_end(tmp_path):
    hand_in(tmp_path / "fay.ipynb", {"dice-by-hand": "while True:\n    pass"})
    rows = exercises.grade(tmp_path, tmp_path / "marks.csv", seconds=3)
    assert {r[3] for r in rows} == {"not reached"} and len(rows) == len(OWN)
    assert all("3 seconds" in r[4] for r in rows)


@pytest.mark.parametrize("case", ["empty", "exists", "nowhere"])
def test_a_bad_call_is_refused_before_anything_runs(case, tmp_path, capsys):
    folder, out = tmp_path / "class", tmp_path / "marks.csv"
    folder.mkdir()
    if case != "empty":
        hand_in(folder / "ada.ipynb", {"dice-by-hand": "open('ran', 'w')"})
    if case == "exists":
        out.write_text("precious")
    out = tmp_path / "no" / "marks.csv" if case == "nowhere" else out
    assert cli.main(["grade", str(folder), "--csv", str(out)]) == 2
    assert str(folder if case == "empty" else out) in capsys.readouterr().err
    assert case != "exists" or out.read_text() == "precious"


def test_help_says_whose_code_runs(capsys):
    with pytest.raises(SystemExit):
        cli.main(["grade", "--help"])
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "runs the students' code" in said and "container" in said
