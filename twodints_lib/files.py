"""How things lie on disk: files and folders that are whole or absent, JSON, CSV, hashes, cache."""

import csv
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from imageio import v3 as iio

from twodints_lib.errors import InputError

ROOT = Path(__file__).parents[1]  # of the checkout; of a plain install, the folder it lies in


def shipped(name: str) -> Path:
    """The folder data_manifest, pretrained or records: in the checkout, or in a plain install."""
    inside = Path(__file__).parent / name
    return inside if inside.exists() else ROOT / name


def in_checkout() -> bool:
    """Whether the library runs from a checkout (an editable install), notebooks beside it."""
    return (ROOT / "notebooks").is_dir() and (ROOT / "pyproject.toml").is_file()


def cache_dir() -> Path:
    """Where data are kept: environment variable TWODINTS_CACHE, else the user's cache folder."""
    import pooch

    given = os.environ.get("TWODINTS_CACHE")
    path = Path(given).expanduser().absolute() if given else Path(pooch.os_cache("twodints"))
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; set TWODINTS_CACHE to a folder for data.")
    return path


@contextmanager
def _room(target: Path) -> Iterator[Path]:
    """A path of the target's name in a temporary folder beside it, which goes when the block ends.

    What a process left that was killed is removed after a day.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(".making-*"):
        if time.time() - left.stat().st_mtime > 86400:
            shutil.rmtree(left, ignore_errors=True)
    room = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        yield room / target.name
    finally:
        shutil.rmtree(room, ignore_errors=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a path to make a folder at; it becomes `target` by a rename when the block ends well.

    So a crash or a kill leaves no half `target`; one made meanwhile by another process stays.
    """
    with _room(Path(target)) as made:
        yield made
        if not Path(target).exists():
            made.rename(target)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a path to write a file at; it replaces `target` at once when the block ends well."""
    with _room(Path(target)) as made:
        yield made
        made.replace(target)


def write_json(path: Path, content, indent: int | None = 1) -> Path:
    """Write JSON whole or not at all; `indent` None: in one line, for what nobody reads."""
    text = json.dumps(content, indent=indent, allow_nan=False) + "\n"
    with whole_file(path) as made:
        made.write_text(text, encoding="utf-8")
    return Path(path)


def read_json(path: Path) -> dict:
    """Read a record; InputError when it is absent or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such record; give the folder of a finished run.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder and no record; delete it and run again.") from None
    except ValueError:
        raise InputError(f"{path}: is not valid JSON; delete its folder and run again.") from None


def read_csv(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a table as dicts of strings; InputError where it lacks one of the columns."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: is not a table ({error}); save it as UTF-8 CSV.") from error
    for column in (c for c in columns if not rows or c not in rows[0]):
        raise InputError(f"{path}: has no column '{column}' or no rows; give {', '.join(columns)}.")
    return rows


def write_csv(path: Path, header: Iterable, rows: Iterable[Iterable]) -> Path:
    """Write a table in UTF-8, whole or not at all; names of files as their own bytes."""
    how = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}
    with whole_file(path) as made, open(made, "w", **how) as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return Path(path)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixel_hash(array: np.ndarray) -> str:
    """SHA-256 of dtype, shape and C-order bytes: equal for equal pixels, whatever the encoder."""
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def write_pair(row: dict, folder: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Write one row's image (PNG or TIFF, as listed) and its labels (TIFF), both lossless."""
    image, label = Path(folder) / row["image"], Path(folder) / row["label"]
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    if image.suffix == ".png":
        iio.imwrite(image, pixels)
    else:
        write_tiff(image, pixels, "rgb" if pixels.ndim == 3 else "minisblack")
    write_tiff(label, labels)


STRIP = 2**18  # bytes before compression, as tifffile cuts them


def write_tiff(path: Path, pixels: np.ndarray, photometric: str = "minisblack", **told) -> None:
    """Write a page (H, W), one of colours (H, W, C) with photometric "rgb", or pages (P, H, W).

    The standard library deflates: other codecs that may be installed write other bytes, and drawn
    data would have another hash. `told`: further options of tifffile.imwrite.
    """
    pixels = np.ascontiguousarray(pixels)
    pages = [pixels] if pixels.ndim == 2 or photometric == "rgb" else list(pixels)
    rows = min(len(pages[0]), max(1, STRIP // pages[0][0].nbytes))
    strips = (
        zlib.compress(page[start : start + rows].tobytes())
        for page in pages
        for start in range(0, len(page), rows)
    )
    told |= {"shape": pixels.shape, "dtype": pixels.dtype, "rowsperstrip": rows}
    tifffile.imwrite(path, strips, compression="zlib", photometric=photometric, **told)
