"""Where results are kept, how they are found again, and what is written down of each.

A result is found by the key of everything that its numbers depend on: its settings, the data's
hash, the seed, the code of the library that computes, and that of its network's operations. A
change of any of them makes it anew; one of a comment, a message or another operation does not.
"""

import os
import time
from dataclasses import asdict
from pathlib import Path

from twodints_lib import fingerprint
from twodints_lib.data.manifest import manifests
from twodints_lib.errors import InputError
from twodints_lib.files import ROOT, in_checkout
from twodints_lib.runs import environment
from twodints_lib.runs.setup import Setup
from twodints_lib.space import operations

TRAINING = ("training.search",)  # imports all that trains and scores a network


def runs_dir() -> Path:
    """Where results go: TWODINTS_RUNS, else runs/ in the checkout, else in the current folder."""
    home = ROOT if in_checkout() else Path.cwd()
    path = Path(os.environ.get("TWODINTS_RUNS") or home / "runs").expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; set TWODINTS_RUNS to a folder for results.")
    return path


def scale(setup: Setup) -> str:
    """The preset and the data by name; a folder of one's own has its hash too, since another may
    have its name."""
    own = "" if setup.dataset.name in manifests() else f"-{setup.dataset.hash[:8]}"
    return f"{setup.preset.name}-{setup.dataset.name}{own}"


def operations_of(spec: dict) -> dict[str, str]:
    """{name: hash of what it computes} of the operations that a network is built with."""
    if spec["kind"] not in ("supernet", "derived"):
        return {}
    import torch

    def modules(build):
        with torch.random.fork_rng(devices=[]):  # a look must not move the weights to come
            parts = build(round(32 * spec["channel_mul"])).modules()
        return sorted({type(m) for m in parts}, key=lambda kind: kind.__qualname__)

    names = spec.get("names") or spec.get("code", {}).get("names", operations.TWO)
    found = {name: operations.OPERATIONS[name] for name in names}
    return {name: fingerprint.of_value([o, modules(o.build)]) for name, o in found.items()}


def own_code(*parts) -> list[str]:
    """Hashes of the functions and classes that a training is given and that are no part of the
    code in its key: a learner's own way to train, for example."""
    known = {f"twodints_lib.{name}" for name in fingerprint.reached(*TRAINING)}
    return [fingerprint.of_value(p) for p in parts if p and p.__module__ not in known]


def key(inputs: dict, *modules: str) -> str:
    """12 hex digits of everything in a JSON-able dict, of the operations of its "spec" where it has
    one, and of the code that can change a number: a training's, and that of other modules."""
    made = {"source": fingerprint.of_modules(*TRAINING, *modules)}
    made |= {"operations": operations_of(inputs["spec"])} if "spec" in inputs else {}
    return fingerprint.digest(inputs | made)


def folder(kind: str, inputs: dict, *modules: str) -> Path:
    """The folder of one result, made if absent; it is complete once it holds record.json."""
    path = runs_dir() / "store" / f"{kind}-{key(inputs, *modules)}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def note_use(path: Path) -> None:
    """Tell the course that runs this notebook which result it took (TWODINTS_USED: its list)."""
    if listed := os.environ.get("TWODINTS_USED"):
        with open(listed, "a", encoding="utf-8") as file:
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
