"""Two processes train as one would: the same loss curve, alphas equal, every image scored once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODES = ("paper", "dints")
SCRIPT = """
import atexit, json, os, sys
from pathlib import Path
from twodints_lib.data.dataset import open_data
from twodints_lib.training import distributed, loop, search, ways
from twodints_lib.runs import settings
from twodints_lib.runs.setup import Setup

def threads():
    return [t.read_text().strip() for t in Path("/proc/self/task").glob("*/comm")]

def last():  # registered first, so called last
    Path(f"{sys.argv[2]}-{os.environ.get('RANK', 0)}.threads").write_text(" ".join(threads()))

atexit.register(last)
distributed.start()
values = {"patch": 32, "num_blocks": 2, "num_depths": 2, "batch": 3, "workers": 0}
preset = settings.load("smoke", search_epochs=4, **values)
setup = Setup(preset, open_data(sys.argv[1]), 7)
score, names, kept, found = loop.predict.score_samples, [], [], {}

def noted(net, samples, *rest, **more):
    names.append([s.name for s in samples])
    return score(net, samples, *rest, **more)

loop.predict.score_samples = noted
for mode in ("paper", "dints"):
    names.clear()
    class Watched(search.WAYS[mode]):
        def __init__(self, *rest, **plan):
            super().__init__(*rest, **plan)
            kept.append(self)
    search.WAYS[mode] = Watched
    plan = ways.Plan(mode, warmup=0.25)
    folder = search.search_supernet(setup, plan)
    history = json.loads((folder / "history.json").read_text())["history"]
    patches = [getattr(kept[-1], k, None) for k in ("patches", "arch_patches")]
    found[mode] = {
        "loss": [r["loss"] for r in history],
        "dice": [r["dice"] for r in history],
        "alphas": [a.tolist() for a in ways.alphas(kept[-1].net)],
        "scored": names[0],
        "halves": [sorted(s.name for s in p.samples) for p in patches if p],
    }
open(f"{sys.argv[2]}-{distributed.rank()}.json", "w").write(json.dumps(found))
"""


def trained(tmp_path, data, processes):
    """What each process saw, from runs of its own."""
    out = tmp_path / str(processes)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, *(launcher if processes > 1 else ())]
    command += [str(tmp_path / "script.py"), str(data), str(out)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "TWODINTS_RUNS": str(out), "PYTHONPATH": str(ROOT)}
    env.pop("TWODINTS_PRESET", None)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return [
        json.loads(Path(f"{out}-{rank}.json").read_text())
        | {"threads": Path(f"{out}-{rank}.threads").read_text()}
        for rank in range(processes)
    ]


@pytest.fixture(scope="module")
def found(tmp_path_factory, tiny_folder):
    folder = tmp_path_factory.mktemp("processes")
    return [*trained(folder, tiny_folder, 1), *trained(folder, tiny_folder, 2)]


def test_no_thread_of_the_process_group_outlives_it(found):
    """One that did would abort the process at its exit, now and then, with all its work done."""
    assert not [f["threads"] for f in found if "gloo" in f["threads"]]


@pytest.mark.parametrize("mode", MODES)
def test_two_processes_train_as_one(found, mode):
    one, first, second = (f[mode] for f in found)
    assert first["loss"] == pytest.approx(one["loss"], abs=1e-4)
    assert len(set(one["loss"])) == 4  # it did train
    assert first["dice"][1] == pytest.approx(one["dice"][1], abs=1e-4)
    assert first["alphas"] == second["alphas"]  # to the last bit
    moved = [abs(a - b) for a, b in zip(flat(first["alphas"]), flat(one["alphas"]), strict=True)]
    assert max(moved) < 1e-4


def flat(nested):
    """The numbers of nested lists."""
    return [x for n in nested for x in flat(n)] if isinstance(nested, list) else [nested]


@pytest.mark.parametrize("mode", MODES)
def test_every_validation_image_is_scored_once(found, mode):
    one, first, second = (f[mode]["scored"] for f in found)
    assert sorted(first + second) == sorted(one)
    assert first and second and not set(first) & set(second)


def test_the_halves_of_the_search_are_disjoint_over_all_processes(found):
    ours, theirs = found[0]["dints"]["halves"]
    assert not set(ours) & set(theirs)
    assert all(f["dints"]["halves"] == [ours, theirs] for f in found)
