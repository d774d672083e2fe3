"""Where results are kept, how they are found again, and what is written down of each.

A result is found by the key of everything it depends on: its settings, the data's hash, the seed
and the source of the library modules that compute. An edit of any of them makes it anew.
"""

import hashlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from twodints_lib.files import ROOT, in_checkout
from twodints_lib.runs import environment
from twodints_lib.runs.setup import Setup

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
    "data/labels",
    "targets/classes",
    "targets/foreground",
    "targets/distance",
    "targets/flow",
    "scoring/matching",
    "targets/heads",
    "inference/thresholds",
]


def runs_dir() -> Path:
    """Where results go: TWODINTS_RUNS, else runs/ in the checkout, else in the current folder."""
    home = ROOT if in_checkout() else Path.cwd()
    return Path(os.environ.get("TWODINTS_RUNS") or home / "runs")


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


def note_use(path: Path) -> None:
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
        **environment.origin(),
        "seconds": round(seconds, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "metrics": metrics,
    }
