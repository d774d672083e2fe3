"""The environment files say one thing: versions, licence, citation, commands."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(
        r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M
    )
}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def requirements():
    extras = [r for group in PROJECT["optional-dependencies"].values() for r in group]
    return [Requirement(r) for r in PROJECT["dependencies"] + extras]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_every_requirement_is_pinned_within_its_range(requirement):
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_conda_brings_python_and_pip_only():
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]
    names = [d for d in CONDA["dependencies"] if isinstance(d, str)]
    assert names == ["python" + PROJECT["requires-python"], "pip"]


def test_conda_reads_the_same_versions():
    (pip,) = [d["pip"] for d in CONDA["dependencies"] if isinstance(d, dict)]
    assert "-c constraints.txt" in pip and "-e .[test]" in pip
    pinned = [Requirement(line) for line in pip if "==" in line]
    assert [r.name for r in pinned] == ["torch"]
    for requirement in pinned:
        assert requirement.specifier == f"=={PINS[requirement.name]}"


def test_this_environment_is_the_tested_one():
    for name, pinned in PINS.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            assert name == "appnope"  # macOS only
            continue
        assert found.split("+")[0] == pinned, name


def test_no_package_is_left_unpinned():
    ours = {"pip", "setuptools", "twodints-lib"}
    found = {canonicalize_name(d.name) for d in metadata.distributions()}
    extra = found - set(PINS) - ours
    # torch's CUDA build brings these along at versions of its own
    assert [n for n in extra if not n.startswith(("nvidia-", "cuda-", "triton"))] == []


def test_citation_names_what_the_course_stands_on():
    text = (ROOT / "CITATION.cff").read_text()
    titles = " ".join(r["title"] for r in yaml.safe_load(text)["references"])
    for word in ("2DiNTS", "3D Medical Image Segmentation", "MONAI", "multimodality cell"):
        assert word in titles


def test_licence_and_commands():
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
    assert PROJECT["scripts"]["twodints"] == "twodints_lib.cli:main"
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    rules = (ROOT / "Makefile").read_text()
    for target in ("help", "setup", "course", "test", "lab", "lint"):
        assert f"\n{target}:" in rules
