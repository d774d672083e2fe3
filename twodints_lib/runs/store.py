"""Runs: where results are kept, how they are found again, and what is written down of each.

A result is found by the key of everything it depends on: its settings, the data's hash, the seed
and the source of the library modules that compute. An edit of any of them makes it anew.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import psutil

from twodints_lib.data import manifest
from twodints_lib.runs import settings
from twodints_lib import messages
from twodints_lib.errors import InputError

ROOT = Path(__file__).parents[2]
SOURCES = [
    "data/images",
    "training/patches",
    "space/operations",
    "space/topology",
    "space/mixing",
    "space/lattice",
    "space/networks",
    "space/derive",
    "training/recipes",
    "training/loop",
    "space/objective",
    "training/search",
    "inference/predict",
    "targets/classes",
    "scoring/matching",
    "targets/heads",
    "inference/thresholds",
]
PACKAGES = ("torch", "monai", "numpy", "scipy", "scikit-image")


def runs_dir() -> Path:
    """Where results go: TWODINTS_RUNS, else runs/ in the checkout."""
    return Path(os.environ.get("TWODINTS_RUNS") or ROOT / "runs")


@dataclass(frozen=True)
class Setup:
    """What a notebook or a command works with: a preset, a data set, a seed."""

    preset: settings.Preset
    dataset: manifest.Dataset
    seed: int
    only: str | None = None  # one modality alone

    def train(self, modality=None):
        return self.dataset.split("train", modality or self.only, self.preset.images or None)

    def val(self, modality=None):
        return self.dataset.split("val", modality or self.only, self.preset.images or None)

    def labelled(self, modality):
        """Training and validation images of one modality, wherever the split put them."""
        pool = self.train() + self.val()
        return [item for item in pool if item.modality == modality]

    @property
    def stamp(self) -> str:
        """One line under every figure and table: what made it."""
        return f"{self.preset.name} · {self.dataset.name} · seed {self.seed} · {commit()}"


def begin(preset: str, data: str, seed: int, **overrides) -> Setup:
    """Check the parameters of a notebook and open its data; overrides as in presets.load."""
    messages.show()
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise InputError(f"seed={seed!r} must be a whole number from 0 to 2147483647.")
    return Setup(settings.load(preset, **overrides), manifest.open_data(data), seed)


def commit() -> str:
    """Short commit of the checkout, with "+" when tracked files were edited."""
    try:
        where = ["git", "-C", str(ROOT)]
        head = subprocess.run(
            [*where, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*where, "status", "--porcelain", "--untracked-files=no", "--", "twodints_lib"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        return head + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


def hardware() -> dict:
    """Processor, cores, memory and GPU of this machine."""
    import torch

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    memory = round(psutil.virtual_memory().total / 2**30)
    return {"cpu": name, "cores": os.cpu_count(), "memory_gib": memory, "gpu": gpu}


def versions() -> dict:
    """Python and the packages that numbers depend on."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"python": sys.version.split()[0]} | found


def environment() -> list[tuple]:
    """A look at the machine: (what, found, wanted, verdict); the verdict is ok or the mend."""
    import torch

    wanted = dict(
        line.split(";")[0].strip().split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    python = sys.version.split()[0]
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    rows = [("Python", python, "3.11 to 3.13", "ok" if good else "make the environment anew")]
    for name in PACKAGES:
        found = metadata.version(name)
        same = found.split("+")[0] == wanted[name]
        rows.append((name, found, wanted[name], "ok" if same else "other than tested: make setup"))
    machine = hardware()
    memory = machine["memory_gib"]
    rows.append(("memory", f"{memory} GiB", "6 GiB", "ok" if memory >= 6 else "use preset smoke"))
    free = shutil.disk_usage(ROOT).free / 2**30
    rows.append(("free disk", f"{free:.0f} GiB", "2 GiB", "ok" if free >= 2 else "free some space"))
    rows.append(("threads", torch.get_num_threads(), "2 or more", "ok"))
    rows.append(("GPU", machine["gpu"] or "none", "not needed", "ok"))
    return rows


def source_hash() -> str:
    """Hash of the library modules that compute results."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((Path(__file__).parents[1] / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def key(inputs: dict) -> str:
    """12 hex digits of everything in a JSON-able dict, and of the library's source."""
    text = json.dumps(inputs | {"source": source_hash()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def folder(kind: str, inputs: dict) -> Path:
    """The folder of one result, made if absent; it is complete once it holds record.json."""
    path = runs_dir() / "store" / f"{kind}-{key(inputs)}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def note_use(path: Path):
    """Tell the course that runs this notebook which result it took (TWODINTS_USED: its list)."""
    if listed := os.environ.get("TWODINTS_USED"):
        with open(listed, "a") as file:
            file.write(f"{path.name}\n")


def record(setup: Setup, parameters: dict, metrics: dict, seconds: float) -> dict:
    """What every run writes down of itself."""
    return {
        "preset": setup.preset.name,
        "is_result": setup.preset.is_result,
        "parameters": parameters,
        "settings": asdict(setup.preset),
        "seed": setup.seed,
        "data": setup.dataset.name,
        "data_hash": setup.dataset.hash,
        "commit": commit(),
        "versions": versions(),
        "hardware": hardware(),
        "seconds": round(seconds, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "metrics": metrics,
    }


def write_json(path, content: dict, indent: int | None = 1) -> Path:
    """Write JSON whole or not at all; `indent` None: in one line, for what nobody reads."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=indent, allow_nan=False) + "\n")
    temporary.replace(path)
    return path


def read_json(path) -> dict:
    """Read a record; InputError when it is absent or broken."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such record; give the folder of a finished run.") from None
    except ValueError:
        raise InputError(f"{path}: is not valid JSON; delete its folder and run again.") from None
