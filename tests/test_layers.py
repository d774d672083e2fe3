"""The library's shape: imports point one way, files stay short, drawing stays in its place."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "twodints_lib"
MODULES = {p.stem: p for p in LIBRARY.glob("*.py") if p.stem != "__init__"}


def imported(path):
    """Modules of the library and foreign packages that a file imports, anywhere in it."""
    ours, foreign = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "twodints_lib":
            ours |= {a.name for a in node.names if a.name in MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("twodints_lib."):
            ours.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom):
            foreign.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            foreign |= {a.name.split(".")[0] for a in node.names}
    return ours, foreign


def test_imports_run_in_no_circle():
    list(TopologicalSorter({n: imported(p)[0] for n, p in MODULES.items()}).static_order())


@pytest.mark.parametrize("name", MODULES)
def test_only_drawing_code_imports_matplotlib(name):
    assert ("matplotlib" in imported(MODULES[name])[1]) == name.startswith("draw")


@pytest.mark.parametrize("name", MODULES)
def test_files_are_short_and_documented(name):
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= 300
    tree = ast.parse(text)
    public = [
        n for n in tree.body
        if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")
    ]  # fmt: skip
    assert ast.get_docstring(tree)
    assert [n.name for n in public if not ast.get_docstring(n)] == []
