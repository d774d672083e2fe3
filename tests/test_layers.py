"""The library's shape: rooms in one order, no circle, drawing in its place, all documented."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "twodints_lib"
MODULES = {
    str(p.relative_to(LIBRARY).with_suffix("")).replace("/", "."): p
    for p in sorted(LIBRARY.rglob("*.py"))
}
# Each room imports only from those before it.
ROOMS = (
    "errors", "messages", "files", "fingerprint", "lab", "data", "targets", "scoring", "space",
    "runs", "inference", "exchange", "training", "truth", "plots", "reproduction", "exercises",
    "course", "cli",
)  # fmt: skip


def room(module: str) -> str:
    return module.split(".")[0]


def imported(path):
    """Modules of the library and foreign packages that a file imports, anywhere in it."""
    ours, foreign = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "twodints_lib":
            base = node.module.removeprefix("twodints_lib").lstrip(".")
            for name in (f"{base}.{a.name}".lstrip(".") for a in node.names):
                ours |= {name} & MODULES.keys() or {base} & MODULES.keys()
        elif isinstance(node, ast.ImportFrom):
            foreign.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            foreign |= {a.name.split(".")[0] for a in node.names}
    return ours, foreign


def test_imports_run_in_no_circle():
    list(TopologicalSorter({n: imported(p)[0] for n, p in MODULES.items()}).static_order())


@pytest.mark.parametrize("name", [n for n in MODULES if n != "__init__"])
def test_rooms_import_only_from_those_before_them(name):
    own = ROOMS.index(room(name))
    later = {n for n in imported(MODULES[name])[0] if ROOMS.index(room(n)) > own}
    assert not later


def test_few_arrows_between_packages():
    packages = {p.parent.name for p in LIBRARY.glob("*/__init__.py")}
    arrows = {(room(n), room(other)) for n, p in MODULES.items() for other in imported(p)[0]}
    assert len({(a, b) for a, b in arrows if a != b and {a, b} <= packages}) <= 43


@pytest.mark.parametrize("name", MODULES)
def test_only_drawing_code_imports_matplotlib(name):
    if "matplotlib" in imported(MODULES[name])[1]:
        assert room(name) == "plots"


@pytest.mark.parametrize("name", [n for n, p in MODULES.items() if p.read_text().strip()])
def test_what_is_public_is_documented(name):
    tree = ast.parse(MODULES[name].read_text())
    public = [
        n for n in tree.body
        if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")
    ]  # fmt: skip
    assert ast.get_docstring(tree)
    assert [n.name for n in public if not ast.get_docstring(n)] == []


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_tell_what_they_return(name):
    """Functions of modules, and methods of public classes that are called from elsewhere."""
    tree = ast.parse(MODULES[name].read_text())
    places = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_")]
    functions = [f for p in places for f in p.body if isinstance(f, ast.FunctionDef)]
    assert [f.name for f in functions if f.name[0] != "_" and f.returns is None] == []


def test_what_only_reads_starts_without_torch():
    """Nothing heavy is imported by what reads records, data and codes, so it starts at once."""
    heavy = ("torch", "monai", "jsonschema", "matplotlib", "IPython", "papermill")
    rooms = ("files", "fingerprint", "lab", "data", "runs", "cli")
    light = [n for n in MODULES if room(n) in rooms and n not in ("data.archives", "data.fetch")]
    light += ["space.topology", "space.operations", "space.specs"]
    light += ["space.budget", "space.cost_tables"]
    light += [f"truth.{n}" for n in ("report", "searches", "regret", "ranking", "reliability")]
    code = "; ".join(f"import twodints_lib.{n.removesuffix('.__init__')}" for n in light)
    code += f"; import sys; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
