"""What a folder of one's own may hide: a picture in two splits, Windows' paths, others' names."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.messages import log

RNG = np.random.default_rng(0)
LABELS = np.zeros((20, 30), np.uint8)
LABELS[3:9, 3:9], LABELS[12:18, 12:18] = 1, 2


def picture():
    return RNG.integers(0, 255, (20, 30)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TWODINTS_CACHE", str(tmp_path / "cache"))
    for split, names in (("train", "abc"), ("val", "d")):
        for part in ("images", "labels"):
            (tmp_path / "set" / split / part).mkdir(parents=True)
        for n in names:
            tifffile.imwrite(tmp_path / "set" / split / "images" / f"{n}.tif", picture())
            tifffile.imwrite(tmp_path / "set" / split / "labels" / f"{n}_label.tiff", LABELS)
    return tmp_path / "set"


def warnings(monkeypatch, folder):
    said = []
    monkeypatch.setattr(log, "warning", said.append)
    open_data(folder)
    return said


@pytest.mark.parametrize("how", ["copy", "png", "colour", "16 bit"])
def test_the_same_picture_in_two_splits_is_named(folder, monkeypatch, how):
    assert warnings(monkeypatch, folder) == []
    pixels = tifffile.imread(folder / "train/images/b.tif")
    target = folder / "val/images/d.tif"
    if how == "copy":
        target.write_bytes((folder / "train/images/b.tif").read_bytes())
    elif how == "png":
        target.unlink()
        Image.fromarray(pixels).save(target.with_suffix(".png"))
    else:
        same = pixels[..., None].repeat(3, -1) if how == "colour" else pixels.astype(np.uint16)
        tifffile.imwrite(target, same)
    for _ in range(2):  # found, and found again in the cache
        (said,) = warnings(monkeypatch, folder)
        assert "b and d are the same picture in two splits" in said


def manifest(folder, *rows):
    text = "name,split,modality,image,label\n" + "".join(r + "\n" for r in rows)
    (folder / "manifest.csv").write_text(text)


def test_one_file_listed_in_two_splits_is_refused(folder):
    row = "train/images/a.tif,train/labels/a_label.tiff"
    manifest(folder, f"a,train,DIC,{row}", f"other,val,DIC,{row}")
    with pytest.raises(InputError, match="a.tif is in two splits, as 'a' in train.*'other' in val"):
        open_data(folder)


def test_paths_written_on_windows_are_found(folder):
    manifest(folder, r"a,train,DIC,train\images\a.tif,train\labels\a_label.tiff")
    (item,) = open_data(folder).items
    assert item.image.is_file() and item.label.is_file()


@pytest.mark.parametrize(
    ("image", "label"),
    [("e.ome.tif", "e_label.tiff"), ("e.tif", "e_cp_masks.png"), ("e.tif", "e_masks.tif"),
     ("e_mask.tif", "e_mask.tif"), ("e.ome.tif", "e.ome.tif")],
)  # fmt: skip
def test_names_that_programs_give_are_matched(folder, image, label):
    for part, name, array in (("images", image, picture()), ("labels", label, LABELS)):
        for old in (folder / "val" / part).iterdir():
            old.unlink()
        if name.endswith("png"):
            Image.fromarray(array).save(folder / "val" / part / name)
        else:
            tifffile.imwrite(folder / "val" / part / name, array)
    (item,) = open_data(folder).split("val")
    assert item.label.name == label
