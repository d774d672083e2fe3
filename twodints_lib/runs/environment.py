"""What a number was made with: the machine, the packages and the commit."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil

from twodints_lib.files import ROOT, in_checkout

PACKAGES = ("torch", "monai", "numpy", "scipy", "scikit-image")


def commit() -> str:
    """Short commit of the checkout, with "+" when the library's tracked files were edited."""
    git = ["git", "-C", str(ROOT)]
    try:
        if not in_checkout():  # another project's repository may lie round a plain install
            raise OSError
        head, changed = (
            subprocess.run([*git, *what], capture_output=True, text=True, check=True).stdout.strip()
            for what in (
                ["rev-parse", "--short", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no", "--", "twodints_lib"],
            )
        )
        return head + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


def hardware() -> dict:
    """Processor, cores, memory and GPU of this machine."""
    import torch

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [
            x for x in info.read_text(encoding="utf-8").splitlines() if x.startswith("model name")
        ]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    memory = round(psutil.virtual_memory().total / 2**30)
    return {"cpu": name, "cores": os.cpu_count(), "memory_gib": memory, "gpu": gpu}


def versions() -> dict[str, str]:
    """Python and the packages that numbers depend on."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"python": sys.version.split()[0]} | found


def origin() -> dict:
    """What a record says of its making: commit, versions, hardware."""
    return {"commit": commit(), "versions": versions(), "hardware": hardware()}


def constraints() -> dict[str, str]:
    """The versions of constraints.txt; none in a plain install, which has no such file."""
    path = ROOT / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if in_checkout() else []
    return dict(line.split(";")[0].strip().split("==") for line in lines if "==" in line)
