"""What is found instead of made: one input changes at a time, nothing is found by mistake."""

import os
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import tifffile
from torch import nn

from twodints_lib import course, files, fingerprint
from twodints_lib.data import dataset
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.reproduction import study, table4
from twodints_lib.runs import paper, settings, store
from twodints_lib.runs.setup import Setup, begin
from twodints_lib.space.operations import OPERATIONS, Operation
from twodints_lib.space.specs import SegResNetSpec, UNetSpec
from twodints_lib.training import loop, patches, search, ways
from twodints_lib.truth import make
from twodints_lib.truth.protocol import Protocol

HEADER = "name,split,modality,image,label\n"
ROWS = [
    f"{name},{split},DIC,images/{name}.tif,labels/{name}_label.tif"
    for name, split in (("a", "train"), ("b", "val"), ("c", "val"))
]
METRICS = {"per_image": [], "per_modality": {}, "training_images": 1}


@pytest.fixture
def data(tmp_path):
    """A folder of labelled images, three of them in its list."""
    root = tmp_path / "mine"
    for part, end in (("images", ""), ("labels", "_label")):
        (root / part).mkdir(parents=True)
        for number, name in enumerate("abcd", 1):
            pixels = np.zeros((64, 64), np.uint8)
            pixels[8:30, 8 : 20 + number] = number
            tifffile.imwrite(root / part / f"{name}{end}.tif", pixels)
    (root / "manifest.csv").write_text(HEADER + "\n".join(ROWS) + "\n")
    return root


def listed(old, new):
    """A change of the list of a folder."""

    def change(root):
        text = (root / "manifest.csv").read_text()
        assert old in text
        (root / "manifest.csv").write_text(text.replace(old, new))

    return change


def painted(name):
    """A change of one pixel of a file, of which size and time stay as they were."""

    def change(root):
        path = root / name
        before, pixels = path.stat(), tifffile.imread(path)
        pixels[0, 0] = 9
        tifffile.imwrite(path, pixels)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size

    return change


def swapped(root):
    """The label files of two images change places."""
    a, b = root / "labels" / "a_label.tif", root / "labels" / "b_label.tif"
    a.rename(root / "c"), b.rename(a), (root / "c").rename(b)


DATA = {
    "split": listed("c,val", "c,train"),
    "the other split": listed("c,val", "c,test"),
    "modality": listed("a,train,DIC", "a,train,fluorescence"),
    "name": listed("a,train", "aa,train"),
    "another label file": listed("labels/a_label", "labels/b_label"),
    "another image file": listed("images/a.", "images/d."),
    "no label": listed("labels/c_label.tif", ""),
    "a row less": listed(ROWS[2] + "\n", ""),
    "a pixel of an image": painted("images/a.tif"),
    "a pixel of a label": painted("labels/a_label.tif"),
    "labels change places": swapped,
}


@pytest.fixture
def trained(monkeypatch, own_runs):
    """The folders of trainings that were begun: each writes a record and trains nothing."""
    begun = []

    def instead(setup, parameters, way, watch, start, folder):
        begun.append(folder)
        metrics = METRICS | {"per_image": [{"name": "b", "modality": "DIC", "dice": 0.5}]}
        files.write_json(folder / "record.json", store.record(setup, parameters, metrics, 1))
        row = {"epoch": 1, "loss": 1.0, "dice": 0.5, "seconds": 1.0}
        files.write_json(folder / "history.json", {"history": [row]})
        (folder / "best.pt").write_bytes(b"")

    monkeypatch.setattr(loop, "_train_and_record", instead)
    return begun


def small(root, seed=1, **values) -> Setup:
    """A smoke set-up of these data."""
    return begin("smoke", str(root), seed, **{"patch": 32, "num_blocks": 2} | values)


def unet(setup, spec=None, epochs=2, **given):
    return loop.train_network(setup, spec or UNetSpec(), epochs, **given)


@pytest.mark.parametrize("large", (False, True))
@pytest.mark.parametrize("change", DATA.values(), ids=DATA)
def test_no_door_finds_the_result_of_other_data(data, trained, monkeypatch, change, large):
    """A large set's hash is kept: that too may not be found again."""
    monkeypatch.setattr(dataset, "LARGE", 0 if large else dataset.LARGE)
    monkeypatch.setenv("TWODINTS_CACHE", str(data.parent / "cache"))

    def doors():
        setup = small(data)
        prepared = patches.cache_of(replace(setup, preset=settings.PAPER))
        truth = make.place("cells-99", Protocol("cells", 2), setup.dataset, 1)
        sweep = table4.sweep_scale("smoke", str(data))
        row = table4.folder_of(setup) / "unet-seed-1.json"
        return {unet(setup), search.search_supernet(setup), prepared, truth, sweep, row,
                course.home(setup, {})}  # fmt: skip

    before = doors()
    assert doors() == before and len(trained) == 2
    change(data)
    assert not doors() & before and len(trained) == 4


SETTINGS = {
    "patch": 64, "batch": 3, "learning_rate": 0.01, "arch_rate": 0.01, "val_start": 9,
    "val_every": 9, "workers": 1, "patience": 9, "max_steps": 1, "schedule": "constant",
    "images": 1, "channel_mul": 0.25, "num_blocks": 4, "num_depths": 2, "search_epochs": 9,
    "precision": "float16",
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_no_search_of_other_settings_is_found(data, trained, name):
    setup = small(data)
    search.search_supernet(setup)
    search.search_supernet(setup)
    changed = replace(setup.preset, **{name: SETTINGS[name]})
    assert changed != setup.preset and len(trained) == 1
    search.search_supernet(replace(setup, preset=changed))
    assert len(trained) == 2


def test_every_setting_of_a_training_was_changed():
    """A new one has to be added here."""
    without = {"name", "is_result", "minutes", "baseline_epochs", "derived_epochs"}
    without |= {"ladder_epochs"}  # the number of epochs is asked for in the test of networks
    assert set(asdict(settings.SMOKE)) - without == SETTINGS.keys()


def test_no_training_of_another_seed_network_plan_or_start_is_found(data, trained, tmp_path):
    setup = small(data)
    starts = []
    for number in (1, 2, 3):  # three folders of one name
        folder = tmp_path / str(number) / "net"
        folder.mkdir(parents=True)
        (folder / "best.pt").write_bytes(bytes([number]))
        starts.append(folder)

    class Own(loop.Joint):
        def epoch(self, epoch):
            return {"loss": 0.0}

    class Other(loop.Joint):
        def epoch(self, epoch):
            return {"loss": 1.0}

    tried = [
        lambda: unet(setup),
        lambda: unet(replace(setup, seed=2)),
        lambda: unet(replace(setup, only="DIC")),
        lambda: unet(setup, SegResNetSpec()),
        lambda: unet(setup, replace(UNetSpec(), head="distance")),
        lambda: unet(setup, epochs=3),
        lambda: unet(setup, select="f1"),
        *(lambda s=s: unet(setup, start=s) for s in starts),
        lambda: unet(setup, way=Own),
        lambda: unet(setup, way=Other),
        lambda: unet(setup, watch=lambda *_: {"a": 1}),
        lambda: unet(setup, watch=lambda *_: {"a": 2}),
        lambda: search.search_supernet(setup),
        lambda: search.search_supernet(setup, names=("skip", "5x5")),
        lambda: search.search_supernet(setup, head="distance"),
        lambda: search.search_supernet(setup, select="f1"),
        *(
            lambda p=p: search.search_supernet(setup, ways.Plan(**p))
            for p in (
                {"mode": "dints"}, {"mode": "shrinking"}, {"paths": "sampled"}, {"warmup": 0.1},
                {"weight_rate": 1.0}, {"scaling": "normalised"}, {"budget": 0.5},
                {"ceiling": True}, {"decode_share": 0.5},
                {"decode_share": 0.5, "decode_cost": "macs"},
            )
        ),
    ]  # fmt: skip
    found = [way() for way in tried]
    assert len(set(found)) == len(tried) == len(trained)
    assert [way() for way in tried] == found and len(trained) == len(tried)


def test_no_search_with_an_operation_of_the_same_name_is_found(data, trained, monkeypatch):
    for dilation in (2, 5, 2):
        made = Operation(lambda c, d=dilation: nn.Conv2d(c, c, 3, padding=d, dilation=d))
        monkeypatch.setitem(OPERATIONS, "mine", made)
        search.search_supernet(small(data), names=("skip", "mine"))
    assert len(trained) == 2


def test_no_row_of_another_cap_network_operation_or_code_is_found(data, trained, monkeypatch):
    def row(**given):
        return table4.run_row("dints-1-8", "smoke", str(data), 1, **given)

    assert row() == row() and len(trained) == 1
    assert row(max_steps=1) != row() and row(max_steps=2) != row(max_steps=1)
    assert len(trained) == 3
    with pytest.raises(InputError, match="other settings"):
        row(batch=3)
    first = files.read_json(row())["made"]
    monkeypatch.setitem(OPERATIONS, "3x3", OPERATIONS["5x5"])
    assert files.read_json(row())["made"] != first and len(trained) == 4
    monkeypatch.setattr(fingerprint, "of_modules", lambda *_: "other code")
    row(), row()
    assert len(trained) == 5


def test_no_row_of_another_network_is_found(data, trained, monkeypatch):
    table4.run_row("unet", "smoke", str(data), 1)
    changed = replace(paper.row("unet"), spec=SegResNetSpec())
    monkeypatch.setattr(paper, "row", lambda name: changed)
    with pytest.raises(InputError, match="spec"):
        table4.run_row("unet", "smoke", str(data), 1)


def test_a_sweep_is_done_for_its_own_preset_cap_and_code_alone(data, own_runs, monkeypatch):
    def scales():
        asked = [("smoke",), ("laptop",), ("smoke", "1"), ("smoke", "2")]
        return {table4.sweep_scale(p, str(data), *steps) for p, *steps in asked}

    before = scales()
    other = shutil.copytree(data, data.parent / "other" / "mine")
    assert len(before) == 4 and scales() == before
    assert table4.sweep_scale("smoke", str(other)) in before  # equal data are the same data
    monkeypatch.setattr(fingerprint, "of_modules", lambda *_: "other code")
    assert not scales() & before


def test_no_network_of_another_table_of_truth_is_found(data, own_runs):
    mine, plain = open_data(data), Protocol("cells", 2)
    changes = [
        {}, {"data": "micro4"}, {"blocks": 3}, {"depths": 3}, {"head": "flow"}, {"patch": 32},
        {"batch": 3}, {"steps": (5,)}, {"learning_rate": 0.5}, {"averaging": 0.5},
        {"cosine": not plain.cosine}, {"channel_mul": 0.5}, {"drawn": 3}, {"diameter": 7},
        {"window": 32}, {"windows": 2}, {"networks": 9},
    ]  # fmt: skip
    places = [make.place("cells-99", replace(plain, **c), mine, 1) for c in changes]
    places += [make.place("cells-99", plain, mine, 2)]
    assert len(set(places)) == len(changes) + 1
    left = asdict(plain).keys() - {k for c in changes for k in c}
    assert left == {"seeds"}, "changes of the protocol that nobody tried"


def test_a_study_takes_no_record_of_other_data_settings_or_plan(data, tmp_path, own_runs):
    made = []

    def job(setup, **given):
        return study.Job(tmp_path / "job.json", setup, lambda s, **_: made.append(1) or {}, given)

    setup = small(data)
    job(setup, plan=ways.Plan()).once()
    job(setup, plan=ways.Plan()).once()
    others = [
        (replace(setup, seed=2), ways.Plan()),
        (replace(setup, preset=replace(setup.preset, patch=64)), ways.Plan()),
        (setup, ways.Plan("dints")),
    ]
    DATA["split"](data)
    others.append((small(data), ways.Plan()))
    for changed, plan in others:
        with pytest.raises(InputError, match="job.json"):
            job(changed, plan=plan).once()
    assert len(made) == 1
