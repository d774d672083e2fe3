"""The modality lab: exact labels, dials that do what they say, and the numbers of real images."""

import csv
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from scipy import ndimage

from twodints_lib import files
from twodints_lib.data.dataset import open_data
from twodints_lib.data.images import read_image, read_labels
from twodints_lib.data.labels import cell_statistics, touching
from twodints_lib.errors import InputError
from twodints_lib.files import pixel_hash
from twodints_lib.lab import optics
from twodints_lib.lab.optics import MODALITIES, SIZES, Dials, default_dials
from twodints_lib.runs.environment import constraints
from twodints_lib.scoring.matching import frame_ids

# On micro4: share of cells under 13.7 px, median diameter, share touching, cells per megapixel.
MEASURED = {
    "brightfield": (0.346, 16.8, 0.40, 354),
    "fluorescence": (0.182, 23.8, 0.33, 177),
    "phase-contrast": (0.024, 43.8, 0.45, 103),
    "DIC": (0.005, 54, 0.25, 13),
}
NUMBERS = ("numpy", "scipy", "scikit-image")
TINY = dict.fromkeys(MODALITIES, (96, 96))


def scenes(modality, count=40, **dials):
    """Labels of the default set's first images, without the cost of the optics."""
    dials, dark = replace(default_dials(modality), **dials), lambda *_: np.zeros((1, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(optics.MECHANISMS, modality, (dark, 1))
        seeds = [optics.image_seed(2022, modality, i + 1) for i in range(count)]
        return [optics.simulate(modality, s, SIZES[modality], dials)[1] for s in seeds]


def turned(modality, seed=4, size=(160, 160), **dials):
    """Image (grey, 0..1) and labels with some dials turned."""
    dials = replace(default_dials(modality), **dials)
    image, labels = optics.simulate(modality, seed, size, dials, "uint16", channels=1)
    return image / 65535, labels


@pytest.mark.parametrize("modality", MODALITIES)
def test_same_seed_same_bytes(modality):
    state = np.random.get_state()[1].copy()
    (image, labels), (again, same) = (optics.simulate(modality, 5, (120, 100)) for _ in "ab")
    assert image.tobytes() == again.tobytes() and labels.tobytes() == same.tobytes()
    assert (np.random.get_state()[1] == state).all()
    other, places = optics.simulate(modality, 6, (120, 100))
    assert (other != image).any() and (places != labels).any()


DRAWN = {  # the beginnings of the hashes of image and labels, 128 pixels a side
    ("brightfield", 1): "e5354c9d8dc2 c19fb7066f80",
    ("brightfield", 2): "14cc8af5748f a15e727825e9",
    ("brightfield", 4): "f317f58a5d40 ac24861bb796",
    ("fluorescence", 1): "c962b19ea616 044ef92bfd01",
    ("fluorescence", 2): "0bdae2018380 cb0f34f22319",
    ("fluorescence", 4): "d1834d9cbeab a20af5d0072f",
    ("phase-contrast", 1): "fb8b033705d3 97f13af4da46",
    ("phase-contrast", 2): "ef6d97e0fe6a 70420c6adb70",
    ("phase-contrast", 4): "932a3d6781ff 19b02cfe6928",
    ("DIC", 1): "70e1102dc52e 4248d9416cc6",
    ("DIC", 2): "d78e14c6e672 2dcf22c1b298",
    ("DIC", 4): "efcf8c51d1f9 165521fdc543",
}


@pytest.mark.skipif(
    any(version(name) != wanted for name, wanted in constraints().items() if name in NUMBERS),
    reason="drawn with other versions of numpy or scipy than tested",
)
@pytest.mark.parametrize(("modality", "seed"), DRAWN)
def test_the_same_arrays_are_drawn_as_ever(modality, seed):
    dtype = "uint16" if seed % 2 else "uint8"
    pair = optics.simulate(modality, seed, (128, 128), dtype=dtype)
    assert " ".join(pixel_hash(a)[:12] for a in pair) == DRAWN[modality, seed]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_shapes_types_channels(modality, dtype, channels):
    image, labels = optics.simulate(modality, 1, (64, 90), dtype=dtype, channels=channels)
    wanted = channels or (3 if modality == "brightfield" else 1)
    assert image.shape == ((64, 90, 3) if wanted == 3 else (64, 90)) and image.dtype == dtype
    assert labels.shape == (64, 90) and labels.dtype == np.uint16
    assert image.max() > np.iinfo(dtype).max // 50  # the whole range of the type is used
    if modality != "brightfield" and channels == 3:
        assert (image == image[..., :1]).all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_small_and_odd_sizes(modality):
    for size in ((1, 1), (1, 50), (7, 200)):
        image, labels = optics.simulate(modality, 2, size)
        assert image.shape[:2] == size == labels.shape


@pytest.mark.parametrize("modality", MODALITIES)
def test_labels_are_exact(modality):
    for labels in scenes(modality, 8):
        ids = np.unique(labels)
        assert (ids == np.arange(len(ids))).all()
        for i, box in enumerate(ndimage.find_objects(labels), 1):
            assert ndimage.label(labels[box] == i, np.ones((3, 3)))[1] == 1
        assert len(set(ids[1:]) - set(frame_ids(labels))) >= 2  # else the metric scores 0


@pytest.mark.parametrize("modality", MODALITIES)
def test_statistics_are_those_of_micro4(modality):
    small, diameter, touch, density = MEASURED[modality]
    found = cell_statistics(scenes(modality))
    assert found["share_under_13.7_px"] == pytest.approx(small, abs=0.06)
    assert found["median_diameter"] == pytest.approx(diameter, rel=0.15)
    assert found["share_touching"] == pytest.approx(touch, abs=0.08)
    assert found["cells_per_megapixel"] == pytest.approx(density, rel=0.25)


@pytest.mark.parametrize("modality", MODALITIES)
def test_touching_dial(modality):
    none = np.concatenate([touching(x) for x in scenes(modality, 8, touching=0.0)])
    many = np.concatenate([touching(x) for x in scenes(modality, 8, touching=0.95)])
    assert not none.any() and many.mean() > 0.75


@pytest.mark.parametrize("modality", MODALITIES)
def test_density_dial(modality):
    counts = [sum(x.max() for x in scenes(modality, 7, density=d)) for d in (0, 1, 2.5)]
    assert counts[0] == 0 and counts[2] > 1.7 * counts[1]


@pytest.mark.parametrize("modality", MODALITIES)
def test_optical_dials_leave_the_cells_alone(modality):
    plain = turned(modality)[1]
    for dials in ({"blur": 3.0}, {"contrast": 0.3}, {"noise": 4.0}):
        assert (turned(modality, **dials)[1] == plain).all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_blur_dial(modality):
    def energy(blur):
        image = turned(modality, blur=blur, noise=0.0)[0]
        return sum((g**2).mean() for g in np.gradient(image))

    assert energy(0.0) > 1.1 * energy(1.0) > 1.5 * energy(3.0)


@pytest.mark.parametrize("modality", MODALITIES)
def test_noise_dial(modality):
    def rough(noise):  # differences of neighbours in the background
        image, labels = turned(modality, noise=noise)
        ground = ndimage.minimum_filter(labels == 0, 15)
        assert ground.sum() > 100
        return np.diff(image, axis=1)[ground[:, 1:]].std()

    still, usual, loud = rough(0.0), rough(1.0), rough(4.0)
    assert still < usual < loud / 2


@pytest.mark.parametrize("modality", MODALITIES)
def test_contrast_dial(modality):
    def relief(contrast):  # cells and their near surroundings against the image's level
        image, labels = turned(modality, contrast=contrast, noise=0.0)
        return np.abs(image[labels > 0] - np.median(image[labels == 0])).mean()

    assert relief(1.6) > 1.15 * relief(1.0) > 1.3 * relief(0.3)


def near_and_far(image, labels):
    """Means inside the cells, in a ring round them, and far from them."""
    away = ndimage.distance_transform_edt(labels == 0)
    return [image[part].mean() for part in (away == 0, (away > 0) & (away <= 3), away > 20)]


def test_fluorescence_is_bright_on_dark_and_uneven():
    means = []
    for seed in range(6):
        image, labels = turned("fluorescence", seed)
        inside, _, far = near_and_far(image, labels)
        assert inside > 2 * far and far < 0.15
        means.append(ndimage.mean(image, labels, np.arange(1, labels.max() + 1)))
    assert np.mean([m.std() / m.mean() for m in means]) > 0.15  # from cell to cell


def test_brightfield_is_dark_on_bright():
    colours = []
    for seed in range(8):
        inside, ring, _ = near_and_far(*turned("brightfield", seed))
        assert inside < ring - 0.08
        colour = optics.simulate("brightfield", seed, (96, 96))[0]
        colours.append(bool((colour != colour[..., :1]).any()))
    assert any(colours) and not all(colours)  # stained tissue, and grey cytology


def test_beer_lambert_multiplies():
    dye, spectrum = np.full((2, 3), 0.5), np.array([0.2, 0.4, 0.0])
    once, half = (optics.absorb(np.ones(3), d, spectrum) for d in (dye, dye / 2))
    assert once == pytest.approx(half**2) and once[0, 0] == pytest.approx(10 ** (-0.5 * spectrum))


def test_phase_contrast_has_a_halo():
    for seed in range(4):
        inside, ring, far = near_and_far(*turned("phase-contrast", seed, (256, 256), noise=0.0))
        assert ring > far + 0.03 and inside < ring - 0.08


def test_a_ball_turns_bright_in_phase_contrast():
    y, x = np.mgrid[:80, :80] - 40
    labels = (np.hypot(y, x) < 12).astype(np.uint16)
    light = []
    for thick in (np.zeros(2), np.array([0.0, 1.0])):
        rng, dials = np.random.default_rng(0), default_dials("phase-contrast")
        light.append(optics.phase_contrast(rng, thick, labels, dials)[labels > 0].max())
    assert light[1] > 2 * light[0]


def test_dic_is_lit_from_one_side():
    y, x = np.mgrid[:120, :120] - 60
    labels = (np.hypot(y, x) < 25).astype(np.uint16)
    dials, along = default_dials("DIC"), {"CHO": x + y, "RBC": 0.31 * y - 0.95 * x}
    for kind, axis in along.items():
        rngs = (np.random.default_rng(s) for s in range(4))
        lights = [optics.interference(rng, kind, labels, dials) for rng in rngs]
        light, inside = np.mean(lights, axis=0), labels > 0
        flat = np.median(light[~inside])
        rising, falling = (light[inside & side].mean() for side in (axis < -8, axis > 8))
        assert rising > flat > falling
        assert rising - flat == pytest.approx(flat - falling, rel=0.5)  # antisymmetric


@pytest.mark.parametrize("modality", MODALITIES)
def test_labels_lie_where_the_eye_sees_the_edge(modality):
    """Brightness changes most at the drawn outline: more than 4 px inside or outside it."""
    steps = {"at": [], "off": []}
    for seed in range(4):
        image, labels = turned(modality, seed, (256, 256), noise=0.0)
        slope = np.hypot(*np.gradient(ndimage.gaussian_filter(image, 1)))
        inner = ndimage.distance_transform_edt(labels > 0)
        outer = ndimage.distance_transform_edt(labels == 0)
        steps["at"].append(slope[(inner + outer) <= 1.5].mean())
        steps["off"].append(slope[((inner > 4) & (inner < 8)) | ((outer > 4) & (outer < 8))].mean())
    assert np.mean(steps["at"]) > 1.5 * np.mean(steps["off"])


def test_data_set_round_trip(tmp_path, capsys):
    folder = optics.make_simulated(tmp_path / "set", train=6, val=1, seed=3, sizes=TINY)
    assert [p.name for p in tmp_path.iterdir()] == ["set"] and folder == tmp_path / "set"
    assert "28/28" in capsys.readouterr().err
    with open(folder / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28 and {r["name"] for r in rows} >= {
        "bf_001",
        "fl_006",
        "pc_007",
        "dic_004",
    }
    for row in rows:
        image, labels = read_image(folder / row["image"]), read_labels(folder / row["label"])
        assert files.pixel_hash(image) == row["sha256_image_pixels"]
        assert files.pixel_hash(labels.astype(np.uint16)) == row["sha256_label_pixels"]
        assert image.shape[:2] == labels.shape == (int(row["height"]), int(row["width"]))
        assert image.dtype == row["dtype"] and int(row["n_cells"]) == labels.max()
        assert (image.shape[2] if image.ndim == 3 else 1) == int(row["channels"])
    types = [{r["dtype"] for r in rows if r["modality"] == m} for m in MODALITIES]
    assert types == [{"uint8"}, {"uint8", "uint16"}, {"uint16"}, {"uint8"}]
    assert {r["channels"] for r in rows if r["name"].startswith("bf")} == {"1", "3"}
    alone = optics.simulate("DIC", optics.image_seed(3, "DIC", 2), (96, 96))[0]
    assert (alone == read_image(folder / "train/images/dic_002.png")).all()
    items = open_data(folder).items
    assert len(items) == 28 and sum(i.split == "val" for i in items) == 4


def test_no_leftovers_on_failure(tmp_path, monkeypatch):
    whole = optics.write_pair

    def breaks(row, *rest):
        if row["name"] == "fl_001":
            raise OSError("disk full")
        whole(row, *rest)

    monkeypatch.setattr(optics, "write_pair", breaks)
    with pytest.raises(OSError):
        optics.make_simulated(tmp_path / "set", train=1, val=0, sizes=TINY)
    assert not list(tmp_path.iterdir())


REAL = default_dials("DIC")


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"modality": "x-ray"}, "modality"),
        ({"seed": 1.5}, "seed"),
        ({"size": (0, 10)}, "size"),
        ({"size": (2.0, 3)}, "size"),
        ({"dials": 0.5}, "dials"),
        ({"dials": replace(REAL, touching=1.2)}, "touching"),
        ({"dials": replace(REAL, density=-1)}, "density"),
        ({"dials": replace(REAL, blur=-1)}, "blur"),
        ({"dials": replace(REAL, contrast=float("nan"))}, "contrast"),
        ({"dials": Dials(0, 1, 1, 1, "loud")}, "noise"),
        ({"dtype": "float32"}, "dtype"),
        ({"channels": 2}, "channels"),
    ],
)
def test_bad_arguments(change, culprit):
    with pytest.raises(InputError) as told:
        optics.simulate(**({"modality": "DIC", "seed": 1, "size": (20, 20)} | change))
    text = str(told.value)
    assert culprit in text and "; give" in text and "\n" not in text and text.endswith(".")


def test_bad_data_sets(tmp_path):
    for change, culprit in (
        ({"train": 0}, "train"),
        ({"val": -1}, "val"),
        ({"seed": "a"}, "seed"),
        ({"sizes": {}}, "sizes"),
        ({"sizes": TINY | {"DIC": (0, 0)}}, "size"),
        ({"folder": tmp_path}, str(tmp_path)),
    ):
        with pytest.raises(InputError, match="; ") as told:
            optics.make_simulated(**({"folder": tmp_path / "set"} | change))
        assert culprit in str(told.value) and not list(tmp_path.iterdir())
