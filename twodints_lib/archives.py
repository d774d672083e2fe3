"""Download archives by pooch, check them, and unpack each into a folder that is whole or absent."""

import re
import shutil
import zipfile
import zlib
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
import requests
from tqdm import tqdm

from twodints_lib import storage
from twodints_lib.errors import InputError

RETRIES = 2  # of a download that breaks off or comes wrong
CHUNK = 1 << 20


def mirrored(mirror, what) -> str:
    """The address of `what` in a mirror: a path for a folder or file:// address, else a URL."""
    parts = urlsplit(str(mirror))
    if parts.scheme in ("http", "https"):
        return f"{str(mirror).rstrip('/')}/{what}"
    folder = Path(url2pathname(parts.path) if parts.scheme == "file" else mirror).expanduser()
    if not folder.is_dir():
        raise InputError(f"{mirror}: no such mirror; give a folder, a file:// or an http address.")
    return str(folder.absolute() / what)


def reason(error) -> str:
    """The last line of a message, or the error's kind where it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip().rstrip(".")


def wanted(told, part="") -> list[dict]:
    """The archives of one part ("Testing", "all"), or those fetched by default."""
    found = [
        a
        for a in told.get("archives", [])
        if part in (a["folder"], a["file"], "all") or (not part and a["fetch"])
    ]
    if part and not found:
        known = ", ".join(a["folder"] for a in told.get("archives", []))
        raise InputError(f"'{told['name']}/{part}' is no archive; take one of {known or 'none'}.")
    return found


def fetch(told, chosen, mirror) -> Path:
    """Download and unpack archives; each is one file in archives/ and one folder."""
    home = storage.cache_dir() / told["name"]
    store = home / "archives"
    store.mkdir(parents=True, exist_ok=True)
    for left in store.glob("tmp*"):  # pooch's temporary file of a download that was killed
        left.unlink()
    for left in home.glob(".making-*"):  # an archive whose unpacking was killed
        shutil.rmtree(left)
    missing = [a for a in chosen if not (store / a["file"]).is_file()]
    # the zip and what comes out of it, which is about as large: images hardly compress
    need, free = 2 * sum(a.get("gigabytes", 0) for a in missing), shutil.disk_usage(home).free / 1e9
    print(f"{told['name']}: needs about {need:.1f} GB in {home}, where {free:.1f} GB are free")
    if need > free:
        raise InputError(
            f"{home}: has {free:.1f} GB free and {need:.1f} GB are needed; make room, or set "
            "TWODINTS_CACHE to a folder on a larger disk."
        )
    for archive in chosen:
        address = mirrored(mirror, archive["file"]) if mirror else archive["url"]
        _unpack(_download(archive, address, store), home / archive["folder"])
    return home


def _copy(source, target, _pooch):
    """A downloader for pooch that copies a local file in chunks, with progress."""
    size = Path(source).stat().st_size
    bar = tqdm(total=size, unit="B", unit_scale=True)
    with open(source, "rb") as left, open(target, "wb") as right, bar:
        while chunk := left.read(CHUNK):
            right.write(chunk)
            bar.update(len(chunk))


def _download(archive, address, store) -> Path:
    """The path of a downloaded archive whose SHA-256 is right; pooch removes a wrong file."""
    local = not address.startswith(("http://", "https://"))
    box = pooch.create(
        store,
        base_url="",
        registry={archive["file"]: f"sha256:{archive['sha256']}"},
        urls={archive["file"]: address},
        retry_if_failed=0 if local else RETRIES,
    )
    loader = _copy if local else pooch.HTTPDownloader(progressbar=True, chunk_size=CHUNK)
    try:
        return Path(box.fetch(archive["file"], downloader=loader))
    except (OSError, ValueError, requests.RequestException) as error:
        (store / archive["file"]).unlink(missing_ok=True)  # an older file, wrong too
        if got := re.search(r"but got (\w+)", str(error)):
            raise InputError(
                f"{archive['file']}: expected SHA-256 {archive['sha256']} and got {got[1]} from "
                f"{address}; run it again, or give another --mirror."
            ) from error
        raise InputError(
            f"{archive['file']}: cannot be downloaded from {address} ({reason(error)}); check "
            "the address, the network and the disk, then run it again."
        ) from error


def _unpack(path, folder):
    """Unzip into a temporary folder and rename, so that `folder` is whole where it exists."""
    if folder.is_dir():
        return
    print(f"{path.name}: unpacking into {folder}")
    try:
        with storage.whole_folder(folder) as room, zipfile.ZipFile(path) as packed:
            packed.extractall(room)
            top = room / folder.name  # most archives hold their folder, some its content
            if top.is_dir():
                for inner in list(top.iterdir()):
                    inner.rename(room / inner.name)
                top.rmdir()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path}: cannot be unpacked ({reason(error)}); delete it and fetch it again."
        ) from error


def damages(told) -> list[str]:
    """Missing or wrong archives, of those fetched by default and of any other that is there."""
    store, problems = storage.cache_dir() / told["name"] / "archives", []
    for archive in told["archives"]:
        path = store / archive["file"]
        again = f"run `twodints data fetch {told['name']}/{archive['folder']}`"
        if not path.is_file():
            problems += [f"{path}: is missing; {again}."] if archive["fetch"] else []
        elif (got := pooch.file_hash(path)) != archive["sha256"]:
            problems.append(f"{path}: expected SHA-256 {archive['sha256']}, got {got}; {again}.")
    return problems
