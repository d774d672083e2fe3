"""Get the data: download, check, unpack, and make micro4 from its sources.

Everything lands in `files.cache_dir()`. A download goes to a temporary file first and is kept
only when its SHA-256 is right; what is interrupted starts that one file again, finished files
stay. Folders appear by a rename when they are whole. Run one fetch of a data set at a time.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from twodints_lib import files
from twodints_lib.data import archives, manifest, micro4
from twodints_lib.data.dataset import open_data, simulated_path
from twodints_lib.data.images import read_image
from twodints_lib.errors import InputError
from twodints_lib.files import pixel_hash
from twodints_lib.messages import log


def list_data() -> list[dict]:
    """Tell and return the data sets: name, title, kind, licence, images, gigabytes, folder."""
    table = []
    for name in manifest.manifests():
        told = manifest.load_manifest(name)
        row = {k: told[k] for k in ("name", "title", "kind", "licence")}
        row["images"] = sum(n for part in told.get("counts", {}).values() for n in part.values())
        row["gigabytes"] = round(sum(a.get("gigabytes", 0) for a in archives.wanted(told)), 2)
        row["folder"] = _home(name) if _home(name).is_dir() else None
        table.append(row)
        where = row["folder"] or "not here yet"
        log.info(
            f"{name:12} {row['images']:5} images  {told['title']} [{told['licence']}]: {where}"
        )
    return table


def fetch(name: str, mirror: str | None = None, source: str | Path | None = None) -> Path:
    """Download a data set into the cache and return its folder; what is there already stays.

    name: a manifest's name, or one archive as "neurips2022/Testing". mirror: a folder, a file://
    or an http(s) address that holds the archives (neurips2022) or the git repositories as
    <owner>_<repo> (micro4). source: see `make`, which is called then. Raises InputError.
    """
    name, _, part = name.partition("/")
    told = manifest.load_manifest(name)
    wanted = archives.wanted(told, part)
    if told["kind"] == "folder":
        raise InputError(f"{name}: has nothing to fetch; give the path of your folder instead.")
    if told["kind"] == "generated" or (source and told["kind"] == "assembled"):
        return make(name, source)
    log.info(f"{told['title']}, {told['homepage']}\nLicence: {told['licence']}\nPlease cite:")
    log.info("\n".join(f"  {c}" for c in told["citations"]))
    if told["kind"] == "archives":
        return archives.fetch(told, wanted, source or mirror)
    if _whole(name):
        return _home(name)
    checkouts = _home("micro4-sources")
    for repo, commit in sorted({(s["repo"], s["commit"]) for s in told["sources"]}):
        _checkout(repo, commit, checkouts / repo.replace("/", "_"), mirror)
    target = make(name, checkouts)
    shutil.rmtree(checkouts)
    return target


def make(name: str, source: str | Path | None = None) -> Path:
    """Make a data set without downloading and return its folder.

    "simulated" is drawn. "micro4" is assembled from `source`, a folder of checkouts named
    <owner>_<repo>, or copied from a finished micro4 folder; either way every pixel is checked.
    neurips2022 is unpacked from a folder of its archives. Raises InputError.
    """
    told = manifest.load_manifest(name)
    if told["kind"] == "generated":
        _whole(name)
        return open_data(name).root
    if told["kind"] == "folder" or source is None:
        raise InputError(f"{name}: cannot be made from nothing; give its files with --from FOLDER.")
    if not Path(source).is_dir():
        raise InputError(f"{source}: no such folder; give the one that holds {name}'s files.")
    if told["kind"] == "archives":
        return fetch(name, mirror=source)
    if not _whole(name):
        with files.whole_folder(_home(name)) as folder:
            _fill_micro4(Path(source), folder)
    return _home(name)


def verify(data: str | Path) -> list[str]:
    """Recompute a data set's checksums; one sentence for each problem, an empty list when right.

    data: a manifest's name, or a folder with a manifest.csv that lists pixel hashes.
    """
    known = data in manifest.manifests() and data != "folder"
    if not known:
        with suppress(InputError):  # a folder that does not open is told of below
            open_data(data)  # which warns of a picture in two splits
    if known and manifest.load_manifest(data)["kind"] == "archives":
        problems = archives.damages(manifest.load_manifest(data))
    else:
        problems = _pixel_problems(_home(data) if known else Path(data), data == "micro4")
    log.info("\n".join(problems) or f"{data}: every checksum is right")
    return problems


def _home(name) -> Path:
    return simulated_path() if name == "simulated" else files.cache_dir() / name


def _pixel_problems(folder, is_micro4) -> list[str]:
    """Compare a folder's pixels with the hashes of its manifest.csv, or of the list of micro4."""
    folder, problems = Path(folder), []
    if is_micro4:
        rows = micro4.list_rows()
    elif (folder / "manifest.csv").is_file():
        columns = ("image", "label", "sha256_image_pixels", "sha256_label_pixels")
        rows = files.read_csv(folder / "manifest.csv", columns)
    else:
        return [f"{folder}: has no manifest.csv with hashes; make or fetch it, or give another."]
    for row, kind in ((r, k) for r in rows for k in ("image", "label") if r[k]):
        path = folder / row[kind]
        try:
            if pixel_hash(read_image(path)) != row[f"sha256_{kind}_pixels"]:
                problems.append(f"{path}: has other pixels than listed; fetch or make it again.")
        except InputError as error:
            problems.append(str(error))
    return problems


def _whole(name) -> bool:
    """Whether the cache holds a right copy; a damaged one is removed."""
    folder = _home(name)
    if folder.exists() and _pixel_problems(folder, name == "micro4"):
        log.info(f"{name}: {folder} is damaged, so it is made again")
        shutil.rmtree(folder)
    return folder.exists()


def _fill_micro4(source, folder):
    """Fill `folder` from a finished micro4 folder, or from checkouts of the source repositories."""
    rows, repos = micro4.list_rows(), micro4.source_repos()
    finished = (source / "manifest.csv").is_file()
    for problem in _pixel_problems(source, True) if finished else []:
        raise InputError(problem.split("; ")[0] + "; give a whole copy of micro4.")
    for row in tqdm(rows, "micro4", unit=" images"):
        if finished:
            for path in (row["image"], row["label"]):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, folder / path)
        else:
            pair = micro4.make_pair(row, source / repos[row["source"]])
            files.write_pair(row, folder, *pair)
    micro4.write_papers(folder)
    texts = {p.name: p for p in source.glob("LICENSE*")}  # MIT wants its text to travel along
    texts |= {f"LICENSE.{r}": p for r in repos.values() for p in (source / r).glob("LICENSE*")}
    for text, path in texts.items():
        shutil.copyfile(path, folder / text)


def _git(folder, *args):
    """Run git in `folder`; its failure becomes one sentence."""
    quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = ["git", "-C", str(folder), *args]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, env=quiet)
    except FileNotFoundError as error:
        mend = "install git, or give the files with `twodints data make micro4 --from FOLDER`"
        raise InputError(f"git: is not on this machine; {mend}.") from error
    except subprocess.CalledProcessError as error:
        told = f"`git {args[0]}` failed ({archives.reason(error.stderr)})"
        mend = "check the network and the address, then run it again, or give a --mirror"
        raise InputError(f"{folder.name}: {told}; {mend}.") from error


def _checkout(repo, commit, folder, mirror):
    """Check out only micro4's files of a repository at a commit; a finished checkout stays.

    Shallow (one commit), sparse (these paths) and without other blobs where the server allows.
    """
    url = f"https://github.com/{repo}"
    if mirror:
        url = archives.mirrored(mirror, folder.name)
        url = Path(url).as_uri() if Path(url).is_absolute() else url  # or git would clone by links
    # git moves HEAD after it has written the files, so HEAD tells a finished checkout
    if (folder / ".git").is_dir() and commit in (folder / ".git" / "HEAD").read_text(
        encoding="utf-8"
    ):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log.info(f"{folder.name}: fetching micro4's files of commit {commit[:10]} from {url}")
    _git(folder, "init", "--quiet")
    _git(folder, "remote", "add", "origin", url)
    _git(folder, "config", "core.sparseCheckout", "true")
    paths = "".join(f"/{p}\n" for p in ["LICENSE*", *micro4.source_paths(repo)])
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "sparse-checkout").write_text(paths, encoding="utf-8")
    _git(folder, "fetch", "--quiet", "--depth", "1", "--filter=blob:none", "origin", commit)
    _git(folder, "checkout", "--quiet", "--detach", commit)
