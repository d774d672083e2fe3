"""The committed notebooks: one template, real outputs, nothing too large, nothing foreign."""

import re

import nbformat
import pytest
from notebook_text import FILES as BOOKS
from notebook_text import ROOT, code, texts

from twodints_lib import files
from twodints_lib.reproduction import claims, results, tables, verdicts
from twodints_lib.runs import notebooks, opening, paper, report, settings

every = pytest.mark.parametrize("name", BOOKS)


def test_numbers_count_and_names_differ():
    assert len(BOOKS) >= 11
    assert [n[:2] for n in BOOKS] == [f"{i:02}" for i in range(len(BOOKS))]
    assert len({notebooks.name_of(n) for n in BOOKS}) == len(BOOKS)


@every
def test_level_needs_time_and_memory_stand_under_the_title(name):
    (record,) = (files.read_json(p) for p in ROOT.glob("records/course-laptop-simulated.json"))
    own = notebooks.name_of(name)
    (took,) = (n for n in record["notebooks"] if notebooks.name_of(n["notebook"]) == own)
    told = opening.line(BOOKS[name].metadata, took, ROOT / "notebooks")
    assert texts(name)[0].split("\n\n")[1] == told
    order = [notebooks.name_of(n) for n in BOOKS]
    assert all(order.index(n) < order.index(own) for n in BOOKS[name].metadata["needs"])


@every
def test_outputs_are_those_of_a_laptop_run_without_errors(name):
    counts = [c.execution_count for c in code(name)]
    assert all(counts) and counts == sorted(counts)
    outputs = [o for c in code(name) for o in c.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    page = nbformat.writes(BOOKS[name])
    stamps = set(re.findall(r"(\w+) · (\w+) · seed (\d+)", page))
    assert stamps <= {("laptop", "simulated", "2022")} and "smoke run" not in page
    assert "papermill" not in BOOKS[name].metadata
    assert (ROOT / "notebooks" / name).stat().st_size < 1_500_000


@every
def test_checked_cells_have_something_to_check(name):
    for cell in code(name):
        if "nbval-check-output" in cell.metadata.get("tags", []):
            assert cell.execution_count and cell.outputs
            assert not any("image/png" in o.get("data", {}) for o in cell.outputs)


def test_some_cells_are_checked():
    tags = [c.metadata.get("tags", []) for name in BOOKS for c in code(name)]
    assert sum("nbval-check-output" in t for t in tags) >= 6


def test_no_machine_shows_through():
    pages = {n: nbformat.writes(b) for n, b in BOOKS.items()}
    pages |= {str(p): p.read_text() for p in ROOT.glob("records/*.json")}
    for name, page in pages.items():
        found = re.search(r"(?<![\w./])/(home|root|tmp|work|Users)/\w+", page)
        assert not found, (name, found)


def test_the_minutes_that_the_command_promises_are_the_recorded_ones():
    (record,) = [
        r for r in report.course_records() if r["preset"] == "laptop" and r["data"] == "simulated"
    ]
    minutes = sum(n["seconds"] for n in record["notebooks"]) / 60
    told = [notebooks.name_of(n["notebook"]) for n in record["notebooks"]]
    assert told == [notebooks.name_of(n) for n in BOOKS]
    assert minutes <= 25 and abs(settings.LAPTOP.minutes - minutes) <= 5
    assert max(n["peak_gib"] for n in record["notebooks"]) <= 6


# Settings and sums that texts may name; everything else like 0.755 is a result.
NO_RESULT = {"0.75", "0.033"}  # an IoU threshold to try; the spread of Table 4, checked below
SCORES = ("mean_dice", "mean_f1", "modality_mean_f1")


def recorded(content) -> set[str]:
    """The headline scores of a record, to two and three digits."""
    found = set()
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        if key in SCORES and value is not None:
            found |= {f"{value:.2f}", f"{value:.3f}"}
        elif isinstance(value, (dict, list)):
            found |= recorded(value)
    return found


def quoted(text: str) -> list[str]:
    """Decimals of two or three digits in prose; tables are compared with their records whole."""
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
    return re.findall(r"(?<![\w.])0\.\d{2,3}(?![\w.])", prose)


def test_a_quoted_result_is_the_papers_or_a_records():
    known = {f"{r.dice:.3f}" for r in paper.ROWS} | {f"{r.f1:.3f}" for r in paper.TABLE_5}
    for path in (ROOT / "records").glob("**/*.json"):
        known |= recorded(files.read_json(path))
    prose = {p.name: p.read_text() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]}
    assert {"README.md", "reproduction.md", "benchmarks.md"} <= prose.keys()
    prose |= {name: "\n".join(texts(name)) for name in BOOKS}
    for name, text in prose.items():
        assert not [n for n in quoted(text) if n not in known | NO_RESULT], name
    assert quoted("| 0.123 |\nreaches 0.755 and 0.99, version 2.0.13") == ["0.755", "0.99"]
    dice = [r.dice for r in paper.ROWS]
    assert f"{max(dice) - min(dice):.3f}" == "0.033"


def from_records(notebook) -> list[str]:
    """The tables of a notebook that are read from records alone, as they are today."""
    if notebook == "the_papers_tables":
        heading = tables.heading(claims.SCALE)
        shown = [(tables.HEADERS[n], tables.rows(n, claims.SCALE), heading) for n in "45"]
        ledger = claims.table(claims.settled())
        shown.append((claims.HEADER, ledger, f"Answers from {heading}"))
        return [report.text_table(*table) for table in shown]
    made = {
        "derived_network": {
            "controls": [
                (results.CONTROL_HEADER, results.control_rows),
                (verdicts.VERDICT_HEADER, verdicts.verdict_rows),
                (results.THREE_HEADER, results.three_rows),
            ],
            "sampling": [(results.SAMPLING_HEADER, results.sampling_rows)],
            "modalities": [(verdicts.MODALITY_HEADER, verdicts.modality_rows)],
        },
        "instance_evaluation": {"instances": [(results.INSTANCE_HEADER, results.instance_rows)]},
    }[notebook]
    studies = [(results.load_study(name), some) for name, some in made.items()]
    return [
        report.text_table(header, rows(study), results.caption(study))
        for study, some in studies
        for header, rows in some
    ]


@pytest.mark.parametrize(
    "notebook", ["derived_network", "instance_evaluation", "the_papers_tables"]
)
def test_outputs_from_records_are_what_the_records_say(notebook):
    name = notebooks.find(notebook).name
    outputs = [o for c in code(name) for o in c.outputs]
    texts = {o["data"]["text/plain"].strip() for o in outputs if "data" in o}
    assert not [table for table in from_records(notebook) if table.strip() not in texts]
    if notebook == "derived_network":
        lines = "\n".join(results.tiny_lines(results.load_study("tiny")))
        assert any(lines in o.get("text", "") for o in outputs)
