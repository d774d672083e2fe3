"""Two runs beside each other: what differs, by how much, on which images."""

import dataclasses
import json

import numpy as np
import pytest

from twodints_lib import cli, files, plots
from twodints_lib.errors import InputError
from twodints_lib.reproduction import compare
from twodints_lib.runs import records
from twodints_lib.scoring.statistics import crossed_interval
from twodints_lib.space import topology
from twodints_lib.training import search

DICE, F1 = [0.5, 0.6, None, 0.8], [0.2, 0.9, 0.4, 0.4]


def record(folder, name, dice=DICE, f1=F1, slim=False, **more):
    """A run's folder with a record of four images."""
    rows = [
        {"name": f"i{k}", "modality": "DIC" if k % 2 else "brightfield", "dice": d, "f1": f}
        for k, (d, f) in enumerate(zip(dice, f1, strict=True))
    ]
    metrics = {"images": {r["name"]: [r["dice"], r["f1"]] for r in rows}} if slim else {}
    metrics = metrics or {"per_image": rows}
    found = {
        "preset": "laptop", "seed": 1, "data": "d", "data_hash": "h", "metrics": metrics,
        "parameters": {"spec": {"kind": "unet"}, "recipe": {"batch": 4, "epochs": 3}},
        "settings": {"patch": 64},
    } | more  # fmt: skip
    path = folder / name
    files.write_json(path / "record.json", found)
    files.write_json(path / "history.json", {"history": []})
    return path


def test_a_run_beside_itself(tmp_path):
    path = record(tmp_path, "a")
    found = compare.compare(path, path / "record.json")
    assert found["settings"] == [] and found["topology"] is None
    for score, images in (("Dice", 3), ("F1", 4)):
        f = found["images"][score]
        assert (f["won"], f["lost"], f["tied"]) == (0, 0, images)
        assert f["difference"] == (0, 0, 0) and not f["gains"] and not f["losses"]
    assert "nothing differs" in compare.text(found)


@pytest.mark.parametrize("slim", [False, True])
def test_scores_are_paired_by_image(tmp_path, slim):
    other = [0.4, 0.8, 0.4, 0.9]
    a, b = record(tmp_path, "a"), record(tmp_path, "b", f1=other, slim=slim, seed=2)
    found = compare.compare(a, b)
    f1 = found["images"]["F1"]
    assert (f1["won"], f1["lost"], f1["tied"]) == (2, 1, 1)
    assert f1["gains"] == [("i3", 0.5), ("i0", 0.2)] and [n for n, _ in f1["losses"]] == ["i1"]
    assert f1["difference"] == crossed_interval(np.subtract(other, F1))[:3]
    assert len(found["images"]["Dice"]["pairs"]) == 4
    assert found["images"]["Dice"]["tied"] == 3  # one image has no class to score
    assert found["settings"] == [("seed", 1, 2)]
    assert "no evidence" in compare.text(found)


def test_the_two_parts_of_dice_are_told_where_both_runs_keep_them(tmp_path):
    """The oldest records have Dice and F1 alone; of these the parts are left out, and no more."""
    parts = [[0.7, 0.3], [0.8, 0.4], [0.9, None]]
    kept = {f"i{k}": [0.5, 0.5 + k / 10, *some] for k, some in enumerate(parts)}
    slimmed = records.slim(
        {"metrics": {"per_image": [
            {"name": n} | dict(zip(records.SCORES, values, strict=True))
            for n, values in kept.items()
        ]}}
    )  # fmt: skip
    assert slimmed["metrics"]["images"] == kept
    new = [record(tmp_path, name, metrics={"images": kept}) for name in "ab"]
    old = record(tmp_path, "c", slim=True)
    told = compare.text(compare.compare(*new))
    assert "Dice of interior: A 0.800" in told and "Dice of boundary: A 0.350" in told
    assert "Dice of" not in compare.text(compare.compare(new[0], old))
    assert "over images alone" in told


def test_what_differs_is_told_with_its_dotted_name(tmp_path):
    parameters = {"spec": {"kind": "segresnet", "upsample": "deconv"}, "recipe": {"batch": 4}}
    a, b = record(tmp_path, "a"), record(tmp_path, "b", parameters=parameters)
    assert compare.compare(a, b)["settings"] == [
        ("parameters.spec.kind", "unet", "segresnet"),
        ("parameters.recipe.epochs", 3, "-"),
        ("parameters.spec.upsample", "-", "deconv"),
    ]


def test_a_clear_difference_is_called_one(tmp_path):
    a = record(tmp_path, "a", f1=[0.1, 0.2, 0.3, 0.2])
    b = record(tmp_path, "b", f1=[0.7, 0.8, 0.9, 0.7])
    assert "B better on these images" in compare.text(compare.compare(a, b))
    assert "A better on these images" in compare.text(compare.compare(b, a))


def test_topologies_are_counted_by_hand(tmp_path):
    code = topology.known_shape("full grid", 2, 2)
    other = {**code, "paths": [list(p) for p in code["paths"]]}
    other["operations"] = [list(o) for o in code["operations"]]
    other["paths"][0][0] = 0  # one switch; three paths of block one stay shared
    other["operations"][1][2] = 1 - other["operations"][1][2]

    def derived(name, found):
        parameters = {"spec": {"kind": "derived", "channel_mul": 0.1, "code": found}}
        return record(tmp_path, name, parameters=parameters)

    found = compare.compare(derived("a", code), derived("b", other))["topology"]
    assert found == {"paths": 1, "of": 8, "shared": 7, "operations": 1}
    larger = derived("c", topology.known_shape("full grid", 3, 2))
    assert compare.compare(tmp_path / "a", larger)["topology"] is None


def test_two_supernets_differ_by_their_decoded_topologies(tmp_path, capsys):
    spec = {"kind": "supernet", "channel_mul": 0.125, "num_blocks": 2, "num_depths": 2}
    folders = []
    for name, chosen in (("a", 0), ("b", 1)):
        path = record(tmp_path, name, parameters={"spec": spec})
        alphas = {"alpha_a": [[9.0] * 4] * 2, "alpha_c": [[[1.0 - chosen, chosen]] * 4] * 2}
        files.write_json(path / "history.json", {"history": [alphas]})
        folders.append(str(path))
    apart = compare.compare(*folders)["topology"]
    assert apart == {"paths": 0, "of": 8, "shared": 8, "operations": 8}
    assert cli.main(["diff", *folders]) == 0
    assert "8 operations on the 8 paths" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["data", "nothing", "no record", "no images", "broken"])
def test_what_cannot_be_compared_is_named(tmp_path, case, capsys):
    a, b = record(tmp_path, "a"), record(tmp_path, "b")
    path = b / "record.json"
    if case == "data":
        record(tmp_path, "b", data_hash="other")
    elif case == "nothing":
        path.unlink()
    elif case == "no record":
        path.write_text('{"seed": 1}')
    elif case == "no images":
        record(tmp_path, "b", metrics={"mean_f1": 0.5})
    else:
        path.write_text("{")
    assert cli.main(["diff", str(a), str(b)]) == 2
    told = capsys.readouterr().err
    assert str(path) in told and told.count("\n") == 1


def test_other_images_are_refused(tmp_path):
    a, b = record(tmp_path, "a"), record(tmp_path, "b")
    whole = files.read_json(b / "record.json")
    for row in whole["metrics"]["per_image"]:
        row["name"] += "x"
    files.write_json(b / "record.json", whole)
    with pytest.raises(InputError, match="shares no image"):
        compare.compare(a, b)


def test_the_command_and_its_json(tmp_path, capsys):
    a, b = record(tmp_path, "a"), record(tmp_path, "b", f1=[0.3, 0.9, 0.4, 0.4], seed=5)
    assert cli.main(["diff", str(a), str(b)]) == 0
    assert "B wins 1 images, loses 0, ties 3" in capsys.readouterr().out
    assert cli.main(["diff", str(a), str(b), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"]["F1"]["won"] == 1


def test_the_figure_has_one_dot_an_image(tmp_path):
    found = compare.compare(record(tmp_path, "a"), record(tmp_path, "b", seed=2))
    left, right = plots.difference(found).axes
    dots = np.concatenate(
        [line.get_xydata() for line in left.lines if line.get_marker() in "osD^v"]
    )
    assert sorted(map(tuple, dots)) == sorted((f, f) for f in F1)
    assert [t.get_text() for t in left.get_legend().get_texts()] == ["brightfield", "DIC"]
    assert "won 0, lost 0, tied 4" in {t.get_text() for t in right.texts}


def test_two_searches_are_laid_beside_each_other(tiny_setup, capsys):
    """Real runs of supernets, as a course leaves them."""
    folders = [
        search.search_supernet(dataclasses.replace(tiny_setup, seed=seed)) for seed in (1, 2)
    ]
    found = compare.compare(*folders)
    codes = [search.found_code(folder)["paths"] for folder in folders]
    assert found["topology"]["of"] == np.size(codes[0]) == 8
    assert ("seed", 1, 2) in found["settings"]
    assert cli.main(["diff", *map(str, folders)]) == 0
    assert "of 8 path switches differ" in capsys.readouterr().out
