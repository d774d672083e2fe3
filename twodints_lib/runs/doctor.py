"""Has this machine what the course needs, and which command mends what it lacks?"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from twodints_lib.errors import InputError
from twodints_lib.files import ROOT, cache_dir, in_checkout
from twodints_lib.runs import kernels
from twodints_lib.runs.environment import PACKAGES, constraints
from twodints_lib.runs.store import runs_dir

CPU = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: what was looked at, found and wanted, and the mend if it is amiss.

    A problem keeps the course from running; anything else with a mend is a note.
    """

    what: str
    found: str
    wanted: str
    mend: str = ""
    problem: bool = False

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What is printed of it; its last word is "ok", or whether it is a problem or a note."""
        verdict = "problem" if self.problem else "note" if self.mend else "ok"
        return self.what, self.found, self.wanted, verdict


def examine() -> list[Finding]:
    """Every check, in the order in which their mends should be tried; some seconds."""
    checks = (python, packages, torch_build, memory, threads, places, contents, tools, kernel)
    return [finding for check in checks for finding in check()]


def look() -> list[tuple]:
    """A quick look at the machine: (what, found, wanted, verdict), the verdict "ok" or the mend."""
    found = (f for check in (python, packages, torch_build, memory, threads) for f in check())
    return [(f.what, f.found, f.wanted, f.mend or "ok") for f in found]


def advice(findings: list[Finding]) -> str:
    """A line for each mend, problems first."""
    amiss = sorted((f for f in findings if f.mend), key=lambda f: not f.problem)
    return "\n".join(f"{f.row[3]}: {f.what}: {f.mend}" for f in amiss)


def _set_up() -> str:
    """The command that installs what the course needs, with make or without."""
    if not in_checkout():
        return "python -m pip install --upgrade twodints-lib"
    return "make setup" if _there("make") else "python -m pip install -c constraints.txt -e .[test]"


def _torch(index: str = "") -> str:
    """The command that installs PyTorch anew, from another index where one is given."""
    pin = "torch" + (f"=={constraints()['torch']}" if "torch" in constraints() else "")
    words = f"{sys.executable} -m pip install --force-reinstall {pin}"
    return f"{words} --index-url {index}" if index else words


def _there(program: str) -> bool:
    return shutil.which(program) is not None


def python() -> Iterator[Finding]:
    """The interpreter's version."""
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    mend = "install Python 3.12, then: make distclean && make setup"
    yield Finding("Python", sys.version.split()[0], "3.11 to 3.13", "" if good else mend, not good)


def packages() -> Iterator[Finding]:
    """The packages that numbers depend on: there, and of the tested version?"""
    tested = constraints()
    for name in PACKAGES:
        wanted = tested.get(name, "any")
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "missing", wanted, _set_up(), True)
            continue
        same = wanted in ("any", found.split("+")[0])
        yield Finding(name, found, wanted, "" if same else f"other than tested: {_set_up()}")


def torch_build() -> Iterator[Finding]:
    """Does PyTorch start, and is it the build for this machine's GPU, or for none?"""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        told = str(error).splitlines()[0][:60]
        yield Finding("PyTorch", f"does not start ({told})", "starts", _torch(CPU), True)
        return
    if torch.cuda.is_available():
        yield Finding("GPU", torch.cuda.get_device_name(0), "not needed")
    elif _has_gpu():
        mend = "update the NVIDIA driver" if torch.version.cuda else _torch()
        yield Finding("GPU", "there, but PyTorch cannot use it", "not needed", mend)
    elif torch.version.cuda:
        mend = f"works; to save gigabytes: {_torch(CPU)}"
        yield Finding("GPU", "none, and PyTorch's CUDA build", "not needed", mend)
    else:
        yield Finding("GPU", "none", "not needed")


def _has_gpu() -> bool:
    """Whether NVIDIA's own tool sees a GPU."""
    if not _there("nvidia-smi"):
        return False
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True).returncode == 0


def memory() -> Iterator[Finding]:
    """Memory for the presets, and disk for what they leave."""
    have = psutil.virtual_memory().total / 2**30
    few, little = have < 6, have < 2
    mend = "take a machine with more" if little else "take the small preset: twodints run"
    yield Finding("memory", f"{have:.0f} GiB", "6 GiB", mend if few else "", little)
    for name, folder, variable in _folders():
        if folder is None:  # told by places()
            continue
        free = shutil.disk_usage(_standing(folder)).free / 2**30
        mend = "" if free >= 2 else f"free space, or on a larger disk: {_elsewhere(variable)}"
        yield Finding(f"free disk, {name}", f"{free:.0f} GiB", "2 GiB", mend, bool(mend))


def threads() -> Iterator[Finding]:
    """Cores, and whether a variable keeps PyTorch from using them."""
    cores, told = os.cpu_count() or 1, os.environ.get("OMP_NUM_THREADS", "")
    limited = cores > 1 and told == "1"
    found = f"1 of {cores}" if limited else str(cores)
    yield Finding("threads", found, "2 or more", "unset OMP_NUM_THREADS" if limited else "")


def _folders() -> Iterator[tuple[str, Path | None, str]]:
    """Where results and data are kept, with the variable that moves each; None: a file is there."""
    kept = (("results", runs_dir, "TWODINTS_RUNS"), ("data", cache_dir, "TWODINTS_CACHE"))
    for name, place, variable in kept:
        try:
            yield name, place(), variable
        except InputError:
            yield name, None, variable


def _standing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(p for p in (folder, *folder.absolute().parents) if p.exists())


def _elsewhere(variable: str) -> str:
    """The command that puts results or data into another folder."""
    return f"{'set' if os.name == 'nt' else 'export'} {variable}=FOLDER"


def places() -> Iterator[Finding]:
    """Can results and data be written?"""
    for name, folder, variable in _folders():
        try:
            if folder is None:
                raise NotADirectoryError
            with tempfile.TemporaryFile(dir=_standing(folder)):
                pass
            yield Finding(f"folder of {name}", str(folder), "can be written")
        except OSError:
            found = f"{folder or os.environ[variable]}: cannot be written"
            yield Finding(f"folder of {name}", found, "can be written", _elsewhere(variable), True)


def _has_micro4() -> bool:
    try:
        return (cache_dir() / "micro4").is_dir()
    except InputError:  # told by places()
        return False


def contents() -> Iterator[Finding]:
    """Notebooks, real cells and the book's tools: what can be had besides."""
    told = "clone the repository and call `make setup` there"
    here = in_checkout()
    yield Finding("notebooks", "here" if here else "not here", "for a course", "" if here else told)
    here = _has_micro4()
    mend = "" if here else "twodints data fetch micro4"
    yield Finding("real cells", "here" if here else "not here", "for DATA=micro4", mend)
    if in_checkout():
        here = (ROOT / ".venv-book" / "ready").is_file()
        mend = "" if here else "python docs/book/build.py"
        yield Finding("the book's tools", "here" if here else "not here", "for make book", mend)


def tools() -> Iterator[Finding]:
    """Programs that are useful and not needed."""
    for program, wanted in (("git", "for commits in records"), ("chromium", "to test the book")):
        mend = "" if _there(program) else f"apt install {program}, or your system's way"
        yield Finding(program, "here" if _there(program) else "not here", wanted, mend)


def kernel() -> Iterator[Finding]:
    """Does a notebook's kernel start, and does it find the library?"""
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import NoSuchKernel

    mend = f"{sys.executable} -m ipykernel install --sys-prefix"
    manager = KernelManager(kernel_name="python3", config=kernels.config())
    found = "starts"
    try:
        manager.start_kernel(stderr=subprocess.DEVNULL)
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        reply = client.execute_interactive("import twodints_lib", timeout=60, output_hook=len)
        if reply["content"]["status"] != "ok":
            found = "starts without the library"
        client.stop_channels()
    except (NoSuchKernel, RuntimeError, TimeoutError, OSError) as error:
        found = f"does not start ({type(error).__name__})"
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
    good = found == "starts"
    yield Finding("kernel python3", found, "starts", "" if good else mend, not good)
