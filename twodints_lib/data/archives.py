"""Download archives by pooch, check them, and unpack each into a folder that is whole or absent."""

import shutil
import zipfile
import zlib
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.messages import log

RETRIES = 2  # of a download that breaks off or comes wrong


def mirrored(mirror: str | Path, what: str) -> str:
    """The address of `what` in a mirror: a path for a folder or file:// address, else a URL."""
    parts = urlsplit(str(mirror))
    if parts.scheme in ("http", "https"):
        return f"{str(mirror).rstrip('/')}/{what}"
    folder = Path(url2pathname(parts.path) if parts.scheme == "file" else mirror).expanduser()
    if not folder.is_dir():
        raise InputError(f"{mirror}: no such mirror; give a folder, a file:// or an http address.")
    return str(folder.absolute() / what)


def reason(error: object) -> str:
    """The first sentence of a message's last line, or the error's kind where it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip().split(". ")[0].rstrip(".")


def wanted(told: dict, part: str = "") -> list[dict]:
    """The archives of one part ("Testing", "all"), or those fetched by default."""
    known = told.get("archives", [])
    if not part:
        return [a for a in known if a["fetch"]]
    found = [a for a in known if part in (a["folder"], "all")]
    if not found:
        names = ", ".join(a["folder"] for a in known) or "none"
        raise InputError(f"'{told['name']}/{part}' is no archive; take one of {names}.")
    return found


def fetch(told: dict, chosen: list[dict], mirror: str | Path | None) -> Path:
    """Download and unpack archives; each is one file in archives/ and one folder."""
    home = files.cache_dir() / told["name"]
    store = home / "archives"
    store.mkdir(parents=True, exist_ok=True)
    for left in store.glob("tmp*"):  # pooch's temporary file of a download that was killed
        left.unlink()
    for left in home.glob(".making-*"):  # an archive whose unpacking was killed
        shutil.rmtree(left)
    missing = [a for a in chosen if not (store / a["file"]).is_file()]
    # the zip and what comes out of it, which is about as large: images hardly compress
    need, free = 2 * sum(a.get("gigabytes", 0) for a in missing), shutil.disk_usage(home).free / 1e9
    log.info(f"{told['name']}: needs about {need:.1f} GB in {home}, where {free:.1f} GB are free")
    if need > free:
        mend = "make room, or set TWODINTS_CACHE to a folder on a larger disk"
        raise InputError(f"{home}: has {free:.1f} GB free and {need:.1f} GB are needed; {mend}.")
    for archive in chosen:
        address = mirrored(mirror, archive["file"]) if mirror else archive["url"]
        _unpack(_download(archive, address, store), home / archive["folder"])
    return home


def _download(archive, address, store) -> Path:
    """The path of a downloaded archive whose SHA-256 is right; pooch removes a wrong download."""
    name, hashes = archive["file"], {archive["file"]: f"sha256:{archive['sha256']}"}
    loader, tries = pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 20), RETRIES
    if not address.startswith(("http://", "https://")):
        loader, tries = _copy, 0
    box = pooch.create(store, "", registry=hashes, urls={name: address}, retry_if_failed=tries)
    try:
        return Path(box.fetch(name, downloader=loader))
    except (OSError, ValueError) as error:  # of the network or the disk, and a wrong SHA-256
        told = f"cannot be taken from {address} ({reason(error)})"
        mend = "check the network and the disk, then run it again, or give another --mirror"
        raise InputError(f"{name}: {told}; {mend}.") from error


def _copy(source, target, _pooch):
    shutil.copyfile(source, target)


def _unpack(path, folder):
    """Unzip into a temporary folder and rename, so that `folder` is whole where it exists."""
    if folder.is_dir():
        return
    log.info(f"{path.name}: unpacking into {folder}")
    try:
        with files.whole_folder(folder) as room, zipfile.ZipFile(path) as packed:
            unpacked = room.with_name("unpacked")
            packed.extractall(unpacked)
            top = unpacked / folder.name  # most archives hold their folder, some its content
            (top if top.is_dir() else unpacked).rename(room)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        told = f"cannot be unpacked ({reason(error)})"
        raise InputError(f"{path}: {told}; delete it and fetch it again.") from error


def damages(told: dict) -> list[str]:
    """Missing or wrong archives, of those fetched by default and of any other that is there."""
    store, problems = files.cache_dir() / told["name"] / "archives", []
    for archive in told["archives"]:
        path = store / archive["file"]
        again = f"run `twodints data fetch {told['name']}/{archive['folder']}`"
        if not path.is_file():
            problems += [f"{path}: is missing; {again}."] if archive["fetch"] else []
        elif (got := files.digest(path)) != archive["sha256"]:
            problems.append(f"{path}: expected SHA-256 {archive['sha256']}, got {got}; {again}.")
    return problems
