"""What is no instance label is refused in one sentence, at every door; what is one passes."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.draw import disk

from twodints_lib import cli
from twodints_lib.data.images import name_of, read_ids, read_labels
from twodints_lib.errors import InputError
from twodints_lib.exchange import import_labels

RNG = np.random.default_rng(0)


def discs(number=14, size=160, dtype=np.uint16):
    """Round cells on a grid, an id each."""
    labels, side = np.zeros((size, size), dtype), int(np.ceil(number**0.5))
    step = size / side
    for i in range(number):
        centre = ((i // side + 0.5) * step, (i % side + 0.5) * step)
        labels[disk(centre, step / 3, shape=labels.shape)] = i + 1
    return labels


def photograph():
    light = 200 * np.exp(-((discs() == 0) * 1.0)) + RNG.normal(0, 9, (160, 160))
    return light.clip(0, 255).astype(np.uint8)


LOST = {
    "mask": ((discs() > 0).astype(np.uint8), "id 1 lies in 14 separate pieces"),
    "mask of 255": ((discs(2) > 0).astype(np.uint8) * 255, "id 255 lies in 2 separate pieces"),
    "semantic": (np.where(discs(), discs() % 3 + 1, 0).astype(np.uint8), "separate pieces"),
    "photograph": (photograph(), "photograph"),
    "wrapped": ((discs(285, 400) % 256).astype(np.uint8), "start again after 255"),
    "cut at 255": (discs(285, 400).clip(0, 255).astype(np.uint8), "id 255 lies in 31"),
    "inverted": (255 - discs(dtype=np.uint8), "id 255 surrounds"),
    "inverted mask": (np.where(discs(), 0, 255).astype(np.uint8), "id 255 surrounds"),
}


@pytest.mark.parametrize("kind", LOST)
def test_files_that_lost_their_ids_are_refused(tmp_path, kind):
    array, words = LOST[kind]
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(InputError, match=f"a.tif: holds no instance labels.*{words}"):
        read_labels(tmp_path / "a.tif")


def split():
    labels = discs()
    labels[:, 78:82] = 0  # a crack through a column of cells
    return labels


KEPT = {
    "plain": discs(), "gaps": discs() * 4000, "split": split(), "one cell": discs(1),
    "one cell of 255": (discs(1) * 255).astype(np.uint8), "none": np.zeros((9, 9), np.uint8),
    "8 bits full": discs(255, 400).astype(np.uint8), "tissue": np.arange(16).reshape(4, 4) + 1,
    "a large cell and a small": np.where(discs(1) > 0, 1, 0) + (np.eye(160, dtype=int) > 2),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEPT)
def test_instance_labels_pass(tmp_path, kind):
    tifffile.imwrite(tmp_path / "a.tif", KEPT[kind])
    assert read_labels(tmp_path / "a.tif").max() == len(np.unique(KEPT[kind][KEPT[kind] > 0]))


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_lossy_labels_are_refused(tmp_path, name):
    if name == "a.jpg":
        Image.fromarray(discs(dtype=np.uint8)).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, discs(dtype=np.uint8), compression="jpeg")
    with pytest.raises(InputError, match=f"{name}: is a JPEG"):
        read_labels(tmp_path / name)


def test_relabel_makes_instances_of_masks_and_of_nothing_else(tmp_path):
    tifffile.imwrite(tmp_path / "mask.tif", (discs(2) > 0).astype(np.uint8))
    tifffile.imwrite(tmp_path / "labels.tif", split())
    tifffile.imwrite(tmp_path / "photo.tif", photograph())
    assert read_labels(tmp_path / "mask.tif", relabel=True).max() == 2
    np.testing.assert_array_equal(read_ids(tmp_path / "labels.tif", relabel=True)[0], split())
    with pytest.raises(InputError, match="photograph"):
        read_labels(tmp_path / "photo.tif", relabel=True)


@pytest.fixture
def masks(tmp_path):
    for part, array in (("images", discs() * 9), ("labels", (discs() > 0).astype(np.uint8))):
        (tmp_path / part).mkdir()
        for n in "ab":
            tifffile.imwrite(tmp_path / part / f"{n}.tif", array)
    return tmp_path


def test_every_door_refuses_masks_and_relabels_them(masks, capsys):
    folder = str(masks / "labels")
    assert cli.main(["evaluate", folder, folder]) == 2
    assert "separate pieces" in capsys.readouterr().err
    assert cli.main(["evaluate", folder, folder, "--relabel"]) == 0
    assert "14 of    14 found  F1 1.0000" in capsys.readouterr().out
    assert cli.main(["ceiling", str(masks), "--only", "distance"]) == 2
    assert cli.main(["ceiling", str(masks), "--only", "distance", "--relabel"]) == 0
    made = import_labels(masks, masks / "new", relabel=True)
    assert [read_labels(p).max() for p in made] == [14, 14]


def test_names_of_images_and_labels_meet():
    names = ("a.tif", "a.ome.tif", "a_label.tiff", "a_cp_masks.png", "a_masks.tif", "a_mask.png")
    assert {name_of(n) for n in names} == {"a"}


def test_a_stack_is_scored_page_by_page(tmp_path, capsys):
    for part in ("pred", "truth"):
        (tmp_path / part).mkdir()
        tifffile.imwrite(
            tmp_path / part / "t_label.tiff", np.stack([discs()] * 3), photometric="minisblack"
        )
    pair = [str(tmp_path / "pred"), str(tmp_path / "truth")]
    assert cli.main(["evaluate", *pair]) == 0
    out = capsys.readouterr().out
    assert all(f"t page {n}" in out for n in (1, 2, 3)) and "mean F1 1.0000" in out
    tifffile.imwrite(tmp_path / "pred" / "t_label.tiff", discs())
    assert cli.main(["evaluate", *pair]) == 2
    assert "3 pages" in capsys.readouterr().err


def test_a_tiny_image_is_named(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", discs())
    tifffile.imwrite(tmp_path / "c.tif", np.ones((4, 4), np.uint8))
    assert cli.main(["evaluate", str(tmp_path), str(tmp_path)]) == 2
    assert "c.tif" in capsys.readouterr().err
