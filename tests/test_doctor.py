"""The doctor: a problem for whatever keeps the course from running, each with its mend."""

import os
import re
import sys
from collections import namedtuple
from types import SimpleNamespace

import pytest
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from twodints_lib import cli
from twodints_lib.runs import doctor

GIB = 2**30
Disk = namedtuple("Disk", "total used free")


def test_this_machine_is_fit(capsys):
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^torch .* ok$", said, re.M) and re.search(r"^kernel .* ok$", said, re.M)
    assert "problem" not in said


def test_a_problem_is_told_with_its_mend_and_by_the_exit_number(monkeypatch, capsys):
    amiss = doctor.Finding("x", "nothing", "something", "get something", True)
    note = doctor.Finding("y", "old", "new", "get new")
    monkeypatch.setattr(doctor, "examine", lambda: [note, amiss])
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "problem: x: get something",
        "note: y: get new",
    ]
    monkeypatch.setattr(doctor, "examine", lambda: [note])
    assert cli.main(["doctor"]) == 0


def test_another_python_is_a_problem(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    (found,) = doctor.python()
    assert found.problem and "make setup" in found.mend


def test_a_missing_package_is_a_problem_and_another_version_a_note(monkeypatch):
    def version(name):
        if name == "monai":
            raise doctor.metadata.PackageNotFoundError(name)
        return "0.0.1"

    monkeypatch.setattr(doctor.metadata, "version", version)
    found = {f.what: f for f in doctor.packages()}
    assert found["monai"].problem and found["monai"].found == "missing"
    assert found["torch"].mend and not found["torch"].problem
    assert all("make setup" in f.mend or "pip install" in f.mend for f in found.values())


@pytest.mark.parametrize(
    ("cuda", "available", "gpu", "mend"),
    [
        ("12.8", True, True, ""),
        ("12.8", False, False, "whl/cpu"),
        ("12.8", False, True, "driver"),
        (None, False, True, "torch"),
        (None, False, False, ""),
    ],
)
def test_pytorchs_build_fits_the_machine(cuda, available, gpu, mend, monkeypatch):
    device = SimpleNamespace(is_available=lambda: available, get_device_name=lambda i: "a GPU")
    torch = SimpleNamespace(cuda=device, version=SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: torch)
    monkeypatch.setattr(doctor, "_has_gpu", lambda: gpu)
    (found,) = doctor.torch_build()
    assert not found.problem and (mend in found.mend if mend else not found.mend)


def test_a_pytorch_that_does_not_start_is_a_problem(monkeypatch):
    def fail(name):
        raise OSError("libcudart.so: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", fail)
    (found,) = doctor.torch_build()
    assert found.problem and "libcudart" in found.found and "pip install" in found.mend


def test_too_little_memory_and_disk(monkeypatch):
    disk = Disk(GIB, 0, GIB)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: disk)
    for have, problem in ((1, True), (4, False)):
        memory = SimpleNamespace(total=have * GIB)
        monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda m=memory: m)
        first, *disks = doctor.memory()
        assert first.mend and first.problem is problem
        assert [f.problem for f in disks] == [True, True]
        assert "TWODINTS_RUNS" in disks[0].mend and "TWODINTS_CACHE" in disks[1].mend


def test_threads_that_a_variable_holds_back(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (found,) = doctor.threads()
    assert "unset OMP_NUM_THREADS" in found.mend and not found.problem
    monkeypatch.delenv("OMP_NUM_THREADS")
    (found,) = doctor.threads()
    assert found.row[3] == "ok"


def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("TWODINTS_RUNS", str(tmp_path / "new" / "runs"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path / "file"))  # no folder, nobody can write
    results, data = doctor.places()
    assert not results.problem and not (tmp_path / "new").exists()
    assert data.problem and "TWODINTS_CACHE=" in data.mend


def test_what_can_be_had_besides_is_no_problem(monkeypatch, tmp_path):
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {f.what: f for f in (*doctor.contents(), *doctor.tools())}
    assert found["real cells"].mend == "twodints data fetch micro4"
    assert found["git"].mend and found["chromium"].mend
    assert not any(f.problem for f in found.values())


def test_a_kernel_that_is_not_there(monkeypatch):
    def none(self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", none)
    (found,) = doctor.kernel()
    assert found.problem and "ipykernel install" in found.mend


def test_a_kernel_of_another_environment(monkeypatch, tmp_path):
    (tmp_path / "twodints_lib.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = doctor.kernel()
    assert found.problem and "without the library" in found.found
