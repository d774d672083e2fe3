"""Exercises: their checks tell right from wrong, and the notebooks hold what the bank says."""

import ast
import contextlib
import io
import re

import nbformat
import numpy as np
import pytest
import torch

from twodints_lib import cli, exercises, lab, runs, scoring, truth
from twodints_lib.data import labels
from twodints_lib.errors import InputError
from twodints_lib.exercises import cells
from twodints_lib.exercises.exercise import CORRECT, KINDS, UNTOUCHED, WRONG, result, same
from twodints_lib.exercises.question import STUB_LEFT
from twodints_lib.runs import notebooks
from twodints_lib.scoring.statistics import spearman_brown
from twodints_lib.space import topology

BANK = exercises.every()
ALL = {e.name: e for own in BANK.values() for e in own}
every = pytest.mark.parametrize("name", ALL)
BOOKS = {n: nbformat.read(notebooks.find(n), as_version=4) for n in BANK}


def run(source) -> str:
    """What a cell prints that stands alone, as in a notebook that imports numpy."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(source, {"np": np})
    return said.getvalue()


def verdict(name, source):
    """The verdict on an answer written as code."""
    e = ALL[name]
    names = {"np": np}
    exec(source, names)
    return exercises.judge(e, names[e.answer])


def test_names_are_unique_and_notebooks_hold_what_the_bank_says():
    assert len(ALL) == sum(map(len, BANK.values())) >= 8
    for name, own in BANK.items():
        made = exercises.with_exercises(BOOKS[name], own).cells
        held = [[(c.id, c.source, c.metadata) for c in some] for some in (made, BOOKS[name].cells)]
        assert held[0] == held[1], f"{name}: call `twodints exercises --write`"


@every
def test_an_untouched_stub_is_not_attempted_and_never_stops_a_notebook(name):
    (book,) = (BOOKS[n] for n, own in BANK.items() if ALL[name] in own)
    (cell,) = (c for c in book.cells if c.cell_type == "code" and cells.exercise_of(c) == name)
    assert run(cell.source) == STUB_LEFT + "\n" == cell.outputs[0].text


@pytest.mark.parametrize("name", BANK)
def test_no_answer_takes_a_name_that_its_notebook_uses(name):
    code = [c for c in BOOKS[name].cells if c.cell_type == "code"]
    own = [ast.parse(cells.code_of(e, s)) for e in BANK[name] for s in (e.stub, e.solution)]
    others = [ast.parse(c.source) for c in code if not cells.exercise_of(c)]
    taken = {n.id for t in others for n in ast.walk(t) if isinstance(n, ast.Name)}
    taken |= {n.name for t in others for n in ast.walk(t) if isinstance(n, ast.FunctionDef)}
    given = {n.name for t in own for n in t.body if isinstance(n, ast.FunctionDef)}
    given |= {n.id for t in own for a in t.body if isinstance(a, ast.Assign) for n in a.targets}
    assert "q" in given and not given & taken


@every
def test_the_solution_in_its_place_is_correct(name):
    assert run(cells.code_of(ALL[name], ALL[name].solution)) == "Correct.\n"


@every
def test_two_right_answers_that_are_written_differently_pass(name):
    answers = [ALL[name].solution, *ALL[name].also]
    assert len({re.sub(r"\s", "", a) for a in answers}) == len(answers) >= 2
    assert {verdict(name, a).outcome for a in answers} == {CORRECT}


@every
def test_three_misconceptions_are_refused_each_with_its_own_sentence(name):
    e = ALL[name]
    assert len(e.wrong) >= 3
    assert len({w.sentence for w in e.wrong} | {e.otherwise}) == len(e.wrong) + 1
    for wrong in e.wrong:
        told = verdict(name, wrong.source)
        assert (told.outcome, told.misconception, told.sentence) == (
            WRONG, wrong.name, wrong.sentence,
        )  # fmt: skip


@every
def test_what_nobody_thought_of_is_refused_too(name):
    for strange in ("nonsense", -12345.678, lambda *x: 1 / 0, lambda *x: "no", object()):
        told = exercises.judge(ALL[name], strange)
        assert told.outcome == WRONG and ALL[name].otherwise in told.sentence


@every
def test_no_sentence_contains_the_solution(name):
    e = ALL[name]
    value = result(e, e.solution)
    lines = [x.split("#")[0].strip().removeprefix("return ") for x in e.solution.splitlines()]
    given = [x.partition("= ")[2] or x for x in lines if not x.startswith(("def ", "import "))]
    given = [x for x in given if len(x) > 3]
    assert not [x for x in given if x in e.question]
    if isinstance(value, str | int | float):
        given += [f"{value:.2f}", f"{value:.3g}"] if isinstance(value, float) else [str(value)]
    for said in [e.otherwise, *(w.sentence for w in e.wrong)]:
        assert not [x for x in given if re.search(rf"(?<!\w){re.escape(x)}(?!\w)", said)], said


@every
def test_an_exercise_is_fully_told(name):
    e = ALL[name]
    assert re.fullmatch(r"[a-z0-9-]+", name) and e.kind in KINDS
    assert "..." in e.stub and e.answer in e.stub
    assert all(len(t.strip()) >= 30 for t in (e.question, e.hint, e.otherwise))
    assert max(len(line) for line in f"{e.stub}\n{e.solution}".splitlines()) <= 100


def test_the_formula_of_a_path_is_the_librarys():
    (e,) = (e for e in BANK["supernet_search"] if e.name == "probability-of-a-path")
    rng = np.random.default_rng(1)
    for depths in (1, 2, 3):
        logits = rng.normal(0, 2, (1, 3 * depths - 2))
        (own,) = topology.path_probabilities(logits)
        names = {"np": np}
        exec(e.solution, names)
        assert np.allclose(names[e.answer](logits[0]), own)


def test_what_exercises_count_is_what_the_library_counts():
    paths, fits = ({"np": np}, {"np": np})
    exec(ALL["paths-of-a-block"].solution, paths)
    exec(ALL["blocks-that-fit"].solution, fits)
    for depths in (1, 2, 3):
        starts, ends = topology.path_ends(depths)
        assert paths["count_paths"](depths) == len(starts)
        every = [
            {(int(a), int(b)) for a, b in zip(starts[m], ends[m], strict=True)}
            for m in topology.subsets(depths)[0]
        ]
        fitting = sum(fits["can_follow"](a, b) for a in every for b in every)
        assert fitting == topology.count_topologies(2, depths)


def test_f1_and_the_smallest_cell_are_the_librarys():
    own = {"np": np}
    exec(ALL["f1-by-matching"].solution, own)
    rng = np.random.default_rng(4)
    for threshold in (0.3, 0.5):
        truth, found = (np.kron(rng.integers(0, 9, (8, 8)), np.ones((5, 5), int)) for _ in "ab")
        found = np.where(rng.random(truth.shape) < 0.7, truth, found)
        ids = [np.setdiff1d(x, 0) for x in (truth, found)]
        pairs = [[(truth == i, found == j) for j in ids[1]] for i in ids[0]]
        iou = np.array([[(a & b).sum() / (a | b).sum() for a, b in row] for row in pairs])
        told = scoring.score(truth, found, scoring.Rules((threshold,), frame=0))["f1"]
        assert np.isclose(own["f1_score"](iou, threshold), told)


def test_cells_are_measured_as_the_library_does():
    own = {"np": np}
    for name in ("diameters-of-cells", "cells-that-touch", "weights-of-a-convolution"):
        exec(ALL[name].solution, own)
    for seed in range(3):
        _, image = lab.simulate("fluorescence", seed)
        assert np.allclose(own["sizes_of"](image), labels.diameters(image))
        touching = np.unique(image[image > 0])[labels.touching(image)]
        assert own["in_contact"](image) == set(touching)
    layer = torch.nn.Conv2d(3, 16, 3)
    assert own["weights"](3, 16, 3, True) == sum(p.numel() for p in layer.parameters())


def test_the_names_of_errors_are_the_librarys():
    truth, found = np.zeros((2, 60, 60), int)
    for number, (y, x) in enumerate([(5, 5), (5, 25), (5, 35), (25, 5), (25, 25)], 1):
        truth[y : y + 10, x : x + 10] = number
    found[5:9, 5:15] = 1  # 40 pixels of the first
    found[4:15, 25:46] = 2  # two cells and a little more
    for piece in range(3):
        found[25 + 3 * piece : 28 + 3 * piece, 5:15] = 3 + piece
    found[31:41, 25:35] = 6  # 40 of 100 pixels inside
    seen = scoring.overlaps(truth, found)
    ids, _, names = scoring.name_errors(seen, scoring.pair(seen))
    told = dict(zip(ids, names, strict=False))
    answer = {"np": np}
    exec(ALL["name-the-error"].solution, answer)
    assert [told[i] for i in (1, 2, 4, 5)] == answer["answer"] and told[3] == "merged"


def test_a_predicted_fact_is_a_fact():
    dints = sum(row.name.startswith("dints") for row in runs.ROWS)
    assert result(ALL["who-leads-by-luck"], "answer = " + f"{dints} / {len(runs.ROWS)}") == 5 / 9
    (cell,) = (c for c in BOOKS["the_data"].cells if "threshold_scores(dials)" in c.source)
    lines = re.findall(r"touching [\d.]+: Dice ([\d.]+), F1 ([\d.]+)", cell.outputs[0].text)
    (dice, f1), *_, (dice_then, f1_then) = [tuple(map(float, line)) for line in lines]
    assert abs(dice_then - dice) < 0.03 and f1_then < f1 - 0.2


def test_what_is_said_of_searches_is_so_on_the_table():
    table, luck = truth.load("cells-99"), []
    for budget in (5, 50):
        found = truth.replay(table, truth.random_search, 60, budget=budget)
        worth = [table.truth("f1_best")[one.incumbents()[-1]] for one in found]
        luck.append(np.mean([max(one.seen) for one in found]) - np.mean(worth))
    assert 0.02 < luck[0] < luck[1]
    assert result(ALL["luck-of-the-winner"], ALL["luck-of-the-winner"].solution)[0] == "higher"
    cost = result(ALL["cost-of-halving"], ALL["cost-of-halving"].solution)
    bracket = truth.successive_halving(table, np.random.default_rng(0), budget=cost + 0.5)
    assert len(bracket.rows) == 27 + 9 and bracket.spent == pytest.approx(cost)
    needed = result(ALL["seeds-for-trust"], ALL["seeds-for-trust"].solution)[0]
    assert spearman_brown(0.14, needed - 1) < 0.8 <= spearman_brown(0.14, needed)


def test_a_stub_half_filled_is_not_attempted():
    half = "def f1_score(iou, threshold):\n    tp = ...\n    return 2 * tp / sum(iou.shape)"
    nothing = "def f1_score(iou, threshold):\n    tp = 3"  # no return
    assert {verdict("f1-by-matching", s).outcome for s in (half, nothing)} == {UNTOUCHED}


def test_an_error_in_an_answer_is_told_and_not_raised():
    told = verdict("dice-by-hand", "def dice(a, b):\n    return missing + 1")
    assert told.outcome == WRONG and "NameError" in told.sentence and "missing" in told.sentence


def test_hint_and_solution_open_on_a_click():
    from nbconvert import HTMLExporter

    book = nbformat.v4.new_notebook(cells=cells.cells_of(ALL["dice-by-hand"]))
    page = HTMLExporter().from_notebook_node(book)[0]
    folded = re.findall(r"<details>\s*<summary>(\w+)</summary>(.*?)</details>", page, re.S)
    assert [title for title, _ in folded] == ["Hint", "Solution"]
    assert "<code>a &amp; b</code>" in folded[0][1] and "highlight" in folded[1][1]


def test_hint_and_solution_are_shown_in_a_live_session(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    question = exercises.load("dice-by-hand")
    question.hint(), question.solution()
    assert "intersection" in shown[0].data and "def dice" in shown[1].data
    with pytest.raises(InputError, match="dice-by-hand"):
        exercises.load("dice")


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [(1, 1.0, True), (0.1 + 0.2, 0.3, True), (1, 2, False), ([1, 2], (1, 2), True),
     ([1], [1, 2], False), ("C ", "c", True), ("a", 1, False), ({"a": 1}, {"a": 1.0}, True),
     ({"a": 1}, {"b": 1}, False), (ValueError("x"), ValueError("y"), True),
     (ValueError("x"), 1, False), (float("nan"), float("nan"), True), ({1, 2}, {2, 1}, True),
     ([[1, 2], [3]], [[1, 2], [4]], False), (np.bool_(True), True, True),
     (np.arange(3), [0, 1, 2], True), (torch.ones(2), (1, 1), True), (np.arange(3), 1, False),
     (None, None, True)],
)  # fmt: skip
def test_answers_are_compared_by_what_they_mean(a, b, equal):
    assert same(a, b) is equal and same(b, a) is equal


def test_cells_go_to_their_section_and_only_once(tmp_path):
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    book = nbformat.v4.new_notebook()
    sections = (
        "And back: which cells does a perfect network lose?",
        "How high is the ceiling, then?",
    )
    for count, title in enumerate(sections):
        book.cells += [md(f"## {title}"), code("1"), code("2")]
        book.cells[-2].execution_count, book.cells[-1].execution_count = (
            2 * count + 1,
            2 * count + 2,
        )
    own = tuple(e for e in BANK["targets_and_back"] if e.section in sections)
    made = exercises.with_exercises(book, own)
    names = [cells.exercise_of(c) or c.source[:5] for c in made.cells]
    order = list(dict.fromkeys(names))
    assert order[:3] == ["## An", "erosion-of-a-small-cell", "1"]  # to be predicted: before
    assert names[-3:] == ["dice-by-hand"] * 3
    assert exercises.with_exercises(made, own) == made
    assert exercises.with_exercises(made, ()).cells == book.cells
    with pytest.raises(InputError, match="How high"):
        exercises.with_exercises(nbformat.v4.new_notebook(cells=book.cells[:3]), own)


def test_write_renews_what_differs_and_nothing_else(tmp_path, capsys, monkeypatch):
    for name in BANK:
        source = notebooks.find(name)
        (tmp_path / source.name).write_bytes(source.read_bytes())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    path = notebooks.find("targets_and_back", tmp_path)
    path.write_text(path.read_text().replace("return ...", "return 0"))
    assert exercises.write(tmp_path) == [path]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_command_lists_exercises_by_notebook(capsys):
    assert cli.main(["exercises"]) == 0
    said = capsys.readouterr().out
    for name, own in BANK.items():
        for e in own:
            assert re.search(rf"\d\d_{name} +{e.name} +{e.kind} +{len(e.wrong)}\n", said)
