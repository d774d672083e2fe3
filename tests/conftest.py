"""Fixtures: a tiny data set on disk, and a world of its own for caches and runs."""

import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
import tifffile
import torch
from skimage.draw import disk

from twodints_lib import messages
from twodints_lib.data.dataset import open_data
from twodints_lib.runs import settings
from twodints_lib.runs.setup import Setup
from twodints_lib.space import topology
from twodints_lib.truth import Table

torch.set_num_threads(1)

HOME = pytest.StashKey()
# Run first, since they take longest: what stands first in a worker's queue never ends last.
# Notebooks lead, because the whole course finds what they trained.
LONG = (
    "notebooks/", "test_whole_course.py::TestMicro4", "test_train", "test_search", "test_course",
    "test_simulate", "test_parity", "test_rows", "test_truth_make", "test_environment",
    "test_exercises", "test_whole_course.py",
)  # fmt: skip


def pytest_configure(config):
    """Results of all tests go to one folder, of this session alone: never to the user's own."""
    if not hasattr(config, "workerinput"):
        config.stash[HOME] = tempfile.TemporaryDirectory(prefix="twodints-tests-")
        os.environ["TWODINTS_RUNS"] = config.stash[HOME].name


def pytest_collection_modifyitems(items):
    def rank(item):
        return next((i for i, name in enumerate(LONG) if name in item.nodeid), len(LONG))

    items.sort(key=rank)


def twodints(*args, **environment):
    """The command in a process of its own, as a user calls it."""
    clean = {k: v for k, v in os.environ.items() if k != "TWODINTS_PRESET"}
    command = [sys.executable, "-m", "twodints_lib.cli", *args]
    return subprocess.run(command, capture_output=True, text=True, env=clean | environment)


def blobs(seed, size=96, cells=5):
    """A noisy image of bright discs and its labels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.uint16)
    for i in range(1, cells + 1):
        centre = rng.integers(16, size - 16, 2)
        labels[disk(centre, rng.integers(7, 13), shape=labels.shape)] = i
    image = 40 + 150 * (labels > 0) + rng.normal(0, 8, labels.shape)
    return image.clip(0, 255).astype(np.uint8), labels


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A folder of labelled images, two modalities, train and val."""
    root = tmp_path_factory.mktemp("tiny")
    rows = []
    for i in range(12):
        split, kind = ("val" if i % 3 == 0 else "train"), ("fl" if i % 2 else "bf")
        for part in ("images", "labels"):
            (root / split / part).mkdir(parents=True, exist_ok=True)
        image, labels = blobs(i)
        tifffile.imwrite(root / split / "images" / f"{kind}_{i}.tif", image)
        tifffile.imwrite(root / split / "labels" / f"{kind}_{i}_label.tiff", labels)
        rows.append(f"{kind}_{i},{kind}")
    (root / "modality.csv").write_text("name,modality\n" + "\n".join(rows) + "\n")
    return root


def killed(work, ready):
    """Do `work()` in a process of its own, which is killed, without a warning, once `ready()`."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    deadline = time.time() + 120
    while not ready() and process.is_alive() and time.time() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"


@pytest.fixture
def said():
    """What the library says while the test runs, a line each."""
    lines, listener = [], logging.Handler()
    listener.emit = lambda record: lines.append(record.getMessage())
    before = messages.log.level
    messages.log.addHandler(listener)
    messages.log.setLevel(logging.INFO)
    yield lines
    messages.log.removeHandler(listener)
    messages.log.setLevel(before)


@pytest.fixture
def own_runs(tmp_path, monkeypatch):
    """Runs go to a fresh folder, and no preset is set from outside."""
    monkeypatch.setenv("TWODINTS_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("TWODINTS_PRESET", raising=False)
    return tmp_path / "runs"


@pytest.fixture
def tiny_setup(tiny_folder, own_runs):
    """A smoke setup on the tiny data, smaller still."""
    values = {"patch": 32, "num_blocks": 2, "num_depths": 2, "batch": 4}
    preset = settings.load("smoke", **values)
    return Setup(preset, open_data(tiny_folder), 7)


def made_up_table(name="cells-99", blocks=2, depths=2, seeds=5, noise=0.5):
    """A table of truth that nobody trained: each network's quality, and `noise` of it a seed.

    Dice grows with the share of paths that are on, F1 with it too; shorter trainings reach less
    and are noisier.
    """
    codes = topology.every_code(blocks, depths)
    rng = np.random.default_rng(0)
    share = np.array([np.mean(code["paths"]) for code in codes])
    quality = (share - share.mean()) / share.std() + 0.5 * rng.normal(size=len(codes))
    lengths = (6, 12, 24)
    shape = (len(codes), seeds, len(lengths))
    spread = noise * np.array([2, 1.4, 1])

    def score(middle):
        found = quality[:, None, None] + spread * rng.normal(size=shape)
        return (middle + np.log2(lengths) / 40 + 0.03 * found).astype(np.float32)

    scores = {"interior_dice": score(0.5), "boundary_dice": score(0.2), "f1": score(0.3)}
    scores |= {"f1_best": score(0.4), "f1_brightfield": score(0.3), "f1_fluorescence": score(0.3)}
    costs = {k: 1000 * (1 + 9 * share).round(2) for k in ("parameters", "macs", "activation_bytes")}
    seconds = np.broadcast_to(share[:, None, None] * np.array(lengths) / 4, shape)
    return Table(name, codes, tuple(range(1, seeds + 1)), lengths, scores, costs, seconds)


@pytest.fixture
def truth_table():
    """A made-up table of the 99 networks."""
    return made_up_table()


@pytest.fixture(scope="session")
def browser_page():
    """A page of a headless browser; `page.asked` has the address of everything that it loads."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium here: apt install chromium")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        yield page
        browser.close()
