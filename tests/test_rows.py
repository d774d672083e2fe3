"""Rows of Table 4: their true size, their scale, records that are never made twice; the tree like
the challenge's archives."""

import dataclasses
import json
import math

import numpy as np
import pytest

from twodints_lib import cli, files
from twodints_lib.data import dataset, images, manifest
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.reproduction import challenge_tree, results, table4, tables
from twodints_lib.runs import notebooks, paper, records, settings
from twodints_lib.scoring.statistics import crossed_interval
from twodints_lib.space import networks
from twodints_lib.space.specs import SupernetSpec, UNetSpec
from twodints_lib.training import loop, patches, recipes


@pytest.fixture(autouse=True)
def the_preset_named_here(monkeypatch):
    """`make test` sets one for the notebooks."""
    monkeypatch.delenv("TWODINTS_PRESET", raising=False)


@pytest.mark.parametrize("row", paper.ROWS, ids=lambda r: r.name)
def test_the_paper_preset_is_the_papers_row(row, tiny_folder):
    setup = table4.row_setup(row.name, "paper", str(tiny_folder), 1)
    spec = row.spec
    if isinstance(spec, SupernetSpec):
        assert SupernetSpec.of(setup.preset, spec.names) == spec
    recipe = recipes.Recipe.of(setup.preset, 2000, spec)
    assert (recipe.patch, recipe.batch) == (row.patch, row.batch)
    assert (recipe.learning_rate, recipe.patience, recipe.epochs) == (6e-4, 100, 2000)


def test_another_preset_scales_all_rows_alike(tiny_folder):
    def size(name):
        preset = table4.row_setup(name, "quarter", str(tiny_folder), 1).preset
        return preset.patch, preset.batch, preset.channel_mul, preset.num_blocks, preset.max_steps

    assert size("dints-1-8") == (64, 4, 0.25, 8, 1500)
    assert size("dints-0.5-8") == (64, 8, 0.125, 8, 1500)
    assert size("dints-1-8-384") == (96, 2, 0.25, 8, 1500)
    assert size("dints-1-12") == (64, 3, 0.25, 12, 1500)
    assert size("unet")[:2] == (64, 8)


def test_a_batch_that_fits_the_memory_is_taken_and_written_down(tiny_folder):
    setup = table4.row_setup("dints-1-8", "paper", str(tiny_folder), 1, batch=2, max_steps=3)
    recipe = recipes.Recipe.of(setup.preset, 2000, SupernetSpec.of(setup.preset))
    assert (recipe.batch, recipe.max_steps) == (2, 3)


@pytest.fixture
def smallest(monkeypatch):
    """A smoke preset in which even twelve blocks are quick."""
    tiny = dataclasses.replace(
        settings.SMOKE, patch=32, num_blocks=2, num_depths=2, baseline_epochs=2, search_epochs=2
    )
    monkeypatch.setitem(settings.PRESETS, "smoke", tiny)


def test_a_row_is_run_once(tiny_folder, own_runs, smallest, capsys):
    ask = ["run", "--row", "unet", "--data", str(tiny_folder), "-p", "seed", "3"]
    assert cli.main(ask) == 0
    (path,) = own_runs.glob("rows/*/unet-seed-3.json")
    record = json.loads(path.read_text())
    assert record["row"] == "unet" and not record["is_result"] and record["step_seconds"] > 0
    assert len(record["metrics"]["images"]) == 4 and "per_image" not in record["metrics"]
    before = path.read_bytes()
    capsys.readouterr()
    assert cli.main(ask) == 0 and path.read_bytes() == before
    assert "run before" in capsys.readouterr().out
    assert cli.main([*ask, "-p", "batch", "2"]) == 2
    assert "other settings" in capsys.readouterr().err and path.read_bytes() == before


@pytest.mark.parametrize(
    ("ask", "word"),
    [(["--row", "resnet"], "resnet"), (["--row", "unet", "-p", "colour", "1"], "colour"),
     (["--row", "unet", "-p", "seed", "x"], "seed"), (["--row", "unet", "--only", "03"], "--only")],
)  # fmt: skip
def test_a_wrong_row_is_refused_before_any_training(ask, word, tiny_folder, own_runs, capsys):
    assert cli.main(["run", *ask, "--data", str(tiny_folder)]) == 2
    assert word in capsys.readouterr().err and not list(own_runs.glob("**/*.json"))


def test_training_ends_after_so_many_steps(tiny_setup, tmp_path):
    samples = patches.load_samples(tiny_setup.train())  # 8 images, batches of 4: 2 an epoch
    recipe = recipes.Recipe.of(tiny_setup.preset, 50, UNetSpec())
    recipe = dataclasses.replace(recipe, max_steps=5)
    trainer = loop.Joint(networks.build(UNetSpec()), samples, recipe, 1)
    taken, step = [], trainer.step
    trainer.step = lambda *a: (taken.append(1), step(*a))
    assert trainer.recipe.epochs == 3
    for epoch in (1, 2, 3):
        trainer.epoch(epoch)
    assert len(taken) == 5


def test_seconds_a_step_know_validations_and_a_cut_epoch():
    record = {"settings": {"batch": 4, "max_steps": 7}, "metrics": {"training_images": 17}}
    history = [  # 5 steps in the first epoch, 2 in the second
        {"epoch": 1, "seconds": 50.0},
        {"epoch": 2, "seconds": 9.0, "validation_seconds": 8.0},
    ]
    assert table4.step_seconds(history, record) == 0.5
    assert table4.step_seconds(history[:1], record) == 10.0


def record(row, seed, dice, hours=1.0):
    """A row's record with the given Dice for each image."""
    images_of = {f"i{k}": [d, 1 - d] for k, d in enumerate(dice)}
    means = {"mean_dice": np.mean(dice), "mean_f1": 1 - np.mean(dice), "modality_mean_f1": 0.5}
    sizes = {"network_parameters": 10, "epochs": 2, "training_images": 8}
    settings = {"patch": 64, "batch": 4, "max_steps": 7, "precision": "float32"}
    return {
        "row": row, "seed": seed, "preset": "quarter", "data": "d", "settings": settings,
        "metrics": means | sizes | {"images": images_of}, "seconds": 3600 * hours,
        "step_seconds": 0.5, "hardware": {"cpu": "C", "cores": 2, "gpu": None},
    }  # fmt: skip


@pytest.fixture
def some_rows(tmp_path):
    for r in (
        record("unet", 1, [0.5, 0.6]), record("unet", 2, [0.4, 0.7]),
        record("dints-1-8", 1, [0.7, 0.8]), record("dints-1-8", 2, [0.6, 0.9]),
        record("dints-1-12", 1, [0.9, 0.9]),
    ):  # fmt: skip
        files.write_json(tmp_path / f"{r['row']}-seed-{r['seed']}.json", r)
    return tmp_path


def test_tables_tell_what_is_there_and_what_is_not(some_rows):
    four = {row[0]: row for row in tables.rows("4", some_rows)}
    assert len(four) == 9
    gain = str(crossed_interval(np.subtract([[0.7, 0.8], [0.6, 0.9]], [[0.5, 0.6], [0.4, 0.7]])))
    told = dict(zip(tables.HEADERS["4"], four["DiNTS (Mul 1) (Depth 8)"], strict=True))
    assert (told["Dice, ours"], told["Dice minus UNet's"], told["seeds"]) == ("0.750", gain, 2)
    assert told["F1 minus UNet's"].startswith("-0.200") and told["steps"] == 7
    assert told["of interior"] == told["of boundary"] == "not kept"
    assert four["DiNTS (Mul 1) (Depth 12)"][5] == "under 2 seeds: none"
    assert four["SegResNet (Deconv upsampling)"][4] == tables.OPEN
    three = {row[0]: row for row in tables.rows("3", some_rows)}
    # 900 images in batches of 4 are 225 steps; 2000 epochs at half a second each.
    assert float(three["UNet"][5]) == pytest.approx(2000 * math.ceil(900 / 4) * 0.5 / 3600, abs=0.1)
    five = {row[0]: row for row in tables.rows("5", some_rows)}
    assert five["DiNTS (Mul 1) (Depth 12)"][1:3] == ("0.549", "0.100")
    assert "smaller than the paper's" in tables.heading(some_rows)


def test_prepared_images_are_the_same_and_read_once(tiny_folder, tmp_path, monkeypatch):
    items = open_data(tiny_folder).split("train")
    plain = patches.load_samples(items)
    patches.load_samples(items, folder=tmp_path)
    monkeypatch.setattr(patches, "read_pair", None)  # the files alone must do
    again = patches.load_samples(items, folder=tmp_path)
    for a, b in zip(plain, again, strict=True):
        assert (a.stack == b.stack).all() and (a.target == b.target).all() and a.span == b.span
        assert (a.labels == b.labels).all() and a.image.equal(b.image)
        assert isinstance(b.labels, np.memmap)
    one, two = (patches.Patches(s, 48, 3) for s in (plain, again))
    assert all(one[i][0].equal(two[i][0]) for i in range(len(items)))


def test_only_a_paper_run_prepares_files(tiny_setup, tiny_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path))
    assert patches.cache_of(tiny_setup) is None
    folder = patches.cache_of(table4.row_setup("unet", "paper", str(tiny_folder), 1))
    assert folder.is_dir() and tmp_path in folder.parents


def test_committed_records_of_drawn_images_are_found_again(tmp_path, monkeypatch):
    """Their data's hash is what the same data have today, so `run --row` trains nothing anew."""
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path))
    tree = open_data(challenge_tree.make_shaped(tmp_path / "neurips-shaped", 13))
    found = [files.read_json(p) for p in records.ROWS.glob("paper-neurips-shaped*/*.json")]
    assert {r["data_hash"] for r in found} == {tree.hash} and len(found) == 9


@pytest.fixture(scope="module")
def shaped(tmp_path_factory):
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(challenge_tree, "SIZES", ((160, 200), (128, 128)))
    monkeypatch.setattr(challenge_tree, "SLIDE", 512)
    monkeypatch.setattr(challenge_tree, "TILE", 128)
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path_factory.mktemp("cache")))
    challenge_tree.make(40)
    yield open_data("neurips-shaped")
    monkeypatch.undo()


def test_the_tree_has_every_extension_modality_and_odd_case(shaped):
    told = manifest.load_manifest("neurips2022")
    pairs = [(i, images.read_pair(i)) for i in shaped.items]
    own = [p for p in pairs if p[0].split in ("train", "val")]
    assert len(own) == 40 and len([i for i in shaped.items if i.split == "val"]) == 4
    for item, (image, labels) in own:
        number = int(item.name[-5:])
        kind = next(e for e in told["extensions"] if e["first"] <= number <= e["last"])
        assert item.image.suffix == f".{kind['extension']}"
        assert labels.max() > 0 and labels.shape == image.shape[:2]
    assert {i.modality for i, _ in own} == set(told["modalities"])
    assert {p[0].dtype for _, p in own} == {np.dtype("uint8"), np.dtype("uint16")}
    assert {0 if p[0].ndim == 2 else p[0].shape[-1] for _, p in own} == {
        0,
        2,
        3,
    }  # alpha is no channel
    assert next(i for i, _ in own if i.name == "cell_00142").modality == "phase-contrast"
    assert images.read_image(own[0][0].label).dtype == np.int16
    assert {i.split for i in shaped.items} == {"train", "val", "test", "public", "slides"}
    for _, (image, _) in pairs:
        assert images.normalise(image).shape[0] == 3


def test_the_split_is_the_baselines(shaped):
    names = sorted(i.name for i in shaped.items if i.split in ("train", "val"))
    order = np.arange(40)
    np.random.RandomState(2022).shuffle(order)
    held = sorted(names[k] for k in order[:4])
    assert held == sorted(i.name for i in shaped.items if i.split == "val")


def test_the_tree_is_made_once_and_of_a_number_that_works(shaped, capsys):
    challenge_tree.make(40)
    with pytest.raises(InputError, match="remove it"):
        challenge_tree.make(30)
    with pytest.raises(InputError, match="one of a kind"):
        challenge_tree.chosen_ids(manifest.load_manifest("neurips2022"), 5)
    assert cli.main(["data", "make", "neurips-shaped", "--images", "0"]) == 2
    assert cli.main(["data", "make", "simulated", "--images", "0"]) == 2
    assert "--images 0" in capsys.readouterr().err


def test_hidden_images_need_no_labels(tmp_path, shaped):
    import shutil

    shutil.copytree(shaped.root, tmp_path / "tree")
    hidden = tmp_path / "tree" / "Testing" / "Hidden" / "images"
    hidden.mkdir(parents=True)
    source = next(i.image for i in shaped.items if i.split == "public")
    shutil.copy(source, hidden / source.name)
    found = [i for i in open_data(tmp_path / "tree").items if i.split == "hidden"]
    assert [i.label for i in found] == [None]


def test_a_large_sets_hash_is_kept_until_a_file_changes(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path))
    monkeypatch.setattr(dataset, "LARGE", 1)
    first = open_data(tiny_folder).hash
    (kept,) = (tmp_path / "hashes").iterdir()
    assert kept.read_text() == first == open_data(tiny_folder).hash
    item = open_data(tiny_folder).items[0]
    content = item.image.read_bytes()
    try:
        item.image.write_bytes(content + b"0")
        assert open_data(tiny_folder).hash != first
    finally:
        item.image.write_bytes(content)


def test_table_5_is_scored_on_the_tuning_set(shaped, own_runs, smallest):
    path = table4.run_row("unet", "smoke", str(shaped.root), 1, max_steps=1)
    test = files.read_json(path)["test"]
    assert set(test["images"]) == {i.name for i in shaped.items if i.split == "test"}
    assert path.parent.name.endswith("-1-steps")


def test_a_sweep_runs_every_row_and_its_profile_can_be_read():
    import yaml

    text = (files.ROOT / "Snakefile").read_text()
    assert all(f'"{row.name}"' in text for row in paper.ROWS)
    profile = yaml.safe_load((files.ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    assert profile["executor"] == "slurm" and profile["keep-going"]
    assert set(profile["set-resources"]) == {"row"} and "rule row:" in text


def test_every_committed_row_has_what_the_notebook_of_a_row_reads():
    found = [files.read_json(p) for p in records.ROWS.glob("*/*-seed-*.json")]
    assert len(found) >= 27
    for record in found:
        assert record["modality_dice"].keys() == record["metrics"]["per_modality"].keys()
        assert {"mean_dice", "mean_f1", "network_parameters"} <= record["metrics"].keys()
    book = notebooks.find("one_row").read_text()
    assert 'if \\"curve\\" in record' in book or all("curve" in r for r in found)


def test_every_committed_row_is_one_that_would_be_made(monkeypatch):
    monkeypatch.setattr(
        table4, "begin", lambda preset, data, seed, **values: settings.load(preset, **values)
    )
    for path in records.ROWS.glob("*/*-seed-*.json"):
        record = files.read_json(path)
        scale = path.parent.name
        given = {"batch": 1, "max_steps": 2, "workers": 1} if scale.endswith("-2-steps") else {}
        given |= {"max_steps": 200} if scale.endswith("-200-steps") else {}
        preset = table4.row_setup(record["row"], record["preset"], "", record["seed"], **given)
        records.check_made(path, record, {"settings": dataclasses.asdict(preset)})


def test_what_is_unset_stays_the_rows(tiny_folder):
    data = str(tiny_folder)
    plain, unset = (
        table4.row_setup("dints-1-8-384", "quarter", data, 1, **given).preset
        for given in ({}, {"patch": -1, "batch": -1, "learning_rate": -1.0, "schedule": ""})
    )
    assert plain == unset and plain.patch == 96


def test_rows_are_paired_by_image_and_a_missing_score_counts_on_neither_side(some_rows):
    """Another order of images changes nothing, a Dice that is missing is not 0."""
    for path in some_rows.glob("dints-1-8-seed-*.json"):
        found = files.read_json(path)
        pairs = found["metrics"]["images"]
        pairs = dict(reversed(pairs.items())) | {"i2": [None, None]}
        files.write_json(path, found | {"metrics": found["metrics"] | {"images": pairs}})
    rows = results.load_rows(some_rows)
    gain = results.row_difference(rows["dints-1-8"], rows["unet"])
    assert gain.mean == pytest.approx(0.2) and (gain.seeds, gain.images) == (2, 2)


def test_a_rows_table_names_what_is_mixed_in_it(some_rows):
    assert "several" not in tables.heading(some_rows)
    found = files.read_json(some_rows / "unet-seed-2.json")
    other = found | {"settings": found["settings"] | {"patch": 32}, "data_hash": "other"}
    files.write_json(some_rows / "unet-seed-2.json", found | {"data_hash": "one"})
    files.write_json(some_rows / "unet-seed-3.json", other)
    assert tables.heading(some_rows).endswith("; of several settings: data, patch")


def test_a_plain_install_keeps_its_rows_among_the_runs(tiny_folder, own_runs, monkeypatch):
    setup = table4.row_setup("unet", "quarter", str(tiny_folder), 1)
    assert own_runs not in table4.folder_of(setup).parents
    monkeypatch.setattr(files, "ROOT", own_runs)  # no checkout lies there
    assert own_runs in table4.folder_of(setup).parents
