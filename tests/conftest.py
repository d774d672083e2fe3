"""Fixtures: a tiny data set on disk, and a world of its own for caches and runs."""

import logging

import numpy as np
import pytest
import tifffile
import torch
from skimage.draw import disk

from twodints_lib import messages
from twodints_lib.data.dataset import open_data
from twodints_lib.runs import settings
from twodints_lib.runs.setup import Setup

torch.set_num_threads(1)


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
