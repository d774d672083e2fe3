"""What `twodints table truth`, `searches` and `proxies` print, with and without records."""

import json

import numpy as np
import pytest
from conftest import made_up_table

from twodints_lib import cli, files, plots, truth
from twodints_lib.errors import InputError
from twodints_lib.truth import ranking, regret, report, searches


@pytest.fixture
def folder(tmp_path):
    """Two tables, and records of the first one's searches and proxies."""
    for name, blocks in (("cells-99", 2), ("cells-711", 3)):
        truth.save(made_up_table(name, blocks), tmp_path)
    table = truth.load("cells-99", tmp_path)
    found = regret.measure(table, ("random search", "successive halving"), repeats=10)
    files.write_json(regret.path_of("cells-99", tmp_path), found)
    said = {"scores": {"SynFlow": np.arange(99.0).tolist()}, "digest": table.made["digest"]}
    files.write_json(ranking.path_of("cells-99", tmp_path), said)
    return tmp_path


def test_each_table_is_told_with_its_reliability(folder):
    header, rows = report.truth(folder)
    assert [row[:4] for row in rows] == [
        ("cells-711", 711, 5, "6, 12, 24"),
        ("cells-99", 99, 5, "6, 12, 24"),
    ]
    best = dict(zip(header, rows[1], strict=True))["F1, best decoder"]
    found = truth.reliability.reliability(truth.load("cells-99", folder), "f1_best")
    assert best == str(found.of_mean()) and "[" in best
    header, rows = report.details("cells-99", folder)
    assert len(rows) == 18 and all(len(row) == len(header) for row in rows)


def test_searches_and_proxies_are_told(folder):
    header, rows = report.searches(folder)
    assert [row[1] for row in rows[1:]] == ["random search", "successive halving"]
    header, rows = report.proxies(folder)
    assert {row[1] for row in rows[1:]} == {"SynFlow", "parameters", "multiply-accumulates"}


def test_records_of_another_table_are_refused(folder):
    truth.save(made_up_table(noise=0.1), folder)
    for make, word in (
        (report.searches, "searches cells-99"),
        (report.proxies, "proxies cells-99"),
    ):
        with pytest.raises(InputError, match=f"another table.*truth {word}"):
            make(folder)


def test_without_records_one_sentence_tells_what_to_do(tmp_path, folder):
    for make in report.TABLES.values():
        with pytest.raises(InputError, match="make table-of-truth"):
            make(tmp_path / "nothing")
    for path in folder.glob("*-99-*.json"):
        path.unlink()
    for what in ("searches", "proxies"):
        with pytest.raises(InputError, match=f"twodints truth {what} NAME"):
            report.TABLES[what](folder)


def test_regret_curves_are_drawn_in_bands(folder):
    record = json.loads(regret.path_of("cells-99", folder).read_text())
    ax = plots.spreads(regret.bands(record), "trainings", "regret").axes[0]
    assert len(ax.lines) == len(ax.collections) == 2
    assert (
        ax.lines[0].get_ydata().tolist() == record["searches"]["random search"]["queries"]["median"]
    )


def test_the_command_keeps_a_record_of_searches(folder, monkeypatch, capsys):
    pytest.importorskip("optuna")
    monkeypatch.setattr(regret, "REPEATS", 2)
    monkeypatch.setattr(regret.keep, "__defaults__", (folder,))
    monkeypatch.setattr(regret.measure, "__defaults__", (tuple(searches.SEARCHES), "f1", 2, 12))
    assert cli.main(["truth", "searches", "cells-711"]) == 0
    record = files.read_json(regret.path_of("cells-711", folder))
    assert list(record["searches"]) == list(searches.SEARCHES) and record["hardware"]["cores"]
    assert cli.main(["truth", "searches", "cells-712"]) == 2
    assert "cells-711" in capsys.readouterr().err
