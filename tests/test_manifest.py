"""The manifests, folders as data sets, splits, and the sentence for each way to be wrong."""

import re
import shutil

import numpy as np
import pytest
import tifffile
from imageio import v3 as iio

from twodints_lib import files, fingerprint
from twodints_lib.data import dataset, manifest
from twodints_lib.errors import InputError
from twodints_lib.lab.cells import MODALITIES


def sentence(call, *culprits):
    """The InputError of a call, checked to be one line that names every culprit and ends well."""
    with pytest.raises(InputError) as told:
        call()
    text = str(told.value)
    assert "\n" not in text and text.endswith(".") and len(text.split(";")) >= 2, text
    for culprit in culprits:
        assert culprit in text, text
    return text


def put(folder, names, ext=".png", label="{}_label.tiff", value=1):
    """Write tiny images and labels."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        path, pixels = folder / "images" / f"{name}{ext}", np.full((4, 5), value, np.uint8)
        if ext.lower().startswith(".tif"):
            tifffile.imwrite(path, pixels)
        else:
            path.write_bytes(iio.imwrite("<bytes>", pixels, extension=ext.lower()))
        if label:
            tifffile.imwrite(folder / "labels" / label.format(name), np.ones((4, 5), np.uint16))
    return folder


def listed(folder, rows, head="name,split,modality,image,label"):
    """A folder with a manifest.csv; each row's files are written unless its image is 'gone.png'."""
    put(folder, [r.split(",")[3][7:-4] for r in rows if "gone" not in r])
    (folder / "manifest.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


def row(name, split="train", modality="DIC"):
    return f"{name},{split},{modality},images/{name}.png,labels/{name}_label.tiff"


# --- manifests ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", manifest.manifests())
def test_manifests_are_right(name):
    told = manifest.load_manifest(name)
    assert told["modalities"] == list(MODALITIES)
    assert told["splits"]["seed"] == 2022


def test_manifest_names():
    assert manifest.manifests() == [
        "folder",
        "micro4",
        "neurips-shaped",
        "neurips2022",
        "simulated",
    ]


@pytest.mark.parametrize("kind", ["ranges", "extensions"])
def test_challenge_ids_are_covered_once_and_agree_with_the_counts(kind):
    told = manifest.load_manifest("neurips2022")
    for part, total in (("Training-labeled", 1000), ("Tuning", 101)):
        found = [r for r in told[kind] if r.get("part", "Training-labeled") == part]
        ids = [i for r in found for i in range(r["first"], r["last"] + 1)]
        if kind == "extensions" and part == "Tuning":
            continue
        assert sorted(ids) == list(range(1, total + 1))
        if kind == "ranges":
            counts = told["counts"][part.split("-")[0].lower()]
            for modality, count in counts.items():
                assert count == sum(
                    r["last"] - r["first"] + 1 for r in found if r["modality"] == modality
                )


def test_archives_and_sources_are_pinned():
    archives = manifest.load_manifest("neurips2022")["archives"]
    assert len({a["sha256"] for a in archives}) == 5
    assert all(re.fullmatch("[0-9a-f]{64}", a["sha256"]) for a in archives)
    for source in manifest.load_manifest("micro4")["sources"]:
        assert re.fullmatch("[0-9a-f]{40}", source["commit"])


@pytest.mark.parametrize(
    ("old", "new", "culprit"),
    [
        ('licence = "CC0', 'license = "CC0', "'licence' is missing"),
        ("[settings]", "colour = 1\n[settings]", "'splits.colour' is unknown"),
        ("train = 30", 'train = "30"', "'settings.train'"),
        ("train = 30", "train = true", "'settings.train'"),
        ("citations = []", "citations = [3]", "'citations[0]'"),
        ("citations = []", 'citations = "none"', "'citations'"),
        ('kind = "generated"', 'kind = "grown"', "'kind'"),
        ('["brightfield", ', '["bright", ', "'modalities[0]'"),
        ('name = "simulated"', 'name = "other"', "'name'"),
        ("[settings]", "[settings", "is not TOML"),
        ("[settings]", 'licence = "x"\n[settings]\n', "'splits.licence' is unknown"),
    ],
)
def test_planted_errors_in_a_manifest(tmp_path, monkeypatch, old, new, culprit):
    folder = shutil.copytree(manifest.MANIFESTS, tmp_path / "m")
    monkeypatch.setattr(manifest, "MANIFESTS", folder)
    path = folder / "simulated.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    sentence(lambda: manifest.load_manifest("simulated"), "simulated.toml", culprit)


def test_unknown_manifest():
    sentence(lambda: manifest.load_manifest("micro5"), "micro5", "micro4")


# --- folders ------------------------------------------------------------------------------------


def test_listed_folder(tmp_path):
    rows = [row("b", "val", "Phase contrast"), row("a"), row("c", "Testing", "bf")]
    data = dataset.open_data(listed(tmp_path, rows))
    assert [i.name for i in data.items] == ["a", "b", "c"]
    assert [i.split for i in data.items] == ["train", "val", "test"]
    assert data.modalities == ("brightfield", "phase-contrast", "DIC")
    assert data.items[0].image.is_file() and data.items[0].label.is_file()


def test_listed_row_without_label(tmp_path):
    rows = [row("a"), row("b").rsplit(",", 1)[0] + ","]
    assert dataset.open_data(listed(tmp_path, rows)).items[1].label is None


def test_split_folders(tmp_path):
    put(tmp_path / "train", ["a", "b"], label="{}.tif")
    put(tmp_path / "val", ["c"], ext=".TIF")
    put(tmp_path / "test", ["d"], label=None)
    data = dataset.open_data(str(tmp_path))
    assert [i.split for i in data.items] == ["train", "train", "val", "test"]
    assert data.items[3].label is None and data.modalities == ("unknown",)


@pytest.mark.parametrize("ext", [".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg", ".PNG"])
def test_every_extension(tmp_path, ext):
    put(tmp_path, ["a", "b"], ext=ext)
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    (tmp_path / "images" / "._a.png").write_text("nor this")
    assert [i.name for i in dataset.open_data(tmp_path).items] == ["a", "b"]


def test_plain_folder_is_split_90_10(tmp_path):
    names = [f"n{i:02d}" for i in range(20)]
    data = dataset.open_data(put(tmp_path, names))
    assert {i.name for i in data.split("val")} == set(dataset.split_90_10(names)[1])
    assert len(data.split("train")) == 18


def test_challenge_layout(tmp_path):
    names = [f"cell_{i:05d}" for i in (1, 141, 142, 144, 145, 301, 501, 701, 1000)]
    expected = ["brightfield", "brightfield", "phase-contrast", "phase-contrast", "brightfield",
                "DIC", "phase-contrast", "fluorescence", "fluorescence"]  # fmt: skip
    home = tmp_path / "neurips2022"
    put(home / "Training-labeled", names)
    data = dataset.open_data(home / "Training-labeled")
    assert [i.modality for i in data.items] == expected
    put(home / "Tuning", ["cell_00001", "cell_00027", "cell_00101"])
    data = dataset.open_data("neurips2022", cache=tmp_path)
    assert len(data.items) == 12 and {i.split for i in data.items} == {"train", "val", "test"}
    tuning = [i.modality for i in data.split("test")]
    assert tuning == ["brightfield", "phase-contrast", "fluorescence"]


def test_modality_table(tmp_path):
    put(tmp_path, ["a", "b", "c"])
    (tmp_path / "modality.csv").write_text("name,modality\na,Phase_Contrast\nb.png,BF\n")
    assert [i.modality for i in dataset.open_data(tmp_path).items] == [
        "phase-contrast", "brightfield", "unknown"]  # fmt: skip
    (tmp_path / "modality.csv").write_text("name,modality\nzz,DIC\n")
    sentence(lambda: dataset.open_data(tmp_path), "modality.csv", "zz")
    (tmp_path / "modality.csv").write_text("name,kind\na,DIC\n")
    sentence(lambda: dataset.open_data(tmp_path), "modality.csv", "modality")


def test_hash_follows_the_content(tmp_path):
    one = dataset.open_data(put(tmp_path / "one", ["a", "b"]))
    two = dataset.open_data(put(tmp_path / "two", ["a", "b"]))
    assert re.fullmatch("[0-9a-f]{16}", one.hash) and one.hash == two.hash
    three = dataset.open_data(put(tmp_path / "two", ["b"], value=2))
    four = dataset.open_data(put(tmp_path / "three", ["a", "c"]))
    assert len({one.hash, three.hash, four.hash}) == 3


def test_hash_follows_all_that_a_list_says(tmp_path):
    """A corrected split, modality, name or label makes other data of the same files."""
    first = [row("a"), row("b"), row("c", "val")]
    other = [
        [row("a"), row("b", "val"), row("c", "val")],
        [row("a"), row("b", modality="bf"), row("c", "val")],
        [row("a"), row("b").replace("b,", "renamed,", 1), row("c", "val")],
        [row("a"), row("b").replace("b_label", "a_label"), row("c", "val")],
        [row("a"), row("b"), row("c", "test")],
    ]
    data = [dataset.open_data(listed(tmp_path, rows)).hash for rows in (first, *other)]
    assert len(set(data)) == len(data)
    assert dataset.open_data(listed(tmp_path, [*first[::-1]])).hash == data[0]  # the order is none


@pytest.mark.parametrize(
    ("word", "name"),
    [("Phase contrast", "phase-contrast"), ("phase_contrast", "phase-contrast"),
     ("PhaseContrast", "phase-contrast"), ("pc", "phase-contrast"), ("DIC", "DIC"),
     ("dic", "DIC"), ("bf", "brightfield"), ("Bright-field", "brightfield"),
     ("Fluorescent", "fluorescence"), ("FL", "fluorescence"), ("", "unknown")],
)  # fmt: skip
def test_modality_words(word, name):
    assert dataset.normal_modality(word, "here") == name


# --- splits -------------------------------------------------------------------------------------


def test_split_90_10_is_the_challenges_and_touches_no_global_state():
    names = [f"cell_{i:05d}" for i in range(1, 1001)]
    before = np.random.get_state()[1].copy()
    train, val = dataset.split_90_10(names[::-1])
    assert (np.random.get_state()[1] == before).all()
    order = np.arange(1000)
    np.random.RandomState(2022).shuffle(order)
    assert val == sorted(names[i] for i in order[:100])
    assert sorted(train + val) == names and not set(train) & set(val)
    assert dataset.split_90_10(names, seed=1)[1] != val
    assert [len(s) for s in dataset.split_90_10(["a", "b", "c"])] == [2, 1]


def test_asking_for_a_split(tmp_path):
    rows = [row(f"a{i}") for i in range(3)] + [row(f"b{i}", modality="bf") for i in range(3)]
    data = dataset.open_data(listed(tmp_path, [*rows, row("v", "val")]))
    assert [i.name for i in data.split("train", limit=2)] == ["a0", "a1", "b0", "b1"]
    assert [i.name for i in data.split("train", "Brightfield", 1)] == ["b0"]
    sentence(lambda: data.split("val", "brightfield"), "brightfield", "val DIC")
    sentence(lambda: data.split("test"), "test")
    sentence(lambda: data.split("train", "xray"), "xray", "modality")
    sentence(lambda: data.split("train", limit=0), "limit", "0")


# --- sentences ----------------------------------------------------------------------------------


def test_missing_folder_and_data_not_fetched(tmp_path):
    sentence(lambda: dataset.open_data(tmp_path / "nowhere"), "nowhere")
    text = sentence(lambda: dataset.open_data("micro4", cache=tmp_path), "micro4", "folder")
    assert "twodints data fetch micro4" in text


def test_folders_without_pairs(tmp_path):
    sentence(lambda: dataset.open_data(tmp_path), str(tmp_path), "images/")
    put(tmp_path / "empty", [])
    sentence(lambda: dataset.open_data(tmp_path / "empty"), "empty", "label")
    put(tmp_path / "bare" / "test", ["a"], label=None)
    sentence(lambda: dataset.open_data(tmp_path / "bare"), "bare", "label")


def test_images_without_labels(tmp_path):
    put(tmp_path, ["a"])
    put(tmp_path, ["b", "c"], label=None)
    sentence(lambda: dataset.open_data(tmp_path), "b.png", "2 of 3", "labels/")


@pytest.mark.parametrize(
    ("rows", "culprits"),
    [
        ([row("a"), row("gone")], ("gone.png", "manifest.csv")),
        ([row("a"), row("a")], ("'a'", "rename")),
        ([row("a", modality="xray")], ("manifest.csv", "xray", "a")),
        ([row("a", "trian")], ("manifest.csv", "trian")),
        ([], ("manifest.csv", "no rows")),
    ],
)
def test_wrong_lists(tmp_path, rows, culprits):
    sentence(lambda: dataset.open_data(listed(tmp_path, rows)), *culprits)


def test_list_without_a_column_and_with_cut_rows(tmp_path):
    listed(tmp_path, [row("a")], head="name,split,kind,image,label")
    sentence(lambda: dataset.open_data(tmp_path), "manifest.csv", "modality")
    with open(tmp_path / "manifest.csv", "w") as file:
        file.write(f"name,split,modality,image,label\n{row('a')}\nb,train\n")
    sentence(lambda: dataset.open_data(tmp_path), "manifest.csv", "b")


def test_list_that_is_no_table_and_row_without_image(tmp_path):
    listed(tmp_path, [row("a")])
    with open(tmp_path / "manifest.csv", "a") as file:
        file.write("b,train,DIC,,\n")
    sentence(lambda: dataset.open_data(tmp_path), "manifest.csv", "'b'", "no image")
    (tmp_path / "manifest.csv").write_bytes(b"\xff\xfe\x00")
    sentence(lambda: dataset.open_data(tmp_path), "manifest.csv", "UTF-8")


def test_list_with_files_elsewhere_and_a_held_out_split(tmp_path):
    far, near = put(tmp_path / "far", ["a"]), tmp_path / "near"
    near.mkdir()
    line = f"a,held-out,DIC,{far}/images/a.png,../far/labels/a_label.tiff"
    (near / "manifest.csv").write_text(f"name,split,modality,image,label\n{line}\n")
    item = dataset.open_data(near).items[0]
    assert item.split == "test" and item.image.is_file() and item.label.is_file()


def test_same_stem_twice(tmp_path):
    put(put(tmp_path, ["a"]), ["a"], ext=".bmp")
    sentence(lambda: dataset.open_data(tmp_path), "'a'", "rename")


# --- simulated ----------------------------------------------------------------------------------


@pytest.fixture
def generator(monkeypatch):
    """A small make_simulated in place of the real one; returns how often it was called."""
    calls = []

    def make_simulated(folder, train=30, val=8, seed=2022):
        calls.append((train, val, seed))
        return listed(folder, [row("a"), row("b", "val")])

    monkeypatch.setattr(dataset, "make_simulated", make_simulated)
    return calls


def test_simulated_is_drawn_once(tmp_path, monkeypatch, generator):
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path / "cache"))
    first, second = dataset.open_data("simulated"), dataset.open_data("simulated")
    assert first == second and generator == [(30, 8, 2022)]
    assert first.root == dataset.simulated_path() and first.name == "simulated"
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [first.root.name]


def test_simulated_is_found_after_a_remark_and_drawn_again_after_a_change(tmp_path, monkeypatch):
    home = shutil.copytree(fingerprint.LIBRARY, tmp_path / "twodints_lib")
    monkeypatch.setattr(fingerprint, "LIBRARY", home)
    places, text = [dataset.simulated_path()], (home / "lab" / "cells.py").read_text()
    for edit in ("# a remark\n" + text, text.replace("0.38, 420", "0.38, 421")):
        (home / "lab" / "cells.py").write_text(edit)
        fingerprint.of_modules.cache_clear()
        places.append(dataset.simulated_path())
    fingerprint.of_modules.cache_clear()
    assert places[0] == places[1] != places[2]


def test_simulated_is_drawn_again_when_a_setting_changes(tmp_path, monkeypatch, generator):
    first = dataset.open_data("simulated", cache=tmp_path)
    folder = shutil.copytree(manifest.MANIFESTS, tmp_path / "m")
    path = folder / "simulated.toml"
    path.write_text(path.read_text().replace("train = 30", "train = 3"))
    monkeypatch.setattr(manifest, "MANIFESTS", folder)
    assert dataset.open_data("simulated", cache=tmp_path).root != first.root
    assert generator == [(30, 8, 2022), (3, 8, 2022)]


def test_whole_folder_leaves_nothing_half(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.whole_folder(tmp_path / "x") as room:
        room.mkdir()
        (room / "file").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with files.whole_folder(tmp_path / "x") as room:
        (tmp_path / "x").mkdir()  # another process is first
        room.mkdir()
    assert [p.name for p in tmp_path.iterdir()] == ["x"] and not list((tmp_path / "x").iterdir())
