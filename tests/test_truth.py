"""The table of truth: kept whole, asked by code, seed and length, refused with a sentence."""

from dataclasses import replace

import numpy as np
import pytest

from twodints_lib import truth
from twodints_lib.errors import InputError
from twodints_lib.space import topology


def test_a_saved_table_is_the_same(truth_table, tmp_path):
    truth.save(replace(truth_table, made={"commit": "abc"}), tmp_path)
    found = truth.load("cells-99", tmp_path)
    assert truth.names(tmp_path) == ["cells-99"]
    assert found.codes == truth_table.codes and found.made["commit"] == "abc"
    assert (found.seeds, found.epochs) == (truth_table.seeds, truth_table.epochs)
    for told, kept in ((found.scores, truth_table.scores), (found.costs, truth_table.costs)):
        assert list(told) == list(kept)
        assert all((told[k] == kept[k]).all() for k in told)
    assert np.allclose(found.seconds, truth_table.seconds)


def test_a_query_is_the_array(truth_table):
    code = truth_table.codes[42]
    f1 = truth_table.scores["f1"][42]
    assert truth_table.place(code) == 42
    assert truth_table.query(code, seed=3, epochs=12)["f1"] == pytest.approx(f1[2, 1])
    assert truth_table.query(code)["f1"] == pytest.approx(f1[:, 2].mean())
    assert truth_table.query(code)["f1"] == pytest.approx(truth_table.truth("f1")[42])
    assert truth_table.query(code)["macs"] == truth_table.costs["macs"][42]
    assert truth_table.query(code, epochs=6)["seconds"] < truth_table.query(code)["seconds"]


def test_the_best_network_has_rank_one(truth_table):
    order = truth_table.truth("f1").argsort()[::-1]
    ranks = [truth_table.rank(truth_table.codes[i], "f1") for i in order[:5]]
    assert ranks == [1, 2, 3, 4, 5]


def test_operations_of_paths_that_are_off_do_not_count(truth_table):
    code = truth_table.codes[0]
    other = np.where(np.array(code["paths"]) == 1, 1, 0)
    assert truth_table.place(topology.as_code(code["paths"], other, code["names"])) == 0
    skips = topology.as_code(code["paths"], 0 * other, code["names"])
    with pytest.raises(InputError, match="convolving"):
        truth_table.place(skips)
    assert truth_table.place(truth.convolving(skips)) == 0


@pytest.mark.parametrize(
    "ask, word",
    [
        (lambda t: t.query(topology.every_code(1, 2)[0]), "none of the 99"),
        (lambda t: t.query(topology.known_shape("full grid", 2, 3)), "none of the 99"),
        (lambda t: t.query(t.codes[0], seed=9), "seed=9"),
        (lambda t: t.query(t.codes[0], epochs=7), "epochs=7.* 6, 12, 24"),
        (lambda t: t.truth("dice"), "'dice'.* f1_best"),
        (lambda t: replace(t, seconds=t.seconds[1:]), "'seconds'"),
        (lambda t: replace(t, epochs=(24, 12, 6)), "epochs"),
        (lambda t: replace(t, scores={"f1": t.scores["f1"] * np.nan}), "'f1'"),
    ],
)
def test_what_a_table_lacks_is_told(truth_table, ask, word):
    with pytest.raises(InputError, match=word):
        ask(truth_table)


def test_a_wrong_name_or_file_is_told(truth_table, tmp_path):
    truth.save(truth_table, tmp_path)
    with pytest.raises(InputError, match="there are cells-99"):
        truth.load("cells-98", tmp_path)
    whole = (tmp_path / "cells-99.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("no table")
    np.savez(tmp_path / "other.npz", weights=np.ones(3))
    for name in ("half", "text", "other"):
        with pytest.raises(InputError, match=f"{name}.npz"):
            truth.load(name, tmp_path)
