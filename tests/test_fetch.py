"""Downloads from local servers, git mirrors and folders; checks, interruptions, sentences."""

import csv
import functools
import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import threading
import types
import zipfile
from pathlib import Path

import numpy as np
import pooch
import pytest
import tifffile
from imageio import v3 as iio

from twodints_lib import files
from twodints_lib.data import archives as archives_module
from twodints_lib.data import dataset, fetch, manifest, micro4
from twodints_lib.errors import InputError

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT.parent / "shared" / "data" / "micro4_sources"
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not on this machine")


def sentence(call, *culprits):
    """The InputError of a call, checked to be one line that names every culprit and ends well."""
    with pytest.raises(InputError) as told:
        call()
    text = str(told.value)
    assert "\n" not in text and text.endswith(".") and len(text.split(";")) >= 2, text
    for culprit in culprits:
        assert str(culprit) in text, text
    return text


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and manifests that a test may change."""
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(manifest, "MANIFESTS", shutil.copytree(manifest.MANIFESTS, tmp_path / "m"))
    monkeypatch.setattr(archives_module, "RETRIES", 0)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)  # set where a git hook runs the tests
    return tmp_path / "cache"


# --- archives -----------------------------------------------------------------------------------


@pytest.fixture
def archives(tmp_path):
    """A folder of small archives, and a manifest that expects exactly them."""
    store, path = tmp_path / "mirror", manifest.MANIFESTS / "neurips2022.toml"
    store.mkdir()
    text = path.read_text()
    for archive in manifest.load_manifest("neurips2022")["archives"]:
        with zipfile.ZipFile(store / archive["file"], "w", zipfile.ZIP_DEFLATED) as packed:
            for name in ("cell_00001", "cell_00301"):
                for part in (f"images/{name}.png", f"labels/{name}_label.tiff"):
                    packed.writestr(f"{archive['folder']}/{part}", part * 1000)
        text = text.replace(archive["sha256"], pooch.file_hash(store / archive["file"]))
    path.write_text(text)
    return store


@pytest.fixture
def server(archives):
    """The archives behind http on this machine; `served` keeps the requested paths."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        served, cut = [], False

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.served.append(self.path)
            path = archives / self.path.strip("/")
            if not (self.cut and path.is_file()):
                return super().do_GET()
            self.send_response(200)  # promise the whole file, send half, hang up
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            self.wfile.write(path.read_bytes()[: path.stat().st_size // 2])

    handler = functools.partial(Handler, directory=str(archives))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield types.SimpleNamespace(url=f"http://127.0.0.1:{running.server_port}", handler=Handler)
        running.shutdown()


@pytest.mark.parametrize("kind", ["http", "file", "folder"])
def test_fetch_archives(kind, archives, server, cache, said):
    mirror = {"http": server.url + "/", "file": archives.as_uri(), "folder": archives}[kind]
    home = fetch.fetch("neurips2022", mirror)
    told = "\n".join(said)
    assert told.index("CC BY-NC-ND 4.0") < told.index("GB are free") < told.index("unpacking")
    assert "Nature Methods" in told and home == cache / "neurips2022"
    assert sorted(p.name for p in home.iterdir()) == ["Training-labeled", "Tuning", "archives"]
    assert len(dataset.open_data("neurips2022").items) == 4
    assert fetch.verify("neurips2022") == []
    server.handler.served.clear()
    fetch.fetch("neurips2022", mirror)  # all there: nothing is downloaded again
    assert server.handler.served == []
    assert not list(home.glob(".making-*")) and len(list((home / "archives").iterdir())) == 2


def test_fetch_one_part_by_name(archives, cache):
    fetch.fetch("neurips2022/Testing", archives)
    assert [p.name for p in (cache / "neurips2022" / "archives").iterdir()] == ["Testing.zip"]
    sentence(lambda: fetch.fetch("neurips2022/Test", archives), "neurips2022/Test", "Testing")
    sentence(lambda: fetch.fetch("micro4/Testing"), "micro4/Testing")


def test_archive_without_its_own_folder(archives, cache):
    with zipfile.ZipFile(archives / "Tuning.zip", "w") as packed:
        packed.writestr("images/cell_00001.png", "x")
    path = manifest.MANIFESTS / "neurips2022.toml"
    old = next(a for a in manifest.load_manifest("neurips2022")["archives"] if "Tun" in a["file"])
    path.write_text(path.read_text().replace(
        old["sha256"], pooch.file_hash(archives / "Tuning.zip")))  # fmt: skip
    fetch.fetch("neurips2022", archives)
    assert (cache / "neurips2022" / "Tuning" / "images" / "cell_00001.png").is_file()


@pytest.mark.parametrize("kind", ["http", "folder"])
def test_wrong_hash_keeps_the_good_and_removes_the_bad(kind, archives, server, cache):
    good = (archives / "Tuning.zip").read_bytes()
    expected = pooch.file_hash(archives / "Tuning.zip")
    (archives / "Tuning.zip").write_bytes(good + b"bad")
    got = pooch.file_hash(archives / "Tuning.zip")
    mirror = server.url if kind == "http" else archives
    sentence(
        lambda: fetch.fetch("neurips2022", mirror), "Tuning.zip", expected, got, "run it again"
    )
    home = cache / "neurips2022"
    assert [p.name for p in (home / "archives").iterdir()] == ["Training-labeled.zip"]
    assert (home / "Training-labeled").is_dir() and not (home / "Tuning").exists()
    (archives / "Tuning.zip").write_bytes(good)
    fetch.fetch("neurips2022", mirror)
    assert fetch.verify("neurips2022") == []


def test_connection_that_breaks_off_is_tried_again(archives, server, cache, monkeypatch):
    server.handler.cut = True
    sentence(lambda: fetch.fetch("neurips2022", server.url), "Training-labeled.zip", server.url)
    assert not list((cache / "neurips2022" / "archives").iterdir())
    monkeypatch.setattr(archives_module, "RETRIES", 1)
    monkeypatch.setattr("time.sleep", lambda _: setattr(server.handler, "cut", False))
    fetch.fetch("neurips2022", server.url)
    assert fetch.verify("neurips2022") == []


def test_missing_file_on_the_mirror(archives, server):
    (archives / "Tuning.zip").unlink()
    sentence(lambda: fetch.fetch("neurips2022", server.url), "Tuning.zip", "404")
    sentence(lambda: fetch.fetch("neurips2022", archives), "Tuning.zip", "No such file")
    sentence(lambda: fetch.fetch("neurips2022", archives / "nowhere"), "nowhere", "mirror")
    sentence(lambda: fetch.fetch("neurips2022", "http://127.0.0.1:9/"), "127.0.0.1:9")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text"])
def test_archive_that_does_not_unpack(damage, archives, cache):
    whole = (archives / "Tuning.zip").read_bytes()
    expected = pooch.file_hash(archives / "Tuning.zip")
    middle = bytearray(whole)
    middle[60:80] = bytes(20)
    bad = {"truncated": whole[:-30], "flipped": bytes(middle), "text": b"an error page"}[damage]
    (archives / "Tuning.zip").write_bytes(bad)
    path = manifest.MANIFESTS / "neurips2022.toml"  # the hash is right, and so hides the damage
    path.write_text(path.read_text().replace(expected, hashlib.sha256(bad).hexdigest()))
    sentence(lambda: fetch.fetch("neurips2022", archives), "Tuning.zip", "delete it")
    home = cache / "neurips2022"
    assert (home / "Training-labeled").is_dir()
    assert not (home / "Tuning").exists() and not list(home.glob(".making-*"))


def test_leftovers_of_a_killed_download_go(archives, cache):
    store = cache / "neurips2022" / "archives"
    store.mkdir(parents=True)
    (store / "tmpabc123").write_text("half a download")
    fetch.fetch("neurips2022", archives)
    assert sorted(p.name for p in store.iterdir()) == ["Training-labeled.zip", "Tuning.zip"]


def test_disk_too_small(archives, cache, monkeypatch):
    usage = types.SimpleNamespace(free=1e9)
    monkeypatch.setattr(archives_module.shutil, "disk_usage", lambda _: usage)
    text = sentence(lambda: fetch.fetch("neurips2022", archives), cache, "1.0 GB free")
    assert "TWODINTS_CACHE" in text and not list((cache / "neurips2022" / "archives").iterdir())


def test_verify_archives_finds_missing_and_wrong(archives, cache):
    fetch.make("neurips2022", archives)
    store = cache / "neurips2022" / "archives"
    (store / "Tuning.zip").unlink()
    (store / "Training-labeled.zip").write_text("x")
    problems = fetch.verify("neurips2022")
    assert len(problems) == 2 and all("\n" not in p for p in problems)
    assert "Training-labeled.zip: expected" in problems[0] and "missing" in problems[1]


# --- micro4 -------------------------------------------------------------------------------------

KEPT = ("bf_001", "pc_001", "dic_001", "dic_011")
SOURCE_ROWS = {
    "bf_001": ("dsb2018", "stage1_train/aa"),
    "pc_001": ("usiigaci", "Mask R-CNN/train/set1/raw.tif"),
    "dic_001": ("bbbc009", "examples/B9/images/a.tif"),
    "dic_011": ("bbbc030", "examples/B30/test/images/b.png"),
}


def made_up_sources(folder):
    """Small checkouts of the three repositories, with a cell or two of each source."""
    repos, rng = micro4.source_repos(), np.random.default_rng(0)
    square = np.zeros((40, 50), np.uint8)
    square[10:30, 10:30] = 255
    outline = square.copy()
    outline[11:29, 11:29] = 0
    for source, path in SOURCE_ROWS.values():
        where = folder / repos[source] / path
        labels = folder / repos[source] / micro4.companion({"source": source, "source_file": path})
        image = rng.integers(0, 200, (40, 50), np.uint8)
        if source == "dsb2018":
            where, labels = where / "images" / "aa.png", labels / "m.png"
        where.parent.mkdir(parents=True, exist_ok=True)
        labels.parent.mkdir(parents=True, exist_ok=True)
        if where.suffix == ".tif":
            tifffile.imwrite(where, image.astype(np.uint16) if source == "usiigaci" else image)
        else:
            iio.imwrite(where, image)
        if source == "bbbc009":
            tifffile.imwrite(labels, outline > 0, photometric="miniswhite")
        else:
            iio.imwrite(labels, outline if source == "bbbc030" else square // 64)
        (folder / repos[source] / "LICENSE").write_text(f"licence of {repos[source]}")
        (folder / repos[source] / "big.bin").write_bytes(bytes(1000))
    return folder


def expect(folder, rows):
    """Let the list of micro4 be these rows, with the hashes of what they give."""
    repos = micro4.source_repos()
    for row in rows:
        checkout = folder / repos[row["source"]]
        pair = micro4.READERS[row["source"]](
            checkout / row["source_file"], checkout / micro4.companion(row)
        )
        row["sha256_image_pixels"] = files.pixel_hash(pair[0])
        row["sha256_label_pixels"] = files.pixel_hash(micro4.tidy(pair[1]))
    with open(manifest.MANIFESTS / "micro4.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def sources(tmp_path):
    """Made-up checkouts of micro4's sources, and a list that expects exactly them."""
    folder = made_up_sources(tmp_path / "sources")
    rows = [r for r in micro4.list_rows() if r["name"] in KEPT]
    for row in rows:
        row["source"], row["source_file"] = SOURCE_ROWS[row["name"]]
        row |= {"crop_y": "0", "crop_x": "0", "height": "40", "width": "50"}
    expect(folder, rows)
    return folder


def as_git(sources, mirror):
    """The checkouts as bare repositories, and their commits in the manifest."""
    path = manifest.MANIFESTS / "micro4.toml"
    text = path.read_text()
    commits = {s["repo"]: s["commit"] for s in manifest.load_manifest("micro4")["sources"]}
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    for repo, old in commits.items():
        folder, bare = sources / repo.replace("/", "_"), mirror / repo.replace("/", "_")
        for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
            subprocess.run(["git", "-C", folder, *who, *args], check=True, capture_output=True)
        subprocess.run(["git", "clone", "-q", "--bare", folder, bare], check=True)
        subprocess.run(["git", "-C", bare, "config", "uploadpack.allowFilter", "true"], check=True)
        new = subprocess.run(
            ["git", "-C", bare, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()
        text = text.replace(old, new)
        shutil.rmtree(folder)
    path.write_text(text)
    return mirror


def check_micro4(home, names=KEPT):
    assert fetch.verify("micro4") == [] and fetch.verify(home) == []
    assert [i.name for i in dataset.open_data("micro4").items] == sorted(names)
    assert "MIT" in (home / "ATTRIBUTION.md").read_text()
    assert not list(home.parent.glob(".making-*"))


@needs_git
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_fetch_micro4_by_git(kind, sources, cache, tmp_path, said, monkeypatch):
    mirror = as_git(sources, tmp_path / "mirror")
    taken = {}
    make = fetch.make

    def spy(name, source):
        taken.update({p.name: p for p in Path(source).rglob("*") if ".git" not in p.parts})
        return make(name, source)

    monkeypatch.setattr(fetch, "make", spy)
    home = fetch.fetch("micro4", mirror.as_uri() if kind == "file" else mirror)
    told = "\n".join(said)
    assert told.index("Licence:") < told.index("fetching")
    assert "raw.tif" in taken and "big.bin" not in taken  # sparse: only what micro4 needs
    check_micro4(home)
    assert (home / "LICENSE.oist_Usiigaci").read_text() == "licence of oist_Usiigaci"
    assert sorted(p.name for p in cache.iterdir()) == ["micro4"]
    shutil.rmtree(mirror)
    assert fetch.fetch("micro4") == home  # whole: no network is touched


@needs_git
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of the sources are not here")
def test_fetch_micro4_samples_by_git(tmp_path, cache):
    sources = shutil.copytree(SAMPLES, tmp_path / "sources")
    for folder in [sources, *sources.rglob("*")]:
        folder.chmod(0o755)
    repos = micro4.source_repos()
    rows = [
        r for r in micro4.list_rows() if (sources / repos[r["source"]] / r["source_file"]).exists()
    ]
    assert len(rows) == 6
    with open(manifest.MANIFESTS / "micro4.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    home = fetch.fetch("micro4", as_git(sources, tmp_path / "mirror"))
    check_micro4(home, [r["name"] for r in rows])


@needs_git
def test_git_fetch_starts_again_where_it_was_cut(sources, cache, tmp_path, monkeypatch):
    mirror = as_git(sources, tmp_path / "mirror")
    away = (mirror / "oist_Usiigaci").rename(tmp_path / "away")
    sentence(lambda: fetch.fetch("micro4", mirror), "oist_Usiigaci", "git fetch", "again")
    assert not (cache / "micro4").exists()
    done = cache / "micro4-sources" / "Nelson-Gon_cytounet"
    before = (done / ".git" / "HEAD").stat().st_mtime_ns
    (cache / "micro4-sources" / "oist_Usiigaci" / ".git" / "index.lock").write_text("killed here")
    away.rename(mirror / "oist_Usiigaci")
    make = fetch.make

    def late(name, source):
        assert (done / ".git" / "HEAD").stat().st_mtime_ns == before  # not fetched again
        return make(name, source)

    monkeypatch.setattr(fetch, "make", late)
    check_micro4(fetch.fetch("micro4", mirror))


def test_git_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence(lambda: fetch.fetch("micro4", tmp_path), "git", "install git")


def test_make_from_checkouts_and_from_a_finished_folder(sources, cache, tmp_path, monkeypatch):
    home = fetch.make("micro4", sources)
    check_micro4(home)
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path / "other"))
    again = fetch.make("micro4", home)
    check_micro4(again)
    files = [sorted(p.relative_to(d) for d in [h] for p in h.rglob("*")) for h in (home, again)]
    assert files[0] == files[1]
    assert dataset.open_data(home).hash == dataset.open_data(again).hash


def test_make_refuses_damaged_and_incomplete_folders(sources, cache, tmp_path, monkeypatch):
    home = fetch.make("micro4", sources)
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path / "other"))
    iio.imwrite(home / "train" / "images" / "bf_001.png", np.zeros((40, 50), np.uint8))
    sentence(lambda: fetch.make("micro4", home), "bf_001.png", "other pixels")
    next(sources.rglob("raw.tif")).unlink()
    sentence(lambda: fetch.make("micro4", sources), "raw.tif", "pc_001")
    sentence(lambda: fetch.make("micro4", tmp_path / "nowhere"), "nowhere", "folder")
    sentence(lambda: fetch.make("micro4"), "micro4", "--from")
    assert not (tmp_path / "other" / "micro4").exists()


def test_damaged_copy_is_found_and_made_again(sources, cache, said):
    home = fetch.make("micro4", sources)
    (home / "train" / "labels" / "bf_001_label.tiff").unlink()
    iio.imwrite(home / "train" / "images" / "dic_011.png", np.zeros((40, 50), np.uint8))
    problems = fetch.verify("micro4")
    assert len(problems) == 2 and all("\n" not in p for p in problems)
    assert "bf_001_label.tiff" in "".join(problems) and "dic_011.png" in "".join(problems)
    assert "is damaged" not in "\n".join(said)
    check_micro4(fetch.make("micro4", sources))
    assert "is damaged" in "\n".join(said)


def test_kill_leaves_no_half_data_set(sources, cache):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from twodints_lib import files\n"
        "from twodints_lib.data import dataset, fetch, manifest, micro4\n"
        f"manifest.MANIFESTS = Path({str(manifest.MANIFESTS)!r})\n"
        "write, done = files.write_pair, []\n"
        "def killed(*args):\n"
        "    write(*args)\n    done.append(1)\n"
        "    if len(done) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_pair = killed\n"
        f"fetch.make('micro4', {str(sources)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert not (cache / "micro4").exists()
    sentence(lambda: dataset.open_data("micro4"), "micro4", "twodints data fetch micro4")
    assert list(cache.glob(".making-*/micro4/*"))
    fetch.make("micro4", sources)
    assert fetch.verify("micro4") == []


# --- the others ---------------------------------------------------------------------------------


def test_simulated(monkeypatch, cache):
    calls = []

    def make_simulated(folder, train=30, val=8, seed=2022):
        calls.append(seed)
        image, label = np.zeros((4, 5), np.uint8), np.ones((4, 5), np.uint16)
        (folder / "images").mkdir(parents=True)
        (folder / "labels").mkdir()
        iio.imwrite(folder / "images" / "a.png", image)
        tifffile.imwrite(folder / "labels" / "a_label.tiff", label)
        row = {
            "name": "a", "split": "train", "modality": "DIC", "image": "images/a.png",
            "label": "labels/a_label.tiff", "sha256_image_pixels": files.pixel_hash(image),
            "sha256_label_pixels": files.pixel_hash(label),
        }  # fmt: skip
        (folder / "manifest.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
        return folder

    monkeypatch.setattr(dataset, "make_simulated", make_simulated)
    assert len(fetch.verify("simulated")) == 1 and not calls
    home = fetch.fetch("simulated")
    assert fetch.make("simulated") == home and calls == [2022] and fetch.verify("simulated") == []
    iio.imwrite(home / "images" / "a.png", np.ones((4, 5), np.uint8))
    assert "a.png" in fetch.verify("simulated")[0] and fetch.verify(home)
    fetch.make("simulated")
    assert calls == [2022, 2022] and fetch.verify("simulated") == []


def test_list_data(sources, said):
    fetch.make("micro4", sources)
    said.clear()
    table = {row["name"]: row for row in fetch.list_data()}
    told = "\n".join(said)
    assert sorted(table) == manifest.manifests() and all(name in told for name in table)
    assert table["micro4"]["folder"].is_dir() and table["neurips2022"]["folder"] is None
    assert table["neurips2022"]["gigabytes"] == 2.65 and table["micro4"]["images"] == 153
    json.dumps(table, default=str)


def test_verify_and_fetch_of_what_is_no_data_set(tmp_path):
    sentence(lambda: fetch.fetch("nothing"), "nothing", "micro4")
    sentence(lambda: fetch.fetch("folder"), "folder")
    assert "no manifest.csv" in fetch.verify(tmp_path)[0]
    (tmp_path / "manifest.csv").write_text("image,label\na,b\n")
    sentence(lambda: fetch.verify(tmp_path), "manifest.csv", "sha256_image_pixels")
