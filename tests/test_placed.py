"""The study placed: searches in a table's space, and the places of what they find."""

import re
from dataclasses import replace

import numpy as np
import pytest

from twodints_lib.files import ROOT
from twodints_lib.reproduction import placed, placed_table, results, study
from twodints_lib.runs import records
from twodints_lib.truth import load
from twodints_lib.truth.searches import SCORE


@pytest.fixture(scope="module")
def table():
    return load(placed.TABLE)


def fake(table, numbers, share=0.5):
    """A study of one search that found these networks, by seed."""
    job = {"plan": {"mode": "dints"}, "shares": [share]}
    made = {"job": job, "table": table.name, "search_seconds": 2.0}
    return {
        f"dints-seed-{seed}": made | {"found": [table.codes[number]]}
        for seed, number in enumerate(numbers, 1)
    }


def test_the_place_is_the_tables_and_the_gain_is_over_networks_of_its_cost(table):
    best = int(table.truth(SCORE).argmax())
    (row,) = placed_table.rows(fake(table, [best] * 3))
    assert row[:5] == ("dints", "50%", 3, "1 of 99", "1, 1")
    used = placed_table.memory(table.name)
    gain = placed_table.gain(table, [table.codes[best]] * 3, used)
    alike = abs(used / used[best] - 1) <= 0.1
    assert alike.sum() > 1
    scores = table.truth(SCORE)
    assert gain.mean == pytest.approx(scores[best] - scores[alike].mean())
    assert gain.low < gain.mean < gain.high and gain.seeds == 3


def test_random_codes_earn_nothing_over_random_codes(table):
    """A search that draws at random: intervals over 5 searches hold zero in 9 of 10 trials."""
    rng, used = np.random.default_rng(0), placed_table.memory(table.name)
    drawn = (rng.integers(0, len(table), 5) for _ in range(100))
    gains = [placed_table.gain(table, [table.codes[i] for i in some], used) for some in drawn]
    assert sum(g.low <= 0 <= g.high for g in gains) >= 90


def test_the_records_are_of_the_table_that_is_here(table):
    kept = results.load_study("placed")
    assert {record["job"]["plan"]["mode"] for record in kept.values()} >= {"dints", "paper"}
    for record in kept.values():
        assert record["data_hash"] == table.made["data_hash"]
    used = placed_table.memory(table.name)
    for (name, share), some in placed_table.found_by(kept).items():
        assert all(used[table.place(code)] <= share for _, code in some), name


def test_the_page_counts_the_intervals_as_the_table_does():
    told = (ROOT / "docs" / "searches.md").read_text()
    rows = placed_table.rows(results.load_study("placed"))
    low, high = (
        [[float(re.findall(r"[-+][0-9.]+", row[c])[k]) for row in rows] for c in (6, 7)]
        for k in (1, 2)
    )
    above = [sum(x > 0 for x in column) for column in low]
    assert (
        f"Of {len(rows)} over random codes of the same memory {above[0]} lie above zero, and none "
        f"below; of those over the same parameters {above[1]} do, and none below."
    ) in told
    assert not any(x < 0 for column in high for x in column)
    best = [row[:2] for row in rows if float(row[3].split()[0]) <= 5]
    assert best == [("dints", "none")]
    assert all(x <= 0 for row, x in zip(rows, low[0], strict=True) if row[1] == "35%")


def test_a_search_leaves_codes_of_the_table_within_each_budget(table, monkeypatch, tmp_path):
    monkeypatch.setattr(placed, "SCALE", placed.SCALE | {"search_epochs": 2, "patch": 16})
    monkeypatch.setattr(placed, "STEPS", 2)
    quick = replace(placed.PROTOCOL, drawn=2, patch=16)
    monkeypatch.setattr(placed, "PROTOCOL", quick)
    some = placed._samples()[::8]
    monkeypatch.setattr(placed, "_samples", lambda: some)
    monkeypatch.setattr(records, "STUDIES", tmp_path)
    placed._drawn.cache_clear()
    try:
        study.run("simulated", ["placed"], [1])
    finally:
        placed._drawn.cache_clear()
    found, used = results.load_study("placed"), placed_table.memory(table.name)
    assert len(found) == len(placed.variants(study.PLANS))
    for (name, share), some in placed_table.found_by(found).items():
        assert used[table.place(some[0][1])] <= share, name
    assert {name for name, _ in placed_table.found_by(found)} == {
        *map(study._plain, study.PLANS),
        "shrinking",
    }
