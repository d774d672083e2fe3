"""What is in the store: listed, filtered, shown, deleted; broken and unfinished results too."""

import json
import os
import time

import pytest
from filelock import FileLock

from twodints_lib import cli, files
from twodints_lib.errors import InputError
from twodints_lib.runs import shelf


def result(home, name, seed=1, data="simulated", f1=0.5, indent=1):
    """A result as trainings leave it."""
    folder = home / "store" / name
    folder.mkdir(parents=True)
    rows = [
        {"name": "]", "modality": "DIC", "f1": f1, "cells": [[1, 2], [3]]},
        {"name": "b", "modality": "DIC", "f1": f1},
    ]
    record = {"preset": "laptop", "parameters": {"spec": {"kind": "unet"}}, "seed": seed}
    record |= {"data": data, "seconds": 90.0, "finished": "2026-01-02T03:04:05Z"}
    record |= {"metrics": {"mean_f1": f1, "per_image": rows, "epochs": 3}}
    files.write_json(folder / "record.json", record, indent)
    (folder / "best.pt").write_bytes(b"x" * 2**20)
    return folder


@pytest.fixture
def home(own_runs):
    """Three results, one unfinished, one broken."""
    result(own_runs, "unet-aaaaaaaaaaaa")
    result(own_runs, "unet-aabbbbbbbbbb", seed=2, f1=0.25)
    result(own_runs, "supernet-cccccccccccc", data="micro4", indent=None)
    (own_runs / "store" / "derived-dddddddddddd").mkdir()
    (own_runs / "store" / "derived-eeeeeeeeeeee").mkdir()
    (own_runs / "store" / "derived-eeeeeeeeeeee" / "record.json").write_text("{")
    return own_runs


def test_everything_is_listed_with_its_numbers(home, capsys):
    assert cli.main(["runs", "list"]) == 0
    head, *lines, total = capsys.readouterr().out.splitlines()
    assert head.split() == list(shelf.HEADER)
    cells = [line.split() for line in lines]
    one = "laptop simulated 2 0.250 1.5 1.0 2026-01-02 03:04"
    assert [c for c in cells if c[0].startswith("unet-aab")][0][2:] == one.split()
    states = {c[0].rpartition("-")[0][:4] + c[0][-1]: c[1] for c in cells}
    assert states == {
        "uneta": "finished", "unetb": "finished", "supec": "finished",
        "derid": "unfinished", "derie": "broken",
    }  # fmt: skip
    assert total == "5 results, 3 MiB"


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ([], 5), (["unet"], 2), (["unet", "seed=2"], 1), (["micro4"], 1), (["laptop"], 3),
        (["broken"], 1), (["unfinished"], 1), (["unet-aa"], 2), (["unet-aaaa"], 1),
        (["unet", "micro4"], 0), (["une"], 2), (["seed=22"], 0),
    ],
)  # fmt: skip
def test_words_choose(home, words, count):
    assert len(shelf.select(words)) == count


def test_old_ones_are_chosen_by_their_days(home):
    folder = home / "store" / "unet-aaaaaaaaaaaa"
    os.utime(folder, (time.time() - 3 * 86400,) * 2)
    assert [one.folder for one in shelf.select(older=2)] == [folder]
    assert not shelf.select(["micro4"], older=2)


def test_a_result_is_shown_by_how_its_name_begins(home, capsys):
    assert cli.main(["runs", "show", "supernet"]) == 0
    shown = capsys.readouterr().out
    assert "parameters.spec.kind" in shown and "metrics.mean_f1" in shown
    assert "per_image" not in shown


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["show", "unet"], "2 results begin so"),
        (["show", "nothing"], "no result begins so"),
        (["show", "derived-e"], "not valid JSON"),
        (["show", "derived-d"], "no such record"),
        (["delete"], "say which"),
        (["delete", "nothing", "--yes"], "no result is meant"),
    ],
)
def test_what_is_not_there_gets_a_sentence(home, capsys, words, part):
    assert cli.main(["runs", *words]) == 2
    said = capsys.readouterr().err
    assert part in said and said.count("\n") == 1


def test_nothing_goes_without_a_yes_and_with_it_only_what_is_meant(home, capsys):
    assert cli.main(["runs", "delete", "unet"]) == 0
    assert "--yes" in capsys.readouterr().out and len(shelf.select()) == 5
    assert cli.main(["runs", "delete", "unet", "--yes"]) == 0
    assert capsys.readouterr().out == "2 results deleted, 2 MiB\n"
    left = {one.name for one in shelf.select()}
    assert left == {
        "supernet-cccccccccccc", "derived-dddddddddddd", "derived-eeeeeeeeeeee"
    }  # fmt: skip


def test_a_result_that_is_being_trained_stays(home):
    folder = home / "store" / "unet-aaaaaaaaaaaa"
    with FileLock(folder / ".lock"), pytest.raises(InputError, match="is being trained"):
        shelf.delete(shelf.select(["unet-aaaa"]))
    assert json.loads((folder / "record.json").read_text())["seed"] == 1


def test_two_of_the_store_are_laid_beside_each_other_by_name(home, capsys):
    for name, row in (("unet-aaaaaaaaaaaa", 0.1), ("unet-aabbbbbbbbbb", 0.2)):
        files.write_json(home / "store" / name / "history.json", {"history": [{"loss": row}]})
    assert cli.main(["diff", "unet-aaaa", "unet-aabb"]) == 0
    assert "seed" in capsys.readouterr().out
    assert cli.main(["diff", "unet-aaaa", "no-such"]) == 2


def test_an_empty_store_is_said(own_runs, capsys):
    assert cli.main(["runs", "list"]) == 0
    assert capsys.readouterr().out.endswith("0 results, 0 MiB\n")
