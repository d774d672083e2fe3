"""Peers beside ours: CPU time, the split for choosing settings, jobs, and the pooled table."""

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import peer_common
import peers
import pytest

from twodints_lib.errors import InputError
from twodints_lib.reproduction import peers as table
from twodints_lib.scoring.statistics import paired_difference
from twodints_lib.space import topology
from twodints_lib.space.specs import DerivedSpec

BURN = "import time\nwhile time.process_time() < 0.3: pass"


def test_the_clock_counts_work_and_ended_children_but_not_sleep():
    clock = peer_common.Clock(0.5)
    time.sleep(0.3)
    assert clock.share() < 0.3
    subprocess.run([sys.executable, "-c", BURN], check=True)
    spent = clock.seconds()
    assert spent["cpu"] > 0.25 and spent["wall"] >= 0.6
    with clock.stopped():
        subprocess.run([sys.executable, "-c", BURN], check=True)
    assert clock.seconds()["cpu"] < spent["cpu"] + 0.2
    while clock.share() < 1:
        hashlib.sha256(bytes(10**6)).hexdigest()
    assert clock.share() == 1


def test_the_split_takes_a_fifth_of_each_modality_and_is_always_the_same():
    told = {f"{kind}_{i}": kind for kind in ("DIC", "fluorescence") for i in range(10)}
    told |= {"alone_1": "brightfield", "alone_2": "brightfield"}
    found = peers.split(told)
    apart = [told[n] for n, part in found.items() if part == "choose"]
    assert Counter(apart) == {"DIC": 2, "fluorescence": 2, "brightfield": 1}
    assert found == peers.split(dict(reversed(told.items()))) and found.keys() == told.keys()


def test_thresholds_are_chosen_by_f1_and_the_default_wins_a_draw():
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[20:32, 20:32] = 1, 2
    pictures = [peer_common.Picture("a", "DIC", np.zeros((40, 40, 3), np.uint8), labels)]
    grid = {"keep": (1, 2), "unused": ("first", "second")}
    setting, worth = peer_common.choose(pictures, grid, lambda i, s: labels * (labels <= s["keep"]))
    assert setting == {"keep": 2, "unused": "first"} and worth == 1


def test_a_job_is_made_once_and_refused_where_it_would_be_another(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"metrics": 1}

    decides = {"method": "unet", "cpu_seconds_each": 20.0, "seed": 1}
    first = peers.once(tmp_path / "unet-seed-1.json", decides, make)
    assert peers.once(tmp_path / "unet-seed-1.json", decides, make) == first == decides | make()
    assert len(made) == 2  # the second of them above
    with pytest.raises(InputError, match="cpu_seconds_each was 20"):
        peers.once(tmp_path / "unet-seed-1.json", decides | {"cpu_seconds_each": 40.0}, make)


def test_settings_are_tried_at_a_quarter_of_the_time_and_the_best_kept(tmp_path, monkeypatch):
    jobs, settings = [], peers.METHODS["stardist"].settings

    def run(job, program):
        jobs.append(job)
        return {"choose_f1": 0.5 + (job.settings == settings[1]), "seconds": {"cpu": 1, "wall": 2}}

    monkeypatch.setattr(peers, "run", run)
    job = peer_common.Job(tmp_path, tmp_path / "stardist", 80, 1, {})
    assert peers.chosen("stardist", {"method": "stardist"}, job, tmp_path) == settings[1]
    assert peers.chosen("stardist", {"method": "stardist"}, job, tmp_path) == settings[1]
    assert [j.cpu_seconds for j in jobs] == [20] * len(settings) and not any(j.final for j in jobs)
    assert len({j.out for j in jobs}) == len(settings) and all(j.seed == 0 for j in jobs)


def test_a_searched_code_is_read_from_a_spec_a_wrapper_and_a_run(tmp_path):
    spec = DerivedSpec(0.5, topology.known_shape("unet", 6, 4)).json()
    path = tmp_path / "code.json"
    for told in (spec, {"spec": spec, "search_seconds": 90}, {"parameters": {"spec": spec}}):
        path.write_text(json.dumps(told))
        found, more = peers.read_code(path)
        assert found == spec | {"head": "ladder"}
        assert more == ({"search_seconds": 90} if "search_seconds" in told else {})
    path.write_text(json.dumps({"kind": "unet"}))
    with pytest.raises(InputError, match="give a derived network's code"):
        peers.read_code(path)


def record(folder, method, seed, f1, **more):
    """A record as a job leaves it, of images a, b, c."""
    told = {"method": method, "seed": seed, "seconds": {"cpu": 120, "wall": 400}}
    told |= {"cpu_seconds_each": 120.0} | more
    folder = folder / f"{told['cpu_seconds_each']:.0f}s"
    folder.mkdir(exist_ok=True)
    images = {name: [None, f1 + offset] for name, offset in zip("abc", (0, 0.1, -0.1), strict=True)}
    told["metrics"] = {"modality_mean_f1": f1, "images": images}
    (folder / f"{method}-seed-{seed}.json").write_text(json.dumps(told))
    return {seed: {n: pair[1] for n, pair in images.items()}}


def test_the_table_pools_seeds_and_pairs_them_with_ours(tmp_path):
    ours, theirs = {}, {}
    for seed, gain in ((1, 0.1), (2, 0.14), (3, 0.09)):
        ours |= record(tmp_path, "unet", seed, 0.6 + gain)
        theirs |= record(tmp_path, "stardist", seed, 0.6)
        record(tmp_path, "searched", seed, 0.75, search_seconds=300)
    record(tmp_path, "otsu", 0, 0.2)
    (tmp_path / "120s" / "unet-choice.json").write_text("{}")  # no training of its own
    rows = {row[0]: dict(zip(table.HEADER, row, strict=True)) for row in table.rows(tmp_path)}
    assert list(rows) == [table.TITLES[m] for m in ("searched", "unet", "stardist", "otsu")]
    star, unet = rows["StarDist"], rows["UNet, ladder head"]
    assert star["seeds"] == 3 and star["CPU minutes, trained"] == "2.0"
    assert star["UNet minus this, 95 %"] == str(paired_difference(ours, theirs))
    assert unet["F1 over modalities"] == "0.710" and unet["UNet minus this, 95 %"] == ""
    assert unet["seed by seed"] == "0.700, 0.740, 0.690"
    assert rows[table.TITLES["searched"]]["CPU minutes, searched"] == "5.0"
    assert rows[table.TITLES["otsu"]]["UNet minus this, 95 %"].startswith("+0.510 [")


def test_one_seed_says_that_its_interval_is_over_images_alone(tmp_path):
    record(tmp_path, "unet", 1, 0.8)
    record(tmp_path, "cellpose", 1, 0.7)
    record(tmp_path, "stardist", 2, 0.7)
    rows = {row[0]: row[7] for row in table.rows(tmp_path)}
    assert rows["Cellpose 3"].endswith("over images alone")
    assert rows["StarDist"] == "no seed in common"


def test_methods_are_compared_within_a_budget_and_the_longest_stands_first(tmp_path):
    record(tmp_path, "unet", 1, 0.6)
    record(tmp_path, "unet", 1, 0.7, cpu_seconds_each=480.0)
    record(tmp_path, "cellpose", 1, 0.8)
    told = [row[:2] + row[7:8] for row in table.rows(tmp_path)]
    assert [line[:2] for line in told] == [
        ("UNet, ladder head", 480), ("Cellpose 3", 120), ("UNet, ladder head", 120)
    ]  # fmt: skip
    assert told[1][2].startswith("-0.200 [")


def test_no_record_is_an_empty_table(tmp_path):
    assert table.rows(tmp_path / "none") == []
