"""The shape of a notebook, which CONTRIBUTING.md tells authors: what can be held of it."""

import ast
import re
import statistics

import pytest
from notebook_text import FILES as BOOKS
from notebook_text import ROOT, code, pictures, texts

from twodints_lib import course

every = pytest.mark.parametrize("name", BOOKS)
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
# Commands that MathJax and KaTeX draw, and code hosts too, so that a formula reads everywhere.
COMMANDS = r"""
Big Bigg Delta Omega Rightarrow Sigma alpha and approx arg ast bar begin beta big bigg
bmod cap cdot cdots circ cup delta displaystyle div dot dots ell emptyset end epsilon
equiv eta exists exp forall frac gamma ge geq gg hat in infty int lVert lambda langle
lbrace lceil ldots le left leftarrow leq lfloor lim ll log lvert mapsto mathbb mathbf
mathcal mathrm max mid min mp mu nabla ne neq ni not notin odot operatorname oplus or
otimes overline partial phi pi pm prime prod propto qquad quad rVert rangle rbrace rceil
rfloor rho right rightarrow rvert setminus sigma sim sqrt star subset subseteq sum tau
text theta tilde times to underbrace underline varnothing vec
"""


def is_exercise(cell) -> bool:
    return any(t.startswith("exercise") for t in cell.metadata.get("tags", []))


def prose(text: str) -> str:
    """A text without its code, in blocks and in lines."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.S))


@every
def test_three_bullets_open_and_are_mirrored_at_the_end(name):
    opening, closing = texts(name)[0], texts(name)[-1]
    first, last = (
        re.findall(r"^\* .*?\*\*(.+?)\*\*", t.split("## References")[0], re.M)
        for t in (opening, closing)
    )
    assert len(first) == len(last) == 3
    for one, other in zip(first, last, strict=True):
        one, other = one.lower(), other.lower()
        assert one in other or other in one, (one, other)
    assert "## References" in closing and "* " in closing.split("## References")[1]


@every
def test_parameters_are_typed_literals_with_a_comment(name):
    tagged = [c for c in code(name) if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    lines = tagged[0].source.splitlines()
    for line, node in zip(lines, ast.parse(tagged[0].source).body, strict=True):
        assert isinstance(node, ast.AnnAssign)
        assert type(ast.literal_eval(node.value)).__name__ == node.annotation.id
        assert len(line.split("#", 1)[1]) > 15
    known = course.parameters_of(ROOT / "notebooks" / name)
    assert {"preset", "data", "seed"} <= set(known)


@every
def test_every_figure_can_be_read_aloud_and_is_interpreted(name):
    assert len(pictures(name)) >= 1
    for output in pictures(name):
        alt = output.metadata["image/png"]["alt"]
        assert len(alt) >= 20 and output.data["text/plain"] == alt
    assert sum(t.startswith("**What to see.**") for t in texts(name)) >= 1


@every
def test_cells_are_short_and_end_plainly(name):
    for cell in code(name):
        assert len(cell.source.splitlines()) <= 24, cell.source[:80]
        assert not cell.source.rstrip().endswith(";")


@every
def test_headings_are_questions(name):
    cells = [c for c in BOOKS[name].cells if c.cell_type == "markdown" and not is_exercise(c)]
    headings = [h for c in cells for h in re.findall(r"^## (.+)$", c.source, re.M)]
    plain = {"Parameters", "What to take away", "References"}
    assert [h for h in headings if not h.endswith("?") and h not in plain] == []
    titles = [h for c in cells for h in re.findall(r"^# (.+)$", prose(c.source), re.M)]
    assert len(titles) == 1 and titles[0].startswith(f"{name[:2]} · ")


@every
def test_a_notebook_is_as_long_as_can_be_read(name):
    plain = (re.sub(r"<[^>]+>|\$[^$]*\$|\(http\S+|[|*#]", " ", prose(t)) for t in texts(name))
    words = sum(len(t.split()) for t in plain)
    assert 250 <= words <= 3000
    lines = [len(re.findall(r"^\s*\S", c.source, re.M)) for c in code(name)]
    assert statistics.median(lines) <= 8


@every
def test_a_figure_is_shown_with_a_text_that_is_its_caption(name):
    """Nothing is drawn past `plots`, which writes the text under the figure."""
    for cell in code(name):
        assert not re.search(r"matplotlib|pyplot|savefig|plt\.", cell.source)
        for call in ast.walk(ast.parse(cell.source)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in FIGURES:
                assert any(k.arg == "alt" for k in call.keywords), ast.unparse(call)[:80]


FIGURES = ("plots.show", "plots.display_figure")


@every
def test_every_notebook_asks(name):
    number = sum(c.cell_type == "code" and is_exercise(c) for c in BOOKS[name].cells)
    assert 1 <= number <= 8


@every
def test_formulas_render_everywhere(name):
    for text in map(prose, texts(name)):
        assert text.count("$$") % 2 == 0, text[:80]
        inline = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
        for paragraph in inline.split("\n\n"):
            assert paragraph.count("$") % 2 == 0, paragraph[:80]
        formulas = re.findall(r"\$\$(.*?)\$\$", text, re.S)
        formulas += re.findall(r"\$([^$]+)\$", inline)
        for formula in formulas:
            assert formula.count("{") == formula.count("}"), formula
            assert formula.count(r"\left") == formula.count(r"\right"), formula
            assert set(re.findall(r"\\([a-zA-Z]+)", formula)) <= set(COMMANDS.split()), formula
            assert not re.search(r"\\[{}]", formula), formula  # Markdown eats it: \lbrace


@every
def test_no_markdown_is_half_written(name):
    for text in texts(name):
        assert text.count("```") % 2 == 0 and text.count("<details>") == text.count("</details>")
        plain = re.sub(r"\$[^$]*\$", "", prose(text))
        for paragraph in re.split(r"\n\n|\n(?=[*|#])", plain):
            assert paragraph.count("**") % 2 == 0, paragraph[:80]
            assert paragraph.count("`") % 2 == 0, paragraph[:80]
        assert not re.search(r"\]\(\s*\)|\[[^\]]*\]\[\]|TODO|FIXME|XXX", plain), plain[:80]
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert all(line.endswith("|") for line in rows)


@every
def test_terms_lead_to_the_glossary(name):
    anchors = {h.replace(" ", "-").lower() for h in re.findall(r"^## (.+)$", GLOSSARY, re.M)}
    linked = re.findall(r"docs/glossary\.md#([\w-]+)", "\n".join(texts(name)))
    assert set(linked) <= anchors
    assert len(linked) == len(set(linked)), "a term is explained once in a notebook"
