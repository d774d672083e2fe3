"""What every method of `make bench-peers` shares: its job, the images, CPU time, choosing.

It runs in both environments, that of the library and .venv-peers, and imports neither torch nor
TensorFlow.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

sys.path.insert(0, str(Path(__file__).parents[1]))  # .venv-peers has no twodints_lib of its own

from twodints_lib.scoring.scores import CHALLENGE, score, summarise

Decode = Callable[[int, dict], np.ndarray]  # number of a picture, thresholds -> labels (H, W)


@dataclass(frozen=True)
class Job:
    """One training: where its data lie and its results go, its CPU seconds, seed and settings.

    `final`: whether the validation images are predicted too; not so where settings are tried.
    `spec`: the network as records hold it, where the method takes one.
    """

    data: Path
    out: Path
    cpu_seconds: float
    seed: int
    settings: dict
    final: bool = True
    spec: dict | None = None

    @property
    def threads(self) -> int:
        """The threads that it may use."""
        return int(os.environ.get("OMP_NUM_THREADS", 1))


def read_job() -> Job:
    """The job whose file is this program's first argument."""
    told = json.loads(Path(sys.argv[1]).read_text())
    return Job(**told | {k: Path(told[k]) for k in ("data", "out")})


@dataclass(frozen=True)
class Picture:
    """A labelled image: (H, W, 3) uint8, each channel stretched, and labels (H, W) int32."""

    name: str
    modality: str
    image: np.ndarray
    labels: np.ndarray


def load(data: Path, split: str) -> list[Picture]:
    """The pictures of a split, by name: fit (trained on), choose (settings), val (scored)."""
    found = []
    for path in sorted((data / split).glob("*.npz")):
        with np.load(path) as f:
            found.append(Picture(path.stem, str(f["modality"]), f["image"], f["labels"]))
    return found


def used() -> float:
    """CPU seconds of this process, all its threads, and of its children that have ended."""
    return sum(os.times()[:4])


class Clock:
    """The time that a training has used, in CPU seconds of its process and of ended children.

    What is done inside `stopped()`, to choose or to score, is not counted.
    """

    def __init__(self, cpu_seconds: float):
        self.budget, self._begun, self._away = cpu_seconds, self._now(), np.zeros(2)

    def _now(self) -> np.ndarray:
        return np.array([used(), time.perf_counter()])

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The clock stands still inside."""
        begun = self._now()
        try:
            yield
        finally:
            self._away += self._now() - begun

    def seconds(self) -> dict[str, float]:
        """{"cpu", "wall"}: seconds used so far."""
        found = self._now() - self._begun - self._away
        return {k: round(float(v), 1) for k, v in zip(("cpu", "wall"), found, strict=True)}

    def share(self) -> float:
        """The part of the CPU seconds that is used, at most 1."""
        return min(1.0, float((self._now() - self._begun - self._away)[0]) / self.budget)


def f1(pictures: Sequence[Picture], found: Sequence[np.ndarray]) -> dict:
    """The challenge's F1 of labels: summary, and "images" {name: its F1}."""
    scored = [score(p.labels, labels, CHALLENGE) for p, labels in zip(pictures, found, strict=True)]
    rows = [{"modality": p.modality} | s for p, s in zip(pictures, scored, strict=True)]
    images = {p.name: s["f1"] for p, s in zip(pictures, scored, strict=True)}
    return summarise(rows) | {"images": images}


def choose(
    pictures: Sequence[Picture], grid: dict[str, Sequence], decode: Decode
) -> tuple[dict, float]:
    """The thresholds with the best F1 over modalities, one after the other, and that F1.

    `grid` {name: values}, the method's own defaults first; where two are equal, the earlier.
    """
    known = {}

    def worth(setting: dict) -> float:
        key = tuple(setting.items())
        if key not in known:
            found = [decode(i, setting) for i in range(len(pictures))]
            known[key] = f1(pictures, found)["modality_mean_f1"]
        return known[key]

    best = {name: values[0] for name, values in grid.items()}
    for name, values in grid.items():
        best = max((best | {name: value} for value in values), key=worth)
    return best, worth(best)


def finish(job: Job, clock: dict, chosen: tuple[dict, float], decode: Decode, **facts) -> None:
    """Predict the validation images where the job is final, and write facts.json at the end.

    `clock`: the seconds when the training ended; `chosen`: what `choose` gave; `decode` takes
    numbers of the validation pictures.
    """
    if job.final:
        for i, picture in enumerate(load(job.data, "val")):
            path = job.out / f"{picture.name}.tif"
            tifffile.imwrite(path, decode(i, chosen[0]).astype(np.int32), compression="zlib")
    facts = {"seconds": clock, "thresholds": chosen[0], "choose_f1": chosen[1]} | facts
    facts |= {"whole_cpu_seconds": round(used(), 1), "threads": job.threads}
    (job.out / "facts.json").write_text(json.dumps(facts, indent=1))
