"""The book: its sources, and the pages as a reader sees them, opened from a folder in a browser."""

import importlib.util
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from twodints_lib import files

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("build", ROOT / "docs" / "book" / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)
NAMES = [p.name for p in sorted((ROOT / "notebooks").glob("*.ipynb"))]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SOLUTION = "<details><summary>Solution</summary>\n\nIt is $x^2$, of course.\n\n</details>"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A run's folder with one notebook in it: a formula, a folded solution, a slider of its own."""
    folder = tmp_path_factory.mktemp("executed")
    notebook = nbformat.read(ROOT / "notebooks" / NAMES[1], as_version=4)
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "a", "version_major": 2}}
    slider = nbformat.v4.new_code_cell("slider", execution_count=1)
    slider.outputs = [nbformat.v4.new_output("display_data", {"text/plain": "a slider"} | widget)]
    texts = ["$$\\frac{1}{n} \\sum_i x_i$$", SOLUTION, f"[glossary](../docs/glossary.md#{'dice'})"]
    notebook.cells[1:1] = [*map(nbformat.v4.new_markdown_cell, texts), slider]
    nbformat.write(notebook, folder / NAMES[1])
    took = [{"notebook": NAMES[1][:-6], "seconds": 400.0}]
    record = {"is_result": False, "notebooks": took}
    files.write_json(folder / "course.json", record)
    return folder


@pytest.fixture(scope="module")
def book(executed, tmp_path_factory):
    """The folder of a book that was made without a word of complaint."""
    if not (ROOT / ".venv-book" / "ready").is_file():
        pytest.skip("the book's tools are not here: make book")
    out = tmp_path_factory.mktemp("made") / "book"
    assert build.make(executed, out) == 0
    return out


@pytest.fixture(scope="module")
def page(book):
    """A browser's page; `page.asked` has the address of everything that it loads."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not CHROMIUM:
        pytest.skip("no Chromium here: apt install chromium")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        yield page
        browser.close()


def see(page, book, name, width=1280):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"file://{book / name}")
    page.wait_for_load_state("load")


def test_what_a_run_lacks_is_the_committed_notebook(executed, tmp_path):
    build.gather(executed, tmp_path / "source")
    laid = {p.name: p.read_bytes() for p in (tmp_path / "source" / "notebooks").iterdir()}
    assert sorted(laid) == NAMES
    for name in NAMES:
        own = executed / name if name == NAMES[1] else ROOT / "notebooks" / name
        assert laid[name] == own.read_bytes()


def test_the_first_page_lists_every_notebook_with_level_and_minutes(executed):
    rows = build.contents(executed, NAMES).splitlines()[2:]
    assert [re.search(r"\(notebooks/(.*?)\)", row)[1] for row in rows] == NAMES
    assert rows[1].endswith("| introductory | 7 |") and rows[2].endswith("| under 1 |")
    assert all(re.search(r"\| (introductory|intermediate|advanced) \|", row) for row in rows)
    recorded = build.contents(ROOT / "notebooks", NAMES).splitlines()[2:]
    assert all(re.search(r"\| (under 1|\d+) \|$", row) for row in recorded)


def test_the_first_page_says_what_is_no_result(executed, tmp_path):
    for notebooks, told in ((executed, 1), (ROOT / "notebooks", 0)):
        source = tmp_path / str(told)
        build.gather(notebooks, source)
        assert (source / "index.md").read_text().count("no result") == told


def test_every_page_of_the_docs_is_in_the_book(executed, tmp_path):
    build.gather(executed, tmp_path / "source")
    first = (tmp_path / "source" / "index.md").read_text()
    for path in sorted((ROOT / "docs").glob("*.md")):
        assert f"\ndocs/{path.stem}\n" in first
        text = (tmp_path / "source" / "docs" / path.name).read_text()
        for link in re.findall(r"\]\(([^)\s#]+)", text):
            there = (tmp_path / "source" / "docs" / link).resolve()
            assert "://" in link or there.is_file(), link


def test_a_folder_of_something_else_is_left_alone(executed, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="holds something else"):
        build.make(executed, tmp_path)
    with pytest.raises(ValueError, match="no notebook of the course"):
        build.make(tmp_path, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_book_is_made_without_complaint_and_may_be_made_again(executed, book, capfd):
    assert build.make(executed, book) == 0
    said = capfd.readouterr()
    assert said.err == "" and said.out == f"Open {book / 'index.html'} in a browser.\n"


def test_nothing_in_the_book_is_loaded_from_elsewhere(book):
    for path in book.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(.*?)\"", path.read_text()
        )
        assert not [x for x in loaded if re.match(r"(https?:)?//", x)], path.name


def test_every_picture_can_be_read_aloud_and_every_notebook_taken_away(book):
    for name in NAMES:
        text = (book / "notebooks" / name).with_suffix(".html").read_text()
        article = text[text.index("<article") : text.index("</article>")]
        told = [re.search(r'alt="(.*?)"', x) for x in re.findall(r"<img\b[^>]*>", article)]
        assert told and all(t and len(t[1]) >= 20 and "_images" not in t[1] for t in told), name
        assert f'href="../_sources/notebooks/{name}"' in text
        assert (book / "_sources" / "notebooks" / name).is_file()


def test_pages_lead_on_and_back(page, book):
    see(page, book, "index.html")
    page.click("a.right-next")
    assert page.url.endswith(f"notebooks/{NAMES[0][:-6]}.html")
    page.click("a.right-next")
    assert page.url.endswith(f"notebooks/{NAMES[1][:-6]}.html")
    page.click("a.left-prev")
    assert page.url.endswith(f"notebooks/{NAMES[0][:-6]}.html")
    assert not [x for x in page.asked if not x.startswith(("file:", "data:"))]


def test_the_search_finds_a_word(page, book):
    see(page, book, "search.html?q=lattice")
    page.wait_for_selector("#search-results li a")
    found = page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.href)")
    assert [x for x in found if "search_space" in x]
    assert not [x for x in page.asked if not x.startswith(("file:", "data:"))]


def test_formulas_are_drawn_and_solutions_folded(page, book):
    see(page, book, f"notebooks/{NAMES[1][:-6]}.html")
    page.wait_for_selector("mjx-container[display=true] svg")
    box = page.locator("mjx-container[display=true] svg").first.bounding_box()
    assert box["width"] > 30 and box["height"] > 20
    answer = page.get_by_text("of course.")
    assert not answer.is_visible()
    page.click("summary:has-text('Solution')")
    assert answer.is_visible()
    assert not [x for x in page.asked if not x.startswith(("file:", "data:"))]


def test_light_and_dark(page, book):
    see(page, book, "index.html")
    shade = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    seen = []
    for name in ("Dark", "Light"):
        page.click(".theme-switch-button >> visible=true")
        page.click(f".theme-change-button:has-text('{name}') >> visible=true")
        seen.append(page.evaluate(shade))
    assert seen[0] < 64 and seen[1] > 192


@pytest.mark.parametrize("name", ["index.html", "docs/data.html", *NAMES])
def test_a_phone_scrolls_in_one_direction(name, page, book):
    name = name.replace(".ipynb", ".html")
    see(page, book, name if "/" in name or name == "index.html" else f"notebooks/{name}", 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_glossary_is_in_order_and_names_a_notebook_for_each_term():
    text = (ROOT / "docs" / "glossary.md").read_text()
    terms = re.findall(r"^## (.+)\n\n(.+)$", text, re.M)
    names = [name.lower() for name, _ in terms]
    assert len(names) >= 60 and names == sorted(set(names))
    for name, said in terms:
        sentences = re.findall(r"[.?]( |$)", said)
        assert len(sentences) == 2 and said.count("](../notebooks/") == 1, name
