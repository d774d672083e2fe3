"""What is in the run store: listed, one shown, some deleted."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.runs import store
from twodints_lib.runs.records import flat

HEADER = ("result", "state", "preset", "data", "seed", "F1", "minutes", "MiB", "finished")
IMAGES = ('"per_image": [', "\n  ]")  # where a record's rows of images begin and end


@dataclass(frozen=True)
class Kept:
    """One result of the store. `state`: finished, unfinished (its training was stopped, or runs
    now) or broken (its record cannot be read); what a broken or unfinished one lacks is ""."""

    folder: Path
    state: str
    bytes: int
    preset: str = ""
    data: str = ""
    seed: int | str = ""
    f1: float | str = ""
    seconds: float | str = ""
    finished: str = ""

    @property
    def name(self) -> str:
        """Its name in the store, <kind>-<key>."""
        return self.folder.name

    @property
    def row(self) -> tuple:
        """Its line under HEADER."""
        f1 = "" if self.f1 == "" else f"{self.f1:.3f}"
        minutes = "" if self.seconds == "" else f"{self.seconds / 60:.1f}"
        size = f"{self.bytes / 2**20:.1f}"
        done = self.finished[:16].replace("T", " ")
        told = (self.preset, self.data, self.seed, f1, minutes, size, done)
        return (self.name, self.state, *told)


def _home() -> Path:
    return store.runs_dir() / "store"


def _head(path: Path) -> dict:
    """A record without the scores of each image, which are most of it and slow to parse."""
    text = path.read_text(encoding="utf-8")
    start = text.find(IMAGES[0])
    end = text.find(IMAGES[1], start)
    if 0 < start < end:
        try:
            return json.loads(text[: start + len(IMAGES[0])] + text[end:])
        except ValueError:
            pass  # written with another layout: the whole text decides
    return json.loads(text)


def _kept(folder: Path) -> Kept:
    """One folder of the store, read; never an error."""
    with os.scandir(folder) as found:
        sizes = {e.name: e.stat().st_size for e in found if e.is_file()}
    size = sum(sizes.values())
    if "record.json" not in sizes:
        return Kept(folder, "unfinished", size)
    try:
        told = _head(folder / "record.json")
        state = "finished" if "best.pt" in sizes else "broken"
        known = {k: told[k] for k in ("preset", "data", "seed", "seconds", "finished")}
        return Kept(folder, state, size, f1=told["metrics"].get("mean_f1", ""), **known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Kept(folder, "broken", size)


def every() -> Iterator[Kept]:
    """All results of the store, by name."""
    home = _home()
    names = sorted(p.name for p in home.iterdir() if p.is_dir()) if home.is_dir() else ()
    yield from (_kept(home / name) for name in names if not name.startswith("."))


def select(words: Iterable[str] = (), older: float = 0) -> list[Kept]:
    """The results that have every one of the words as their kind, state, preset, data, seed or the
    beginning of their name, and are older than so many days; all, without any."""
    words, before = list(words), time.time() - older * 86400

    def is_meant(one: Kept) -> bool:
        kind = one.name.rpartition("-")[0]
        has = {kind, one.state, one.preset, one.data, f"seed={one.seed}"}
        named = all(w in has or one.name.startswith(w) for w in words)
        return named and (not older or one.folder.stat().st_mtime < before)

    return [one for one in every() if is_meant(one)]


def show(name: str) -> list[tuple]:
    """(what, value) of one result: its record without the images; InputError for an unknown or a
    broken one."""
    folder = find(name)
    told = files.read_json(folder / "record.json")
    if not isinstance(told, dict) or not isinstance(told.get("metrics"), dict):
        raise InputError(f"{folder / 'record.json'}: is broken; delete its folder and run again.")
    told |= {"metrics": {k: v for k, v in told["metrics"].items() if k != "per_image"}}
    return [("folder", folder), *flat(told).items()]


def find(name: str) -> Path:
    """The folder of the one result whose name begins so; InputError for none and for several."""
    found = [p for p in sorted(_home().glob("*")) if p.is_dir() and p.name.startswith(name)]
    found = [p for p in found if p.name == name] or found
    if len(found) != 1:
        many = f"{len(found)} results begin so" if found else "no result begins so"
        raise InputError(f"{name}: {many}; `twodints runs list` names them.")
    return found[0]


def delete(some: Iterable[Kept]) -> tuple[int, int]:
    """Remove results for good; how many and their bytes. One that is being trained stays.

    The record goes first, so that a deletion cut short leaves no result that looks whole.
    """
    count = size = 0
    for one in some:
        try:
            with FileLock(one.folder / ".lock", timeout=0):
                (one.folder / "record.json").unlink(missing_ok=True)
                shutil.rmtree(one.folder)
        except Timeout:
            raise InputError(
                f"{one.name}: is being trained; stop that first, or leave it out."
            ) from None
        count, size = count + 1, size + one.bytes
    return count, size
