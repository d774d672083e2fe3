"""A course run's results as one file, for others to find: trained once, used by a class.

A pack is a zip: pack.json, which says what made it, and of each result its record, history and
weights. Unpacked into a run store, they are found as if they had been trained there.
"""

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.messages import log
from twodints_lib.runs import environment, notebooks, store

FILES = ("record.json", "history.json", "best.pt")  # of each result
ABOUT = "pack.json"
RUN = re.compile(r"[a-z]+-[0-9a-f]{12}")
LIMIT = 2**31  # bytes of all that is unpacked


def pack(target: str | Path, course: str | Path | None = None, only: Iterable[str] = ()) -> Path:
    """Write the results that a course run trained or found to a new zip; its path.

    `course`: the folder of the run, by default the one that finished last. `only`: of some
    notebooks, by the beginning of a number or name. InputError for a run without results, or with
    results that the code of today would not find.
    """
    target, only = Path(target), list(only)
    if target.exists() or target.suffix != ".zip" or not target.parent.is_dir():
        raise InputError(f"{target}: must be a new file in a folder, NAME.zip; choose another.")
    folder = Path(course) if course else _last_course()
    runs = _runs_of(folder, only)
    home = store.runs_dir() / "store"
    for name in runs:
        _check_found(home / name, name, files.read_json(home / name / FILES[0]))
    told = {"runs": {n: {f: files.digest(home / n / f) for f in FILES} for n in runs}}
    with files.whole_file(target) as made, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(ABOUT, json.dumps(told | environment.origin(), indent=1))
        for name in runs:
            for file in FILES:
                out.write(home / name / file, f"{name}/{file}")
    log.info(f"{target}: {len(runs)} results, {target.stat().st_size / 2**20:.1f} MB")
    return target


def _last_course() -> Path:
    """The folder of the course run that finished last."""
    home = store.runs_dir()
    found = [p for p in home.glob("course-*/*.json") if p.name == "course.json" or _is_part(p)]
    if not found:
        raise InputError(f"{home}: holds no course run; call `twodints run`, or give its folder.")
    return max(found, key=lambda path: files.read_json(path)["finished"]).parent


def _is_part(path: Path) -> bool:
    return path.name.startswith("run-")


def _runs_of(folder: Path, only: list[str]) -> list[str]:
    """The names of the results that the notebooks of a course run took."""
    paths = [*sorted(folder.glob("run-*.json")), *folder.glob("course.json")]
    if not paths:
        raise InputError(f"{folder}: is of no course run; give one that `twodints run` left.")
    took = [n for path in paths for n in files.read_json(path)["notebooks"]]
    for word in only:
        if not any(notebooks.is_meant(n["notebook"], word) for n in took):
            there = ", ".join(dict.fromkeys(n["notebook"] for n in took))
            raise InputError(f"--notebooks {word}: is not in that run, which has {there}.")
    some = [n for n in took if not only or any(notebooks.is_meant(n["notebook"], w) for w in only)]
    if any("runs" not in n for n in some):
        raise InputError(f"{folder}: was made by an older version; run the course again.")
    found = sorted({run for n in some for run in n["runs"]})
    if not found:
        raise InputError(f"{folder}: these notebooks trained nothing; there is nothing to pack.")
    return found


def unpack(source: str | Path) -> list[Path]:
    """Put the results of a pack into the run store; the folders that are new.

    What is there already stays as it is. InputError, and nothing written, for a file that is no
    pack, or that was changed, or whose results the code of today would not find.
    """
    home = store.runs_dir() / "store"
    home.mkdir(parents=True, exist_ok=True)
    with _opened(source) as archive, tempfile.TemporaryDirectory(prefix=".", dir=home) as room:
        told, made = _about(archive, source), []
        for name in told["runs"]:
            try:
                _extract(archive, name, Path(room))
            except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
                raise InputError(f"{source}: is damaged ({error}); fetch it again.") from error
            _check_whole(source, Path(room) / name, told)
        for name in told["runs"]:
            if (home / name).exists():
                log.info(f"{name}: is there already")
                continue
            made.append((Path(room) / name).rename(home / name))
    log.info(f"{home}: {len(made)} of {len(told['runs'])} results are new")
    return made


def _extract(archive: zipfile.ZipFile, name: str, room: Path) -> None:
    """Write the files of one result; their names are ours, not the archive's."""
    (room / name).mkdir()
    for file in FILES:
        with archive.open(f"{name}/{file}") as inside, open(room / name / file, "wb") as out:
            shutil.copyfileobj(inside, out)


def records_in(source: str | Path) -> list[dict]:
    """The records of a pack, read without unpacking it; InputError for a file that is no pack."""
    with _opened(source) as archive:
        return [_record(archive, source, name) for name in _about(archive, source)["runs"]]


def _opened(path: str | Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give one of `twodints runs pack`.") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as a zip ({error}); fetch it again.") from None


def _about(archive: zipfile.ZipFile, source) -> dict:
    """pack.json, checked: the archive holds what it tells of, and no more."""
    there = [i.filename for i in archive.infolist()]
    try:
        told = json.loads(archive.read(ABOUT)) if ABOUT in there else {}
        names = list(told["runs"].keys())
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, RuntimeError):
        names = []  # RuntimeError: encrypted, or compressed in a way that is not known here
    wanted = [ABOUT, *(f"{name}/{file}" for name in names for file in FILES)]
    if not names or sorted(there) != sorted(wanted) or not all(map(RUN.fullmatch, names)):
        raise InputError(f"{source}: is no pack of results; give one of `twodints runs pack`.")
    if sum(i.file_size for i in archive.infolist()) > LIMIT:
        raise InputError(f"{source}: would unpack to more than {LIMIT // 2**30} GB; pack less.")
    return told


def _check_whole(source, run: Path, told: dict) -> None:
    """InputError unless the files of a result are those that were packed, and it would be found."""
    import torch

    if {file: files.digest(run / file) for file in FILES} != told["runs"][run.name]:
        raise InputError(f"{source}: {run.name} is not what was packed; fetch the file again.")
    try:
        torch.load(run / "best.pt", map_location="cpu", weights_only=True)
    except Exception:  # whatever a file that holds something else may raise
        raise InputError(
            f"{source}: {run.name}/best.pt holds something else than weights; do not use it."
        ) from None
    _check_found(source, run.name, files.read_json(run / "record.json"), told)


def _record(archive: zipfile.ZipFile, source, name: str) -> dict:
    try:
        return json.loads(archive.read(f"{name}/record.json"))
    except ValueError:
        raise InputError(f"{source}: {name}/record.json is not valid; fetch it again.") from None


def _check_found(source, name: str, record: dict, made: dict | None = None) -> None:
    """InputError unless today's code would look for this record's result under this name."""
    try:
        inputs = {"data": record["data_hash"], "seed": record["seed"]}
        found = store.key(record["parameters"] | inputs)
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{source}: {name} has no record of a training; leave it out.") from None
    if name.rpartition("-")[2] != found:
        made, now = made or record, environment.versions()["python"]
        by = f"commit {made.get('commit')}, Python {made.get('versions', {}).get('python')}"
        raise InputError(
            f"{source}: {name} was made by other code ({by}) than this (commit "
            f"{environment.commit()}, Python {now}), which would not find it; use the same, or run "
            "the course anew and pack that."
        )
