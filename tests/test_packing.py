"""Results for a class: packed, unpacked where they are then found, refused where they are not
what was packed; and a class's seeds pooled into one table."""

import csv
import dataclasses
import json
import pickle
import shutil
import zipfile

import pytest

from twodints_lib import cli, files
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.reproduction import pooling
from twodints_lib.runs import packing, settings, store
from twodints_lib.runs.setup import Setup
from twodints_lib.scoring.statistics import crossed_interval
from twodints_lib.space.specs import UNetSpec
from twodints_lib.training import loop


@pytest.fixture(scope="module")
def trained(tiny_folder, tmp_path_factory):
    """A network as a notebook would train it with the settings of tiny_setup; its folder."""
    preset = settings.load("smoke", patch=32, num_blocks=2, num_depths=2, batch=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWODINTS_RUNS", str(tmp_path_factory.mktemp("trained")))
        return loop.train_network(Setup(preset, open_data(tiny_folder), 7), UNetSpec(), 1)


@pytest.fixture
def course(trained, tiny_setup, own_runs):
    """A course run of two notebooks; the second took a network."""
    run = shutil.copytree(trained, own_runs / "store" / trained.name)
    folder = own_runs / "course-smoke-tiny"
    took = [
        {"notebook": "00_start_here", "runs": []},
        {"notebook": "03_baselines", "runs": [run.name]},
    ]
    record = {"notebooks": took, "finished": "2026-01-02T00:00:00Z"}
    files.write_json(folder / "course.json", record)
    older = {"notebooks": took[:1], "finished": "2026-01-01T00:00:00Z"}
    files.write_json(own_runs / "course-other" / "run-00.json", older)
    return run


def elsewhere(tmp_path, monkeypatch):
    """From now on runs are kept in an empty folder."""
    monkeypatch.setenv("TWODINTS_RUNS", str(tmp_path / "elsewhere"))
    return tmp_path / "elsewhere" / "store"


def test_what_is_unpacked_is_found_and_not_trained_again(
    course, tiny_setup, tmp_path, monkeypatch, said
):
    target = tmp_path / "class.zip"
    assert cli.main(["runs", "pack", str(target), "--notebooks", "baselines"]) == 0
    home = elsewhere(tmp_path, monkeypatch)
    assert cli.main(["runs", "unpack", str(target)]) == 0
    assert sorted(p.name for p in (home / course.name).iterdir()) == sorted(packing.FILES)
    assert loop.train_network(tiny_setup, UNetSpec(), 1) == home / course.name
    assert f"{course.name}: found, trained before" in said
    assert [p.name for p in home.iterdir()] == [course.name]


def test_nothing_is_overwritten(course, tmp_path, monkeypatch, said):
    target = packing.pack(tmp_path / "class.zip")
    with pytest.raises(InputError, match="new file"):
        packing.pack(target)
    home = elsewhere(tmp_path, monkeypatch)
    (home / course.name).mkdir(parents=True)
    (home / course.name / "mine").write_text("precious")
    assert packing.unpack(target) == []
    assert [p.name for p in (home / course.name).iterdir()] == ["mine"]
    assert f"{course.name}: is there already" in said


def test_what_cannot_be_packed(course, own_runs, tmp_path, capsys):
    calls = {
        "--notebooks search": "which has 00_start_here, 03_baselines",
        "--notebooks start": "trained nothing",
        f"--from {tmp_path}": "no course run",
        f"--from {own_runs / 'course-other'}": "trained nothing",
    }
    for words, told in calls.items():
        assert cli.main(["runs", "pack", str(tmp_path / "a.zip"), *words.split()]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()


def test_results_of_other_code_are_refused_in_a_sentence(course, tmp_path, monkeypatch, capsys):
    target = packing.pack(tmp_path / "class.zip")
    home = elsewhere(tmp_path, monkeypatch)
    monkeypatch.setattr(store, "key", lambda inputs: "0" * 12)
    assert cli.main(["runs", "unpack", str(target)]) == 2
    said = capsys.readouterr().err
    assert "other code (commit" in said and "Python" in said and said.count("\n") == 1
    assert not list(home.iterdir())


def changed(target, path, content):
    """A copy of a pack with one file that holds something else."""
    other = target.with_name("changed.zip")
    with zipfile.ZipFile(target) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith(path) else old.read(name))
        if path not in "".join(old.namelist()):
            new.writestr(path, content)
    return other


class Evil:
    """Does something when it is read by plain pickle."""

    def __reduce__(self):
        return (open, ("evil", "w"))


@pytest.mark.parametrize(
    ("path", "content", "word"),
    [("best.pt", b"other", "not what was packed"), ("history.json", b"{}", "not what was packed"),
     ("../../escape.txt", b"out", "no pack"), ("pack.json", b"no", "no pack"),
     ("pack.json", b'{"runs": {"../../escape": {}}}', "no pack"), ("more.py", b"1", "no pack")],
)  # fmt: skip
def test_a_changed_pack_is_refused_and_leaves_nothing(
    path, content, word, course, tmp_path, monkeypatch
):
    target = packing.pack(tmp_path / "class.zip")
    home = elsewhere(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=word):
        packing.unpack(changed(target, path, content))
    assert not list(home.iterdir()) and not list(tmp_path.glob("**/escape*"))


def test_weights_that_are_code_are_refused(course, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (course / "best.pt").write_bytes(pickle.dumps(Evil()))
    target = packing.pack(tmp_path / "class.zip")
    home = elsewhere(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="something else than weights"):
        packing.unpack(target)
    assert not list(home.iterdir()) and not (tmp_path / "evil").exists()


def test_a_file_that_is_no_zip(tmp_path, own_runs):
    (tmp_path / "a.zip").write_text("no")
    for name, word in (("a.zip", "as a zip"), ("b.zip", "no such file")):
        with pytest.raises(InputError, match=word):
            packing.unpack(tmp_path / name)


def handed_in(folder, person, seed, scores, kind="unet", **more):
    """A person's record of two images."""
    spec = {"kind": kind} | ({"upsample": "deconv"} if kind == "segresnet" else {})
    rows = [{"name": f"i{k}", "f1": s, "dice": None} for k, s in enumerate(scores)]
    mean = sum(scores) / len(scores)
    metrics = {"per_image": rows, "network_parameters": 9, "epochs": 3, "mean_dice": None}
    metrics |= {"mean_f1": mean, "modality_mean_f1": mean}
    record = {"preset": "laptop", "is_result": True, "data": "d", "data_hash": "h", "seed": seed}
    record |= {"seconds": 1.0, "parameters": {"spec": spec, "recipe": {"epochs": 3}}}
    record |= {"metrics": metrics}
    files.write_json(folder / person / kind / "record.json", record | more)


def test_seeds_are_pooled_and_compared_in_pairs(tmp_path, said, capsys):
    folder, table = tmp_path / "class", tmp_path / "pooled.csv"
    fixed, other = [[0.5, 0.6], [0.4, 0.7], [0.6, 0.6]], [[0.6, 0.7], [0.6, 0.7], [0.7, 0.8]]
    for seed, person in enumerate(("ada", "bob", "eve")):
        handed_in(folder, person, seed, fixed[seed])
        handed_in(folder, person, seed, other[seed], "segresnet")
    handed_in(folder, "kim", 3, [0.1, 0.1], data_hash="else")
    (folder / "lee.json").write_text('{"metrics": 3}')
    assert cli.main(["runs", "pool", str(folder), "--csv", str(table)]) == 0
    told = capsys.readouterr().out
    apart = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(other, fixed, strict=True)]
    assert str(crossed_interval(apart)) in told and "1 of other presets or data" in told
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["person"], r["seed"]) for r in rows if r["network"] == "UNet"] == [
        ("ada", "0"), ("bob", "1"), ("eve", "2"), ("kim", "3"),
    ]  # fmt: skip
    assert {r["person"] for r in rows if r["counted"] != "yes"} == {"kim"}
    assert any("lee.json" in line for line in said)


def test_packs_are_pooled_without_being_unpacked(course, tiny_setup, tmp_path, own_runs):
    folder = tmp_path / "class"
    folder.mkdir()
    packing.pack(folder / "ada.zip")
    shutil.rmtree(own_runs / "course-smoke-tiny")
    other = dataclasses.replace(tiny_setup, seed=8)
    record = files.read_json(course / "record.json") | {"seed": 8}
    inputs = record["parameters"] | {"data": other.dataset.hash, "seed": 8}
    run = shutil.copytree(course, store.folder("unet", inputs), dirs_exist_ok=True)
    files.write_json(run / "record.json", record)
    took = {"notebooks": [{"notebook": "03_baselines", "runs": [run.name]}], "finished": "2026"}
    files.write_json(own_runs / "course-b" / "course.json", took)
    packing.pack(folder / "bob.zip", own_runs / "course-b")
    told = pooling.pool(folder, tmp_path / "pooled.csv")
    (line,) = [x for x in told.splitlines() if x.startswith("UNet")]
    assert line.split()[3:5] == ["2", "2"] and "no result" in told


def test_what_cannot_be_pooled(tmp_path):
    (tmp_path / "old.csv").write_text(json.dumps("precious"))
    with pytest.raises(InputError, match="holds no result"):
        pooling.pool(tmp_path, tmp_path / "new.csv")
    with pytest.raises(InputError, match="new file"):
        pooling.pool(tmp_path, tmp_path / "old.csv")
