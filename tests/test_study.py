"""Studies: jobs that run once and are held to their settings; tables read from records alone."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from twodints_lib import cli
from twodints_lib.data.dataset import Dataset, Item
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.reproduction import front, results, study, tiny, verdicts
from twodints_lib.runs import records, settings
from twodints_lib.runs.setup import Setup, begin
from twodints_lib.space import cost, networks, topology
from twodints_lib.training import patches, search, ways


@pytest.fixture
def small_study(monkeypatch, tmp_path, own_runs):
    size = {"patch": 32, "num_blocks": 2, "num_depths": 2, "images": 2, "derived_epochs": 1}
    size |= {"search_epochs": 2, "val_start": 1, "channel_mul": 0.0625}
    monkeypatch.setattr(study, "SCALE", study.SCALE | size)
    small = tiny.SCALE | {"images": 2, "derived_epochs": 1, "search_epochs": 2, "val_start": 2}
    monkeypatch.setattr(tiny, "SCALE", small | {"channel_mul": 0.0625})
    monkeypatch.setattr(records, "STUDIES", tmp_path / "records")
    return tmp_path / "records"


def test_the_study_runs_each_job_once_and_its_tables_read_records(
    small_study, tiny_folder, monkeypatch, said
):
    monkeypatch.setattr(study, "CONTROLS", ("random 1", "random 2", "fixed: unet"))
    monkeypatch.setattr(study, "MATCHED", 1)
    monkeypatch.setattr(study, "PLANS", {n: study.PLANS[n] for n in ("paper", "sampled")})
    study.run(str(tiny_folder), ["controls"], [1])
    place = f"controls-{tiny_folder.name}"  # never among another data set's records
    jobs = [line for line in said if line.startswith(f"{place}: ")]
    assert not results.load_study("controls")
    assert len(jobs) == 7 == len(list((small_study / place).glob("*.json")))
    said.clear()
    study.run(str(tiny_folder), ["controls"], [1])
    assert not said
    found = results.load_study("controls", tiny_folder.name)
    rows = results.control_rows(found)
    assert {r[0] for r in rows} == {*results.by_variant(found)} and len(rows) == 6
    gains = verdicts.differences(found, "searched-paper")
    assert {r[0] for r in gains} == {"random codes", "fixed-unet", "random, size of paper"}
    assert all(r[-1] == "one seed: no verdict" for r in gains)
    again = {f"{job[:-1]}2": r | {"seed": 2} for job, r in found.items()}
    both = verdicts.differences(found | again, "searched-paper")
    assert all("search" in r[-1] for r in both)
    summary = [r for r in verdicts.verdict_rows(found | again) if r[1] == "all controls"]
    assert len(summary) == 2 and summary[0][2].endswith("of 3")
    assert len(results.three_rows(found)) == 2
    interior, boundary = (results.CONTROL_HEADER.index(f"of {p}") for p in ("interior", "boundary"))
    for row in rows:  # new records keep the two parts of class Dice apart
        assert abs(float(row[interior]) + float(row[boundary]) - 2 * float(row[2])) < 0.15, row
    for plan in study.PLANS:
        sizes = found[f"matched-{plan}-1-seed-1"]["macs"]
        assert abs(sizes["has"] / sizes["wanted"] - 1) <= study.WITHIN
        for key, job in (("has", f"matched-{plan}-1"), ("wanted", f"searched-{plan}")):
            code = found[f"{job}-seed-1"]["parameters"]["spec"]["code"]
            net = networks.derived_network(code, study.SCALE["channel_mul"])
            assert cost.multiply_accumulates(net, study.SCALE["patch"]) == sizes[key]
    assert "seeds 1" in results.caption(found)
    with pytest.raises(InputError, match="nothing"):
        study.run(str(tiny_folder), ["nothing"])
    with pytest.raises(InputError, match="nowhere"):
        study.run("nowhere", ["controls"], [1])


def test_a_code_to_match_has_to_be_there(small_study, tiny_folder):
    setup = begin("laptop", str(tiny_folder), 1, **study.SCALE)
    with pytest.raises(InputError, match="searched-paper-seed-1.json: is missing.*make study"):
        study.matched_job(setup, "searched-paper", 1)


def test_codes_of_one_size_stand_beside_the_search_that_has_it():
    jobs = ("searched-dints", "matched-dints-1", "matched-dints-2", "matched-paper-1", "random-2")
    images = {f"i{k}": [0.5, 0.5] for k in range(3)}
    records = {
        f"{job}-seed-{s}": {"seed": s, "metrics": {"images": images}}
        for job in jobs
        for s in (1, 2)
    }
    rows = verdicts.differences(records, "searched-dints", "f1")
    assert [r[0] for r in rows] == ["random codes", "random, size of dints"]
    assert len(results.by_variant(records)["random, size of dints"]) == 4


def test_without_a_control_no_search_has_helped():
    study = {j: r for j, r in results.load_study("controls").items() if j.startswith("searched")}
    words = {word for row in verdicts.verdict_rows(study) for word in (row[3], row[5])}
    assert words == {"no evidence that search helped"}


def test_a_search_for_all_modalities_beside_one_for_each(small_study, tiny_folder):
    study.run(str(tiny_folder), ["modalities"], [1])
    found = results.load_study("modalities", tiny_folder.name)
    rows = verdicts.modality_rows(found)
    assert [r[0] for r in rows] == ["brightfield", "fluorescence"]


def test_a_front_of_score_against_cost(small_study, tiny_folder, monkeypatch, capsys):
    variants = front.variants
    few = {"SHARES": (0.6,), "RANDOM": 1, "WIDTHS": (2,)}
    few["variants"] = lambda plans: variants({"paper": plans["paper"]})
    for name, value in few.items():
        monkeypatch.setattr(front, name, value)
    monkeypatch.setattr(topology, "SHAPES", ("straight",))
    assert cli.main(["table", "front"]) == 0
    assert capsys.readouterr().out == "no record yet: twodints study --only front\n"
    study.run(str(tiny_folder), ["front"], [1])
    found = results.load_study("front", tiny_folder.name)
    assert len(found) == 4
    setup = begin("laptop", str(tiny_folder), 1, **study.SCALE)
    table = front.macs_table(setup)
    for job in ("searched-paper-0.6-seed-1", "matched-0.6-1-seed-1", "fixed-straight-seed-1"):
        assert found[job]["macs"] == table.of(found[job]["parameters"]["spec"]["code"])
    assert found["searched-paper-0.6-seed-1"]["macs"] <= 0.6 * table.full
    assert 0.57 <= found["matched-0.6-1-seed-1"]["macs"] / table.full <= 0.6
    assert found["unet-2-seed-1"]["parameters"]["spec"] == {"kind": "unet", "width": 2}
    again = {f"{job[:-1]}2": r | {"seed": 2} for job, r in found.items()}
    rows = verdicts.front_rows(found | again)
    macs = [float(row[2].split()[0]) for row in rows]
    assert len(rows) == 4 and macs == sorted(macs)
    told = {row[0]: row[-1] for row in rows}
    assert told.pop("searched-paper-0.6") and not any(told.values())
    assert cli.main(["table", "front", "--data", tiny_folder.name]) == 0
    assert "| searched-paper-0.6 | 1 |" in capsys.readouterr().out


@pytest.fixture
def few_codes(monkeypatch):
    """The tiny space with four of its networks, the last of which every decode gives."""
    every = topology.every_code
    chosen = every(2, 2)[-99::33] + every(2, 2)[-1:]
    monkeypatch.setattr(topology, "every_code", lambda *a: chosen)
    monkeypatch.setattr(topology, "decode", lambda *a: chosen[-1])
    return chosen


def test_the_tiny_space_is_trained_and_searched(small_study, tiny_folder, few_codes, monkeypatch):
    study.run(str(tiny_folder), ["tiny"], [1])
    found = results.load_study("tiny", tiny_folder.name)
    assert len(found["table-seed-1"]["networks"]) == len(few_codes) == 4
    assert results.tiny_lines(found)[0].startswith("4 networks trained 1 times, for ")
    assert {len(r["inherited"]) for r in found.values() if "found" in r} == {4}
    assert all({"commit", "data_hash", "hardware", "seed"} <= set(r) for r in found.values())
    assert results.tiny_points(found)
    assert results.tiny_lines({}) == ["no record yet: make study"]


def test_a_network_of_the_table_is_trained_as_any_other(small_study, tiny_folder, few_codes):
    setup = begin("laptop", str(tiny_folder), 1, **tiny.SCALE | {"derived_epochs": 3})
    row = tiny.table(setup)[2]
    folder = search.train_code(setup, few_codes[2])
    net, _ = predict.load_network(folder)
    val = patches.load_samples(setup.val())
    assert row["mean_dice"] == predict.mean_dice(net, val, tiny.WINDOW)
    assert row["network_parameters"] == networks.count_parameters(net)


def test_an_interrupted_table_goes_on(small_study, tiny_folder, few_codes, monkeypatch):
    setup = begin("laptop", str(tiny_folder), 1, **tiny.SCALE)
    mean_dice, scored = predict.mean_dice, []

    def interrupted(*args):
        if len(scored) == 2:
            scored.append(None)
            raise KeyboardInterrupt
        scored.append(mean_dice(*args))
        return scored[-1]

    monkeypatch.setattr(predict, "mean_dice", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny.table(setup)
    rows = tiny.table(setup)
    assert [r["mean_dice"] for r in rows] == [d for d in scored if d is not None]
    assert len(scored) == 5 and len(rows) == 4


def test_a_table_says_how_well_it_ranks():
    truth = np.linspace(0.4, 0.7, 99)

    def records(noise):
        rng = np.random.default_rng(0)
        dice = [truth + noise * rng.normal(size=99) for _ in range(5)]
        tables = {
            f"table-seed-{s}": {
                "networks": [{"mean_dice": d, "training_seconds": 2.0} for d in row]
            }
            for s, row in enumerate(dice, 1)
        }
        found = {"found": 98, "untouched": 0, "inherited": truth.tolist()}
        return tables | {"paper-seed-1": found}

    sure, unsure = (results.tiny_lines(records(noise)) for noise in (0.02, 2.0))
    assert not any("does not rank" in line for line in sure)
    assert "found rank 1 of 99" in sure[-1] or "found rank 2 of 99" in sure[-1]
    assert any("does not rank" in line for line in unsure)


def test_searches_for_cells_and_for_classes_side_by_side(small_study, tiny_folder, monkeypatch):
    monkeypatch.setattr(study, "INSTANCES", study.SCALE | {"val_every": 1})
    study.run(str(tiny_folder), ["instances"], [1])
    found = results.load_study("instances", tiny_folder.name)
    rows = results.instance_rows(found)
    assert {r[:2] for r in rows} == {
        (f"{head} head", score) for head in ("3-class", "ladder") for score in ("Dice", "F1")
    }
    assert [r[0] for r in verdicts.instance_differences(found)][-1].startswith("searched")
    for record in found.values():
        assert set(record["chosen"]) == {"epoch", "dice", "f1"}
        assert record["code"] == record["parameters"]["spec"]["code"]


# ---- a record that is found is the one that would be made


def at(monkeypatch, data_hash="h"):
    """Jobs as on the simulated data, without them: four modalities, this hash."""
    kinds = ("brightfield", "fluorescence", "phase-contrast", "DIC")
    items = [Item(k, k, "train", Path("i"), None) for k in kinds]
    dataset = Dataset("simulated", Path(), tuple(items), data_hash)
    monkeypatch.setattr(
        study, "begin", lambda name, _, seed, **v: Setup(settings.load(name, **v), dataset, seed)
    )


def made(job):
    """A job that makes its record without a training."""
    return dataclasses.replace(job, make=lambda *_, **given: {"data": "simulated"})


def first(name):
    return made(study.jobs(name, "simulated")[0])


def test_a_job_is_made_once_and_read_again(monkeypatch, small_study):
    at(monkeypatch)
    record = first("controls").once()
    again = dataclasses.replace(first("controls"), make=None).once()
    assert again == record and record["job"]["plan"]["mode"] == "paper"
    assert record["settings"]["patch"] == 32


@pytest.mark.parametrize("what", ["scale", "rate", "data", "plan"])
def test_a_record_of_other_settings_is_refused(monkeypatch, small_study, what):
    at(monkeypatch)
    job = first("controls")
    job.once()
    before = job.path.read_bytes()
    if what == "scale":
        monkeypatch.setattr(study, "SCALE", study.SCALE | {"derived_epochs": 2})
    elif what == "rate":
        rate = dataclasses.replace(settings.LAPTOP, learning_rate=0.1)
        monkeypatch.setitem(settings.PRESETS, "laptop", rate)
    elif what == "data":
        at(monkeypatch, "other")
    else:
        monkeypatch.setitem(study.PLANS, "paper", ways.Plan(paths="sampled"))
    key = {"scale": "settings.derived_epochs", "rate": "settings.learning_rate"}
    key |= {"data": "data_hash", "plan": "job.plan.paths"}
    with pytest.raises(InputError, match=f"{job.path}.*{key[what]}.*move it away"):
        first("controls").once()
    assert job.path.read_bytes() == before


def test_what_a_study_does_not_use_may_change(monkeypatch, small_study):
    at(monkeypatch)
    record = first("controls").once()
    longer = dataclasses.replace(settings.LAPTOP, baseline_epochs=7, minutes=99)
    monkeypatch.setitem(settings.PRESETS, "laptop", longer)
    assert first("controls").once() == record


@pytest.mark.parametrize("name", study.STUDIES)
def test_every_committed_record_is_one_that_would_be_made(monkeypatch, name):
    monkeypatch.delenv("TWODINTS_PRESET", raising=False)
    committed = results.load_study(name)
    if not committed:
        pytest.skip("not run yet")
    at(monkeypatch, {r["data_hash"] for r in committed.values()}.pop())
    seeds = sorted({r["seed"] for r in committed.values()})
    jobs = study.jobs(name, "simulated", seeds)
    kept = [job for job in jobs if job.path.is_file()]
    assert {job.path.stem for job in kept} == committed.keys()
    for job in kept:
        assert job.once() == committed[job.path.stem]


def test_a_caption_names_a_mixture():
    one = next(iter(results.load_study("sampling").values()))
    other = one | {"settings": one["settings"] | {"patch": 64, "minutes": 1}, "commit": "abc"}
    words = results.caption({"a-seed-1": one, "b-seed-1": other})
    assert "64, 128 px" in words and "abc, " in words
    assert words.endswith("; of several settings: patch")
    assert "several" not in results.caption({"a-seed-1": one, "b-seed-2": one})
    rate = one | {"settings": one["settings"] | {"learning_rate": 1.0}, "data_hash": "other"}
    words = results.caption({"a-seed-1": one, "b-seed-1": rate})
    assert words.endswith("; of several settings: data, learning_rate")
