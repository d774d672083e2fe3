"""How data lie on disk: cache, folders that are whole or absent, tables, pairs, pixel hashes."""

import csv
import hashlib
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pooch
import tifffile
from imageio import v3 as iio

from twodints_lib.errors import InputError

MODALITIES = ("brightfield", "fluorescence", "phase-contrast", "DIC")


def cache_dir() -> Path:
    """Where data are kept: environment variable TWODINTS_CACHE, else the user's cache folder."""
    given = os.environ.get("TWODINTS_CACHE")
    return Path(given).expanduser().absolute() if given else Path(pooch.os_cache("twodints"))


@contextmanager
def whole_folder(target):
    """Give a path to make a folder at; it becomes `target` by a rename when the block ends well.

    So a crash or a kill leaves no half `target`; one made meanwhile by another process stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(".making-*"):  # by a process killed long ago
        if time.time() - left.stat().st_mtime > 86400:
            shutil.rmtree(left, ignore_errors=True)
    room = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        yield room / "new"
        if not target.exists():
            (room / "new").rename(target)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def read_csv(path, columns) -> list[dict]:
    """The rows of a table as dicts of strings; InputError where it lacks one of the columns."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: is not a table ({error}); save it as UTF-8 CSV.") from error
    for column in (c for c in columns if not rows or c not in rows[0]):
        raise InputError(f"{path}: has no column '{column}' or no rows; give {', '.join(columns)}.")
    return rows


def pixel_hash(array) -> str:
    """SHA-256 of dtype, shape and C-order bytes: equal for equal pixels, whatever the encoder."""
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def write_pair(row, folder, pixels, labels) -> None:
    """Write one row's image (PNG or TIFF, as listed) and its labels (TIFF), both lossless."""
    image, label = Path(folder) / row["image"], Path(folder) / row["label"]
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    if image.suffix == ".png":
        iio.imwrite(image, pixels)
    else:
        tifffile.imwrite(image, pixels, compression="zlib")
    tifffile.imwrite(label, labels, compression="zlib")
