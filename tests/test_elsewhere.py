"""Ways into the course besides make on one's own machine: Binder, a container, Colab, Windows."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from packaging.specifiers import SpecifierSet

from twodints_lib.runs import notebooks

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
PYTHONS = SpecifierSet(
    re.search(r'^requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
)


def test_binder_installs_the_tested_versions_without_cuda():
    python = (ROOT / ".binder" / "runtime.txt").read_text().strip()
    assert python.removeprefix("python-") in PYTHONS
    script = ROOT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK)
    words = shlex.split(script.read_text().replace("\\\n", " "), comments=True)
    assert words[words.index("-c") + 1] == "constraints.txt" and words[-2:] == ["-e", "."]
    assert words[words.index("--extra-index-url") + 1].endswith("/cpu")
    assert subprocess.run(["bash", "-n", script]).returncode == 0


def test_the_container_is_set_up_by_make():
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert told["image"].rsplit(":", 1)[1] in PYTHONS
    make, target, given = told["postCreateCommand"].split()
    assert make == "make" and f"\n{target}:" in MAKEFILE
    assert f"\n{given.split('=')[0]} ?=" in MAKEFILE
    python = told["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python.endswith("/.venv/bin/python")


def test_every_target_of_the_course_has_a_way_without_make():
    page = (ROOT / "docs" / "environment.md").read_text()
    told = dict(re.findall(r"^\| `make (\w+)[^`]*` \| `(.*?)` \|$", page, re.M))
    assert {"course", "lab", "book", "test", "notebooks", "study", "lint"} <= set(told)
    for target, command in told.items():
        rule = re.search(rf"^{target}:.*?\n((?:\t.*\n)+)", MAKEFILE, re.M)[1]
        program = command.split()[0]
        assert f"/{program}" in rule, target  # the same program, from the environment


@pytest.mark.parametrize("repository", ["", "https://example.org/course.git"])
def test_the_cell_for_colab_fetches_what_it_is_told(repository, monkeypatch):
    book = nbformat.read(notebooks.find("start_here"), as_version=4)
    code = [c.source for c in book.cells if c.cell_type == "code"]
    at = next(i for i, source in enumerate(code) if source.startswith("repository = "))
    assert not [s for s in code[:at] if "twodints_lib" in s]  # it comes before the first import
    called = []
    monkeypatch.setattr(subprocess, "run", lambda words, **how: called.append(words))
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(code[at].replace('repository = ""', f"repository = {repository!r}"), {})
    if not repository:
        assert not called
        return
    clone, install = called
    assert clone[0] == "git" and repository in clone and clone[-1] == "course"
    assert install[-1] == "./course" and sys.path[0] == "course"
