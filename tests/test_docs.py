"""README, docs and CONTRIBUTING: short, and true of the code, the records and the commands."""

import re
import shlex
from pathlib import Path

import pytest
from test_layers import ROOMS

from twodints_lib import cli, files
from twodints_lib.errors import InputError
from twodints_lib.reproduction import claims, peers, tables
from twodints_lib.runs import report
from twodints_lib.truth import report as truth

ROOT = Path(__file__).parents[1]
PATHS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = {str(p.relative_to(ROOT)): p.read_text() for p in PATHS}
every = pytest.mark.parametrize("name", PAGES)
OPEN = re.compile(r"NAME|[<*]|your|\.\.\.|10_")  # what a reader puts in himself


def blocks(name) -> list[str]:
    """The lines of a page's code blocks, without comments."""
    found = re.findall(r"^```\n(.*?)^```", PAGES[name], re.M | re.S)
    lines = [line.split(" #")[0].split("#")[0].strip() for b in found for line in b.splitlines()]
    return [line for line in lines if line]


def spans(name) -> list[str]:
    """What stands in backticks in a page's text."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", PAGES[name], flags=re.M | re.S))


def commands(lines) -> list[list[str]]:
    """The words after `twodints` of every line that calls it, by whatever launcher."""
    calls = (re.search(r"(?:^|/|\s)(?:twodints|twodints_lib\.cli) (.*)", line) for line in lines)
    return [shlex.split(call[1]) for call in calls if call]


def test_the_readme_is_short():
    text = PAGES["README.md"]
    assert len(text.splitlines()) <= 130 and len(text.split()) <= 1000


@every
def test_a_page_is_short(name):
    if name == "docs/glossary.md":
        return  # looked up, not read
    lines = PAGES[name].splitlines()
    told = [line for line in lines if not line.startswith("|")]  # tables are looked up
    assert len(lines) <= 130 and len(" ".join(told).split()) <= 1000


@every
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)\s]+)\)", PAGES[name])
    links = [link.split("#")[0] for link in links if not link.startswith("http")]
    gone = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert links and not gone or name == "docs/environment.md"


@every
def test_files_named_are_there(name):
    ours = {p.name for p in ROOT.iterdir() if p.is_dir()} - {"runs"}
    for span in spans(name):
        told = span.split()[-1]
        if "/" in told and told.split("/")[0] in ours and not OPEN.search(told):
            assert (ROOT / told).exists(), told
        if re.fullmatch(r"[\w-]+\.(md|txt|yml|py)", told) and not OPEN.search(told):
            assert list(ROOT.glob(told)) + list(ROOT.glob(f"*/**/{told}")), told


@every
def test_commands_are_known_to_the_parser(name, capsys):
    parser = cli._parser()
    for words in commands(blocks(name)):
        parser.parse_args(words)
    for words in commands(spans(name)):  # in the text: perhaps without their arguments
        with pytest.raises(SystemExit) as stopped:
            parser.parse_args([*words, "--help"])
        assert stopped.value.code == 0, words
        known = capsys.readouterr().out
        assert not [w for w in words if w.startswith("-") and w not in known], words


@every
def test_targets_and_variables_are_the_makefiles(name):
    makefile = (ROOT / "Makefile").read_text()
    lines = blocks(name) + spans(name)
    for line in (line.split(", then ")[0] for line in lines if line.startswith("make ")):
        target, *given = shlex.split(line)[1:]
        assert re.search(rf"^{target}:", makefile, re.M), line
        assert not [g for g in given if f"({g.split('=')[0]})" not in makefile], line


def test_the_two_commands_come_first():
    assert [line.split(" #")[0] for line in blocks("README.md")][:2] == ["make course", "make test"]


def test_every_command_stands_on_a_page():
    told = {words[0] for name in PAGES for words in commands(blocks(name) + spans(name))}
    assert told >= {words.split()[0] for words, *_ in cli.COMMANDS}


def test_every_variable_of_the_environment_is_told():
    code = "".join(p.read_text() for p in (ROOT / "twodints_lib").rglob("*.py"))
    used = set(re.findall(r"TWODINTS_[A-Z]+", code)) - {"TWODINTS_USED", "TWODINTS_CHECKS"}  # ours
    told = set(re.findall(r"TWODINTS_[A-Z]+", "".join(PAGES.values())))
    assert told == set(re.findall(r"TWODINTS_[A-Z]+", PAGES["docs/environment.md"])) == used


def test_names_of_tables_to_extend_are_the_codes():
    code = "".join(p.read_text() for p in (ROOT / "twodints_lib").rglob("*.py"))
    told = {s for s in spans("CONTRIBUTING.md") if re.fullmatch(r"[A-Z]{2,}", s)} - {"NAME"}
    assert {"HEADS", "OPERATIONS", "STYLES"} <= told
    assert not [name for name in told if not re.search(rf"^{name}\b.* = ", code, re.M)]


def test_the_rooms_are_told_in_their_order():
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", PAGES["docs/developing.md"], re.M)
    assert tuple(room.strip("` ") for row in rows for room in row.split(",")) == ROOMS


def test_the_notebooks_are_told_in_their_order():
    told = re.findall(r"^\| \[(\d\d)\]\(notebooks/(.*?)\)", PAGES["README.md"], re.M)
    assert [n for _, n in told] == sorted(p.name for p in (ROOT / "notebooks").glob("*.ipynb"))
    assert all(number == n[:2] for number, n in told)


def test_pictures_are_small_and_can_be_read_aloud():
    told = re.findall(r"!\[(.*?)\]\((.*?)\)", PAGES["README.md"])
    drawn = sorted(f"docs/images/{p.name}" for p in (ROOT / "docs" / "images").glob("*.png"))
    assert sorted(path for _, path in told) == drawn and len(drawn) >= 3
    assert all(len(alt) >= 20 for alt, _ in told)
    assert all((ROOT / path).stat().st_size < 150_000 for path in drawn)


def between(page, marker) -> str:
    """What stands on a page between the two marks of that name."""
    (found,) = re.findall(rf"<!-- {marker} -->\n(.*?)\n<!-- /{marker} -->", PAGES[page], re.S)
    return found


@pytest.mark.parametrize("name", report.BENCH_TABLES)
def test_the_benchmarks_are_the_records(name):
    header, rows = report.BENCH_TABLES[name]
    record = files.read_json(ROOT / "records" / f"bench-{name}.json")
    assert between("docs/benchmarks.md", name) == report.markdown(header, rows(record))


def test_the_table_of_peers_is_the_records():
    assert between("docs/benchmarks.md", "peers") == report.markdown(peers.HEADER, peers.rows())


@pytest.mark.parametrize("name", truth.TABLES)
def test_the_data_card_is_the_records(name):
    try:
        told = report.markdown(*truth.TABLES[name]())
    except InputError:
        told = "no table of truth yet" if name == "truth" else "no record yet"
    assert between("docs/truth.md", name) == told


@pytest.mark.parametrize("name", ["planted", "placed"])
def test_what_searches_find_is_the_records(name):
    assert between("docs/searches.md", name) == tables.text(name)


def test_what_labels_are_worth_is_the_records():
    assert between("docs/your_images.md", "transfer") == tables.text("transfer")


def test_the_rows_are_the_records():
    header = tables.HEADERS["4"][:8]
    rows = [row[:8] for row in tables.rows("4", claims.SCALE)]
    told = between("docs/reproduction.md", "rows")
    assert told == report.markdown(header, rows)
    assert tables.heading(claims.SCALE) in PAGES["docs/reproduction.md"]


def test_the_checklist_answers_every_point_and_proves_it():
    rows = re.findall(r"^\| (.+?) \| (\w+) \| (.+) \|$", PAGES["docs/checklist.md"], re.M)
    rows = [row for row in rows if row[0] != "point"]
    assert len(rows) >= 14 and {answer for _, answer, _ in rows} == {"yes", "partly", "no"}
    assert all("`" in proof for _, answer, proof in rows if answer == "yes")
    jobs = {p.parent.name for p in (ROOT / "records" / "study").glob("*/matched-*.json")}
    assert ("no record of them is here yet" in PAGES["docs/checklist.md"]) != bool(jobs)


def test_the_preset_table_is_the_records():
    rows = report.preset_rows(report.course_records())
    assert len(rows) >= 3  # the set-up, smoke and laptop
    assert between("README.md", "presets") == report.markdown(report.PRESET_HEADER, rows)


def test_files_of_the_library_named_anywhere_are_there():
    folders = (
        "twodints_lib",
        "tests",
        "benchmarks",
        "notebooks",
        "data_manifest",
        "records",
        "docs",
    )
    paths = [p for folder in folders for p in (ROOT / folder).rglob("*.*")] + list(ROOT.glob("*.*"))
    texts = [p for p in paths if p.suffix in (".py", ".md", ".toml", ".ipynb")]
    named = {told for p in texts for told in re.findall(r"twodints_lib/[\w/]+\.py", p.read_text())}
    assert len(named) >= 5 and not [told for told in named if not (ROOT / told).exists()]


def test_the_plans_ask_where_the_exercises_stand():
    """Each exercise of a plan stands in a notebook that its own line names."""
    told = 0
    for line in PAGES["docs/teaching.md"].splitlines():
        books = re.findall(r"\(\.\./notebooks/(\w+\.ipynb)\)", line)
        text = "".join((ROOT / "notebooks" / b).read_text(encoding="utf-8") for b in books)
        for name in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", line) if books else ():
            assert f'"exercise:{name}"' in text, name
            told += 1
    assert told >= 10
