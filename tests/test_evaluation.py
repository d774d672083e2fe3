"""Evaluation by named conventions: the script's own rows, a brute force, planted errors."""

import csv
import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from test_metrics import COLUMNS, GOLDEN

from twodints_lib import cli
from twodints_lib.errors import InputError
from twodints_lib.scoring import matching, scores
from twodints_lib.scoring.folders import evaluate
from twodints_lib.scoring.scores import CHALLENGE, SCRIPT, Rules

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden pairs are not on this machine")
@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_compat_gives_the_scripts_rows_digit_by_digit(threshold):
    with open(GOLDEN / f"official-{threshold}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    result = evaluate(GOLDEN / "pred", GOLDEN / "truth", SCRIPT.at(threshold))
    ours = {r["name"]: r for r in result["per_image"]}
    assert len(rows) == len(ours) >= 39
    for row in rows:
        found = ours[row["names"].removesuffix("_label.tiff")]
        assert {k: found[k] for k in COLUMNS} == {k: float(row[v]) for k, v in COLUMNS.items()}
    assert result["mean_f1"] == pytest.approx(np.mean([float(r["F1"]) for r in rows]))


def masks(labels, frame):
    inner = np.zeros(labels.shape, bool)
    inner[frame : labels.shape[0] - frame, frame : labels.shape[1] - frame] = True
    found = [labels == i for i in np.unique(labels) if i]
    return [m for m in found if not (m & ~inner).any()]


def brute_force(truth, pred, threshold, at_least, frame):
    """Every assignment tried: (tp, n_true, n_pred, highest sum of IoU of a largest set)."""
    a, b = masks(truth, frame), masks(pred, frame)
    iou = np.array([[(x & y).sum() / (x | y).sum() for y in b] for x in a]).reshape(len(a), len(b))
    good = ((iou >= threshold) if at_least else (iou > threshold)) & (iou > 0)
    if len(a) > len(b):
        iou, good = iou.T, good.T
    best = (0, 0.0)
    for choice in itertools.permutations(range(good.shape[1]), good.shape[0]):
        some = [(i, j) for i, j in enumerate(choice) if good[i, j]]
        best = max(best, (len(some), sum(iou[s] for s in some)))
    return *best, len(a), len(b)


def generated(seed):
    """A small pair with missing, shifted, split and border cells, ties and empties."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((24, 26), np.uint16)
    for i in range(rng.integers(0, 6)):
        y, x = rng.integers(0, 20, 2)
        truth[y : y + rng.integers(2, 8), x : x + rng.integers(2, 8)] = 7 * i + 1
    pred = np.roll(truth, rng.integers(-1, 2, 2), (0, 1)).astype(np.int32) * 2
    pred[rng.random(pred.shape) < 0.1 * rng.integers(0, 3)] = 0
    if seed % 3 == 0:
        pred[:, ::2][pred[:, ::2] > 0] += 1
    if seed % 7 == 0:
        pred[:] = 0
    if seed % 11 == 0:
        truth[:] = 0
    return truth, pred


@pytest.mark.parametrize("part", range(10))
def test_500_pairs_equal_a_brute_force(part):
    for seed in range(50 * part, 50 * part + 50):
        truth, pred = generated(seed)
        at_least, frame = bool(seed % 2), (2, 0, 3)[seed % 3]
        row = scores.score(truth, pred, Rules((0.5, 0.3, 0.8), at_least, frame))
        for threshold in (0.5, 0.3, 0.8):
            tp, iou, n_true, n_pred = brute_force(truth, pred, threshold, at_least, frame)
            found = row["thresholds"][f"{threshold:g}"]
            counts = (tp, n_pred - tp, n_true - tp)
            assert (found["tp"], found["fp"], found["fn"]) == counts, seed
            if n_true or n_pred:
                assert found["f1"] == pytest.approx(2 * tp / (n_true + n_pred))
                assert found["ap"] == pytest.approx(tp / (n_true + n_pred - tp))
                assert found["pq"] == pytest.approx(2 * iou / (n_true + n_pred))
            else:
                assert found["f1"] == found["pq"] == found["ap"] == 1
        lost = sum(row["errors"].values()) - row["errors"]["spurious"]
        assert lost == row["fn"] and row["errors"]["spurious"] <= row["fp"]
        assert sum(cells for cells, _ in row["sizes"].values()) == row["n_true"]
        assert sum(hit for _, hit in row["sizes"].values()) == row["tp"]


def image(*boxes, size=64):
    labels = np.zeros((size, size), np.uint16)
    for i, (y, x, h, w) in enumerate(boxes, 1):
        labels[y : y + h, x : x + w] = i
    return labels


@pytest.mark.parametrize(
    ("truth", "pred", "errors"),
    [
        (image((5, 5, 10, 10)), image(), {"not found": 1}),
        (image(), image((5, 5, 10, 10)), {"spurious": 1}),
        (image((5, 5, 10, 10), (5, 15, 10, 10)), image((5, 5, 10, 20)), {"merged": 1}),
        (image((5, 5, 10, 10), (5, 15, 10, 8)), image((5, 5, 10, 18)), {"merged": 1}),
        (image((5, 5, 12, 12)), image((5, 5, 12, 5), (5, 11, 12, 6)), {"split": 1}),
        (image((5, 5, 12, 12)), image((8, 8, 6, 6)), {"eroded": 1}),
        (image((5, 5, 10, 10)), image((12, 5, 10, 10)), {"displaced": 1}),
        (image((5, 5, 10, 10)), image((40, 40, 9, 9)), {"not found": 1, "spurious": 1}),
    ],
    ids=["nothing", "too much", "merged", "one of two", "split", "eroded", "beside", "elsewhere"],
)
def test_every_unmatched_cell_is_named_once(truth, pred, errors):
    # Two equal halves merged: one of them still matches at exactly 0.5; > names both.
    row = scores.score(truth, pred, Rules((0.51,)) if "split" in errors else Rules())
    assert {k: v for k, v in row["errors"].items() if v} == errors


def test_sizes_are_counted_apart():
    truth = image((5, 5, 6, 6), (5, 30, 20, 20))
    row = scores.score(truth, image((5, 30, 20, 20)))
    assert row["sizes"]["under 13.7 px"] == [1, 0] and row["sizes"]["13.7 to 30 px"] == [1, 1]


@pytest.mark.parametrize("where", ["truth", "prediction"])
@pytest.mark.parametrize("spoil", ["float", "negative", "shape"])
def test_labels_that_lost_their_ids_are_refused(where, spoil):
    good = image((5, 5, 10, 10)).astype(np.int32)
    bad = {"float": good.astype(float), "negative": good - 1, "shape": good[1:]}[spoil]
    pair = (bad, good) if where == "truth" else (good, bad)
    with pytest.raises(InputError, match="size" if spoil == "shape" else where):
        scores.score(*pair)


def test_conventions_differ_only_where_they_say():
    half = image((5, 5, 10, 10), (5, 15, 10, 10)), image((5, 5, 10, 20))
    assert scores.score(*half)["tp"] == 1
    assert scores.score(*half, Rules(at_least=False))["tp"] == 0
    border = image((0, 5, 10, 10))
    assert scores.score(border, border)["n_true"] == 0
    assert scores.score(border, border, Rules(frame=0))["tp"] == 1
    nothing = image()
    assert scores.score(nothing, nothing)["f1"] == 1
    assert scores.score(nothing, nothing, SCRIPT)["f1"] == 0
    missed = image((5, 5, 10, 10)), nothing
    assert scores.score(*missed)["fn"] == 1
    assert scores.score(*missed, SCRIPT)["fn"] == 0
    with pytest.raises(InputError, match="frame=100"):
        scores.score(*missed, Rules(frame=100))
    for bad in ({"thresholds": ()}, {"thresholds": (0.0,)}, {"frame": -1}):
        with pytest.raises(InputError):
            Rules(**bad)


def test_compat_counts_no_missed_cell_in_a_tile_without_predictions():
    truth = np.zeros((5000, 5000), np.uint16)  # nine tiles of 2000 pixels, the last ones padded
    truth[100:120, 100:120], truth[3000:3020, 3000:3020] = 1, 2
    pred = truth * (truth == 1)
    script = scores.score(truth, pred, SCRIPT)
    assert (script["n_true"], script["tp"], script["fn"]) == (2, 1, 0)
    assert scores.score(truth, pred)["fn"] == 1


def test_compat_rounds_as_the_script_does():
    found = [matching.Overlaps(*_diagonal(tp, n, m)) for tp, n, m in ((2, 5, 123), (7, 20, 160))]
    rows = [scores._scores([part], [matching.pair(part)], SCRIPT) for part in found]
    assert rows[0]["f1"] == 0.0313 and rows[1]["precision"] == 0.0438


def _diagonal(tp, n, m):
    """n true and m found cells of 10 pixels, the first tp of them the same."""
    same = np.arange(tp)
    sides = (np.arange(n), np.arange(m), np.full(n, 10), np.full(m, 10))
    return *sides, np.ones(n, bool), np.ones(m, bool), (same, same), np.full(tp, 10)


def test_every_threshold_has_its_aggregates():
    truth = image((5, 5, 10, 10), (30, 30, 12, 12))
    rows = [{"name": "a", "modality": "DIC"} | scores.score(truth, truth, Rules((0.5, 0.9)))]
    empty = {"name": "b", "modality": "DIC"} | scores.score(image(), image(), Rules((0.5, 0.9)))
    found = scores.summarise([*rows, empty])["thresholds"]
    assert set(found) == {"0.5", "0.9"} and found["0.9"]["mean"]["pq"] == 1
    assert scores.summarise([empty])["pooled_f1"] == scores.summarise([empty])["mean_f1"] == 1


@pytest.fixture
def folders(tmp_path):
    """Three truths of two modalities, two predictions; and where a CSV may go."""
    truth, pred = tmp_path / "truth", tmp_path / "pred"
    truth.mkdir()
    pred.mkdir()
    labels = image((5, 5, 10, 10), (30, 30, 12, 12))
    for name in "abc":
        tifffile.imwrite(truth / f"{name}_label.tiff", labels)
    tifffile.imwrite(pred / "a_label.tiff", labels)
    tifffile.imwrite(pred / "b_label.tiff", image((5, 5, 10, 10)))
    (tmp_path / "manifest.csv").write_text("name,modality\na,DIC\nb,DIC\nc,brightfield\n")
    return pred, truth


def test_the_command_gives_json_and_csv(folders, capsys, tmp_path):
    table = tmp_path / "scores.csv"
    command = ["evaluate", *map(str, folders), "--json", "--csv", str(table)]
    assert cli.main([*command, "--threshold", "0.5", "0.75"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["pooled_f1"] == pytest.approx(2 * 3 / (6 + 3))
    assert result["mean_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert result["per_modality"] == {"DIC": pytest.approx(5 / 6), "brightfield": 0}
    low, high = result["modalities"]["DIC"]["interval_mean_f1"]
    assert low <= 5 / 6 <= high and result["errors"]["not found"] == 3
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and {r["threshold"] for r in rows} == {"0.5", "0.75"}
    assert cli.main(command) == 2  # nothing is overwritten
    assert "new file" in capsys.readouterr().err
    assert cli.main([*command[:-1], str(tmp_path / "nowhere" / "a.csv")]) == 2


def test_files_that_are_no_labels_or_two_of_one_name(folders, capsys):
    pred, truth = folders
    (pred / "._a_label.tiff").write_bytes(b"left by a file manager")
    assert cli.main(["evaluate", str(pred), str(truth)]) == 0
    (pred / "a.tif").write_bytes((pred / "a_label.tiff").read_bytes())
    assert cli.main(["evaluate", str(pred), str(truth)]) == 2
    assert "same name" in capsys.readouterr().err


def test_compat_passes_over_missing_predictions(folders, capsys):
    command = ["evaluate", *map(str, folders), "--compat", "neurips22", "--json"]
    assert cli.main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in result["per_image"]] == ["a", "b"] and result["missing"] == ["c"]
    assert cli.main([*command[:-3], "--compat", "coco"]) == 2


@pytest.fixture
def benchmark(monkeypatch):
    """A benchmark's module by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_the_benchmark_compares_ways_that_agree(benchmark):
    bench = benchmark("instances")
    truth, pred = bench.crowd(300, 120, seed=1)
    found = {name: int(way(truth, pred)) for name, way in bench.WAYS.items()}
    by_monai = found.pop("MONAI's panoptic quality")  # counts cells at the border as well
    assert len(set(found.values())) == 1 and 40 < found["ours"] < 120
    assert by_monai == scores.score(truth, pred, Rules(frame=0))["tp"]


MEASURED = """
import json, sys
import numpy as np
from measuring import measure

pair = np.zeros((2, 300, 300), np.int32)
np.ones(2**26)  # 512 MiB, given back at once
big = measure(lambda t, p: np.ones(2**25).min() if t.size > 256**2 else 0, *pair)
none = measure(lambda t, p: 7, *pair)
print(json.dumps([big, none]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak")
def test_the_benchmark_sees_the_memory_of_a_call_even_after_a_higher_peak():
    # in a process of its own, as every case of the benchmark: what other tests left lying in this
    # one's heap would be used again and add nothing
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    )
    big, none = json.loads(done.stdout)
    assert big["added_mib"] > 200 and none["added_mib"] < 50 and none["tp"] == 7


def rows_of_trainings(truth, pred, threshold=0.5):
    """The challenge's columns written out by hand, from this module's brute force."""
    tp, _, n_true, n_pred = brute_force(truth, pred, threshold, True, 2)
    both = (truth > 0).sum() + (pred > 0).sum()
    return {
        "n_true": n_true, "n_pred": n_pred, "tp": tp, "fp": n_pred - tp, "fn": n_true - tp,
        "precision": tp / n_pred if n_pred else 0.0, "recall": tp / n_true if n_true else 0.0,
        "f1": 2 * tp / (n_true + n_pred) if tp else 0.0,
        "foreground_dice": 2 * ((truth > 0) & (pred > 0)).sum() / both if both else 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("part", range(4))
def test_trainings_are_scored_by_the_same_scorer_with_nine_columns(part):
    for seed in range(25 * part, 25 * part + 25):
        pair = generated(seed)
        found = scores.score(*pair, CHALLENGE)
        assert found == rows_of_trainings(*pair) and list(found) == list(rows_of_trainings(*pair))
        every = scores.score(*pair)
        if every["n_true"] or every["n_pred"]:  # else by default 1, see Rules.empty
            assert found == {k: every[k] for k in found}


def test_every_rule_counts_where_the_sets_of_rules_differ():
    """An image without a cell scores what the rules say, in one scorer: 1 or 0."""
    nothing = image(), image()
    assert scores.score(*nothing, Rules())["f1"] == 1
    for rules in (CHALLENGE, SCRIPT, Rules(empty=0.0)):
        assert scores.score(*nothing, rules)["f1"] == 0
    third = image((5, 5, 10, 10), (30, 5, 10, 10)), image((5, 5, 10, 10))
    assert scores.score(*third)["recall"] == 0.5 and Rules().at(0.7).thresholds == (0.7,)
    three = image((5, 5, 9, 9), (30, 5, 9, 9), (5, 30, 9, 9)), image((5, 5, 9, 9))
    assert scores.score(*three, Rules(digits=3))["recall"] == 0.333
    missed = image((5, 5, 10, 10)), image()
    assert [scores.score(*missed, Rules(forgets=f))["fn"] for f in (False, True)] == [1, 0]


@pytest.mark.parametrize("broken", ["name;modality\na;DIC\n", "name,kind\na,DIC\n", "\xff\xfe"])
def test_a_broken_table_of_modalities_is_named(folders, capsys, broken):
    pred, truth = folders
    (truth.parent / "manifest.csv").write_text(broken, encoding="latin-1")
    assert cli.main(["evaluate", str(pred), str(truth)]) == 2
    said = capsys.readouterr().err
    assert "manifest.csv" in said and said.count("\n") == 1
