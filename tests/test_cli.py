"""The command line: what it prints, and the exit codes that scripts rely on."""

import json

import pytest

from twodints_lib import cli
from twodints_lib.errors import InputError
from twodints_lib.runs import report


def test_data_list_names_every_set(capsys):
    assert cli.main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("simulated", "micro4", "neurips2022", "folder"))
    assert "CC BY-NC-ND" in printed


def test_verify_fails_with_1_where_nothing_can_be_verified(tiny_folder, capsys):
    assert cli.main(["data", "verify", str(tiny_folder)]) == 1
    assert str(tiny_folder) in capsys.readouterr().out


@pytest.mark.parametrize(
    "args",
    [["data", "fetch", "imagenet"], ["data", "make", "micro4"], ["data", "make", "folder"]],
    ids=" ".join,
)
def test_what_cannot_be_had_is_one_sentence_and_2(args, capsys):
    assert cli.main(args) == 2
    said = capsys.readouterr().err
    assert args[-1] in said and said.count("\n") == 1


def test_cells_are_measured_and_saved_as_a_record(tiny_folder, tmp_path, capsys):
    target = tmp_path / "cells.json"
    args = ["table", "cells", "--data", str(tiny_folder), "--save", str(target)]
    assert cli.main(args) == 0
    assert "fluorescence" in capsys.readouterr().out
    record = json.loads(target.read_text())
    assert record["metrics"]["brightfield"]["images"] == 6 and record["data_hash"]
    assert report.cell_rows(record["metrics"])[0][1] == 6


def test_the_preset_table_is_markdown(capsys):
    assert cli.main(["table", "presets"]) == 0
    assert capsys.readouterr().out.startswith("| preset | data |")


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [(InputError("a.png: is broken; mend it."), 2, "a.png"), (KeyboardInterrupt(), 130, "goes on")],
)
def test_errors_become_a_line_and_a_code(monkeypatch, capsys, error, code, word):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("twodints_lib.exchange.segment_and_export", fail)
    assert cli.main(["segment", "a.png", "-o", "out"]) == code
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("twodints_lib.exchange.segment_and_export", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["segment", "a.png", "-o", "out"])
