"""The official metric: golden values of the challenge's own script, and a brute force of ours."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from twodints_lib import cli
from twodints_lib.errors import InputError
from twodints_lib.scoring import folders, matching
from twodints_lib.scoring.scores import CHALLENGE, score

GOLDEN = Path(__file__).parents[2] / "shared" / "data" / "official_metric"
COLUMNS = {
    "n_true": "true_num", "n_pred": "pred_num", "tp": "correct_num(TP)", "fn": "missed_num(FN)",
    "fp": "wrong_num(FP)", "precision": "precision", "recall": "recall",
    "foreground_dice": "dice", "f1": "F1",
}  # fmt: skip


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden pairs are not on this machine")
@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_the_official_scripts_own_values(threshold):
    with open(GOLDEN / f"official-{threshold}.csv", newline="") as file:
        for row in csv.DictReader(file):
            truth, pred = (tifffile.imread(GOLDEN / d / row["names"]) for d in ("truth", "pred"))
            ours = score(truth, pred, CHALLENGE.at(threshold))
            theirs = {k: float(row[v]) for k, v in COLUMNS.items()}
            if not ours["n_pred"]:  # the script forgets the missed cells of an empty prediction
                theirs["fn"] = ours["n_true"]
            assert {k: round(ours[k], 4) for k in theirs} == theirs, row["names"]


def brute_force(truth, pred, threshold):
    """Counts by full masks and by trying every assignment."""

    def cells(labels):
        inner = np.zeros(labels.shape, bool)
        inner[2:-2, 2:-2] = True
        masks = [labels == i for i in np.unique(labels) if i]
        return [m for m in masks if not (m & ~inner).any()]

    a, b = cells(truth), cells(pred)
    good = [[(x & y).sum() / (x | y).sum() >= threshold for y in b] for x in a]
    short, long = (good, len(b)) if len(a) <= len(b) else (list(zip(*good, strict=True)), len(a))
    best = 0
    for choice in itertools.permutations(range(long), len(short)):
        best = max(best, sum(bool(short[i][j]) for i, j in enumerate(choice)))
    return len(a), len(b), best


@pytest.mark.parametrize("seed", range(60))
def test_counts_equal_a_brute_force(seed):
    rng = np.random.default_rng(seed)
    truth = np.zeros((24, 24), np.uint16)
    for i in range(rng.integers(0, 6)):
        y, x = rng.integers(0, 20, 2)
        truth[y : y + rng.integers(2, 8), x : x + rng.integers(2, 8)] = i * 3 + 1
    pred = np.roll(truth, rng.integers(-1, 2, 2), (0, 1)).astype(np.int32) * 2
    pred[rng.random(pred.shape) < 0.1] = 0
    if seed % 3 == 0:  # halves: ties at exactly 0.5
        pred[:, ::2][pred[:, ::2] > 0] += 1
    for threshold in (0.3, 0.5, 0.7):
        row = score(truth, pred, CHALLENGE.at(threshold))
        assert (row["n_true"], row["n_pred"], row["tp"]) == brute_force(truth, pred, threshold)


@pytest.mark.parametrize("block", [100, 60])  # a table of 9 x 9 ids fits into the first only
def test_overlaps_do_not_depend_on_the_block(monkeypatch, block):
    rng = np.random.default_rng(1)
    truth, pred = (rng.integers(0, 9, (50, 40)).repeat(3, 0) for _ in range(2))
    whole = matching.overlap_table(truth, pred)
    monkeypatch.setattr(matching, "BLOCK", block)
    monkeypatch.setattr(matching, "CACHE", 90)  # two rows at a time
    for a, b in zip(whole, matching.overlap_table(truth, pred), strict=True):
        np.testing.assert_array_equal(a, b)
    assert whole[2].sum() == truth.size


def test_large_ids_and_an_empty_pair():
    truth = np.zeros((20, 20), np.uint32)
    truth[5:10, 5:10] = 4_000_000
    assert score(truth, truth, CHALLENGE)["f1"] == 1
    nothing = np.zeros((20, 20), np.uint8)
    row = score(nothing, nothing, CHALLENGE)
    assert row["f1"] == 0 and row["foreground_dice"] == 1


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"\(4, 4\).*\(5, 5\)"):
        score(np.zeros((5, 5), int), np.zeros((4, 4), int), CHALLENGE)


@pytest.fixture
def pair(tmp_path):
    """Truth of three images, two predictions: one perfect, one empty."""
    truth, pred = tmp_path / "truth", tmp_path / "pred"
    truth.mkdir()
    pred.mkdir()
    labels = np.zeros((30, 30), np.uint16)
    labels[5:12, 5:12], labels[15:25, 15:25] = 1, 2
    for name in "abc":
        tifffile.imwrite(truth / f"{name}_label.tiff", labels)
    tifffile.imwrite(pred / "a_label.tiff", labels)
    tifffile.imwrite(pred / "b_label.tiff", np.zeros_like(labels))
    return pred, truth


def test_a_missing_prediction_counts_as_empty_and_is_named(pair):
    result = folders.evaluate(*pair)
    assert [r["f1"] for r in result["per_image"]] == [1, 0, 0]
    assert result["missing"] == ["c"]
    assert result["mean_f1"] == pytest.approx(1 / 3) and result["median_f1"] == 0


def test_modalities_come_from_the_manifest(pair):
    pred, truth = pair
    (truth.parent / "manifest.csv").write_text("name,modality\na,DIC\nb,DIC\nc,brightfield\n")
    assert folders.evaluate(pred, truth)["per_modality"] == {"DIC": 0.5, "brightfield": 0}


def test_the_command_prints_json(pair, capsys):
    assert cli.main(["evaluate", *map(str, pair), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"mean_f1", "median_f1", "per_image", "per_modality"} <= set(result)


@pytest.mark.parametrize("spoil", ["shape", "float", "nothing", "names"])
def test_the_command_refuses_in_one_sentence(pair, spoil, capsys):
    pred, truth = pair
    if spoil == "shape":
        tifffile.imwrite(pred / "a_label.tiff", np.zeros((9, 9), np.uint16))
    elif spoil == "float":
        tifffile.imwrite(pred / "a_label.tiff", np.zeros((30, 30), np.float32))
    elif spoil == "nothing":
        pred = pred / "absent"
    else:
        for path in pred.iterdir():
            path.rename(pred / f"x{path.name}")
    assert cli.main(["evaluate", str(pred), str(truth)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pred" in said
