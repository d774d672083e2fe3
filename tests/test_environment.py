"""The environment files say one thing: versions, licence, citation, commands."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import twodints_lib
from twodints_lib.data import manifest
from twodints_lib.runs import pretrained

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = [
    line
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
PINS = {canonicalize_name(pin.name): pin for pin in map(Requirement, LINES)}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
MACHINES = [(f"3.{minor}", platform) for minor in (11, 12, 13) for platform in ("linux", "darwin")]


def requirements():
    """What the course and its tests need. Microscopes' readers are an extra that neither uses."""
    groups = PROJECT["optional-dependencies"].items()
    extras = [r for name, group in groups if name != "microscopes" for r in group]
    return [Requirement(r) for r in PROJECT["dependencies"] + extras]


def version_of(name):
    (specifier,) = PINS[canonicalize_name(name)].specifier
    assert specifier.operator == "=="
    return specifier.version


def needed(marks):
    """Every package the project asks for, directly or not, on the machine of these markers."""
    seen, todo = set(), requirements()
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            lines = metadata.requires(requirement.name) or []
        except metadata.PackageNotFoundError:  # not needed on this machine
            continue
        for other in map(Requirement, lines):
            extras = requirement.extras or {""}
            if not other.marker or any(other.marker.evaluate(marks | {"extra": e}) for e in extras):
                todo.append(other)
    return {name for name, _ in seen}


def test_pins_are_exact_and_in_order():
    names = [canonicalize_name(Requirement(line).name) for line in LINES]
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"[\w.]+", version_of(name)) for name in names)


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_every_requirement_is_pinned_within_its_range(requirement):
    assert requirement.specifier.contains(version_of(requirement.name))
    assert {"<", ">="} <= {s.operator for s in requirement.specifier}


@pytest.mark.parametrize(("python", "platform"), MACHINES)
def test_pins_are_what_each_machine_needs(python, platform):
    marks = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
        "platform_system": platform.title(),
    }
    here = {name for name, pin in PINS.items() if not pin.marker or pin.marker.evaluate(marks)}
    # torch's CUDA build brings the first three along at versions of its own
    loose = ("nvidia-", "cuda-", "triton", "setuptools")
    found = {name for name in needed(marks) if not name.startswith(loose)}
    assert found - here == set()
    unused = {n for n in here - found if not PINS[n].marker}
    assert unused == set()


def test_torch_is_a_plain_pin_for_the_makefile():
    assert f"torch=={version_of('torch')}" in LINES


def test_this_environment_is_the_tested_one():
    found = {canonicalize_name(d.name): d.version.split("+")[0] for d in metadata.distributions()}
    assert len(found.keys() & PINS.keys()) > 100
    here = {name for name, pin in PINS.items() if not pin.marker or pin.marker.evaluate()}
    assert {n: found.get(n) for n in here} == {n: version_of(n) for n in here}


def test_conda_brings_python_and_pip_only():
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]
    names = [d for d in CONDA["dependencies"] if isinstance(d, str)]
    assert names == ["python" + PROJECT["requires-python"], "pip"]


def test_conda_reads_the_same_versions():
    (pip,) = [d["pip"] for d in CONDA["dependencies"] if isinstance(d, dict)]
    assert pip[0] == "-c constraints.txt" and pip[-1] == "-e .[test]"
    assert pip[1:-1] == [f"torch=={version_of('torch')}"]


def test_supported_pythons_are_the_tested_ones():
    allowed = SpecifierSet(PROJECT["requires-python"])
    pythons = [f"3.{minor}" for minor in range(9, 17)]
    assert [v for v in pythons if v in allowed] == ["3.11", "3.12", "3.13"]


def test_citation_names_what_the_course_stands_on():
    assert CITATION["cff-version"] == "1.2.0" and CITATION["message"]
    assert CITATION["authors"] == [{"name": "The 2DiNTS course authors"}]
    assert CITATION["version"] == twodints_lib.__version__
    assert CITATION["license"] == PROJECT["license"] == "Apache-2.0"
    paper, dints, monai, challenge = CITATION["references"]
    assert paper["title"].startswith("2DiNTS: 2D Differentiable Neural Network Topology Search")
    families = [author["family-names"] for author in paper["authors"]]
    assert families == ["Azzuni", "Sharif", "Syed", "Yaqub", "Xu"]
    assert dints["url"].endswith("2103.15954") and dints["authors"][0]["family-names"] == "He"
    assert monai["url"].endswith("2211.02701")
    assert challenge["doi"] == "10.1038/s41592-024-02233-6"
    assert challenge["identifiers"][0]["value"] == "10.5281/zenodo.10719375"


def test_licence():
    lines = (ROOT / "LICENSE").read_text().split("\n")
    assert [line.strip() for line in lines[1:3]] == ["Apache License", "Version 2.0, January 2004"]
    assert "END OF TERMS AND CONDITIONS" in map(str.strip, lines)


def test_commands():
    assert PROJECT["scripts"] == {"twodints": "twodints_lib.cli:main"}
    (entry,) = metadata.entry_points(group="console_scripts", name="twodints")
    assert callable(entry.load())
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
    rules = (ROOT / "Makefile").read_text()
    for target in ("help", "setup", "course", "test", "lab", "lint", "format", "clean"):
        assert f"\n{target}:" in rules


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A plain install in a folder of its own, from a copy of the tracked files: where it lies."""
    if Version(metadata.version("setuptools")) < Version("77"):
        pytest.skip("this environment's setuptools cannot build the project")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("plain")
    for name in ("twodints_lib", "data_manifest", "pretrained", "records"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


def in_plain_install(installed, code, folder):
    """What a script prints that uses the plain install, run in a folder."""
    told = {k: v for k, v in os.environ.items() if k != "TWODINTS_RUNS"}
    told |= {"PYTHONPATH": str(installed), "TWODINTS_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=told, cwd=folder
    )
    return done.stdout, done.stderr


def test_a_plain_install_has_what_the_library_reads(installed, tmp_path):
    code = """
import twodints_lib
from twodints_lib import files
from twodints_lib.data import dataset, manifest
from twodints_lib.reproduction import tables
from twodints_lib.runs import doctor, environment, pretrained, store
print(twodints_lib.__file__)
print(manifest.manifests())
print(dataset.simulated_path().parent)
names = pretrained.names()
print(names, [(pretrained.folder(n) / "best.pt").is_file() for n in names])
print(len(list(files.shipped("records").glob("rows/*/*.json"))))
print(store.runs_dir(), environment.commit())
print(tables.text("claims", "", "simulated", None)[:5])
print({row[3] for row in doctor.look()} - {"unset OMP_NUM_THREADS"})  # as the tests set it
"""
    out, err = in_plain_install(installed, code, tmp_path)
    lines = out.splitlines()
    assert len(lines) == 8, err
    assert lines[0].startswith(str(installed))
    assert lines[1] == str(manifest.manifests())
    assert lines[2] == str(tmp_path / "cache")
    assert lines[3] == f"{pretrained.names()} {[True] * len(pretrained.names())}"
    assert int(lines[4]) == len(list((ROOT / "records").glob("rows/*/*.json")))
    assert lines[5] == f"{tmp_path / 'runs'} no commit"
    assert lines[6].startswith("|") and lines[7] == "{'ok'}"


def test_a_plain_install_says_that_it_has_no_notebooks(installed, tmp_path):
    code = "from twodints_lib import cli; print(cli.main(['run', '--only', '00']))"
    out, err = in_plain_install(installed, code, tmp_path)
    assert out == "2\n" and "notebooks" in err and "clone" in err and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_every_package_is_installed():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {"twodints_lib"} | {
        f"twodints_lib.{p.parent.relative_to(ROOT / 'twodints_lib').as_posix().replace('/', '.')}"
        for p in (ROOT / "twodints_lib").glob("*/**/__init__.py")
    }
    assert found | set(tools["package-dir"]) == set(tools["packages"])
