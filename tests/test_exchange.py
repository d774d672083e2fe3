"""Others' formats: read back by the other side's own library, taken in, and measured in units."""

import json
import multiprocessing
import pickle

import numpy as np
import pytest
import roifile
import tifffile
from conftest import blobs
from imageio import v3 as iio

from twodints_lib import cli
from twodints_lib.data.dataset import open_data
from twodints_lib.data.images import read_labels
from twodints_lib.data.labels import renumber
from twodints_lib.errors import InputError
from twodints_lib.exchange import (
    import_labels,
    measure,
    measure_files,
    outlines,
    pixel_size,
    segment_and_export,
    write_exports,
)
from twodints_lib.exchange.pickled import cellpose_masks
from twodints_lib.inference import segment

LACKING = "not installed: pip install -c constraints.txt -r tests/formats.txt"


def odd_labels():
    """Cells with a hole, one of them filled by another, pieces, gaps in the ids and at the edge."""
    labels = np.zeros((40, 50), np.int32)
    labels[2:14, 2:14] = 3
    labels[5:11, 5:11] = 0
    labels[6:10, 6:10] = 5
    labels[20:23, 30:50] = 9
    labels[30:33, 5:8] = labels[33:36, 8:11] = 70000  # in two pieces that touch at a corner
    labels[25, 25] = 8
    return labels


def pictured(folder, labels, name="cells.tif", **told):
    """An image file that goes with labels."""
    image = np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)
    tifffile.imwrite(folder / name, image, **told)
    return folder / name, image


def test_outlines_run_along_the_pixels_and_come_back():
    rng = np.random.default_rng(0)
    for density in (0.2, 0.5, 0.8, 1.0):
        labels = (rng.random((20, 24)) <= density) * rng.integers(1, 4, (20, 24)).astype(np.int32)
        rings = outlines.outlines(labels)
        back, shared = outlines.draw(rings, labels.shape)
        assert (back == renumber(labels)).all() and shared == 0
        assert [sum(map(outlines.area, r)) for r in rings] == np.bincount(labels.ravel())[
            1:
        ].tolist()


@pytest.mark.parametrize("kind", ["rois", "geojson"])
def test_outlines_written_are_taken_in_again(kind, tmp_path, said):
    labels = odd_labels()
    picture, image = pictured(tmp_path, labels)
    (written,) = write_exports(picture, [labels], [image], tmp_path, [kind])
    (back,) = import_labels(written, tmp_path / "in", tmp_path)
    if kind == "rois":  # ImageJ's outlines have no holes: what lies in one stays on top
        assert "holes in cells are filled (1)" in said[0] and "16 pixels" in said[1]
        labels[5:11, 5:11] = np.maximum(labels[5:11, 5:11], 3)
    assert (read_labels(back) == renumber(labels)).all()
    assert open_data(tmp_path / "in").items[0].image.name == "cells.tif"
    with pytest.raises(InputError, match="exists already"):
        write_exports(picture, [labels], [image], tmp_path, [kind])
    with pytest.raises(InputError, match="exists already"):
        import_labels(written, tmp_path / "in", tmp_path)


def test_imagej_sees_a_named_outline_for_each_piece(tmp_path):
    picture, image = pictured(tmp_path, odd_labels())
    (path,) = write_exports(picture, [odd_labels()] * 2, [image] * 2, tmp_path, ["rois"])
    rois = roifile.roiread(path)
    assert [r.name for r in rois[:3]] == [f"page-1-cell-0000{i}" for i in (3, 5, 8)]
    assert rois[4].name == "page-1-cell-70000" and rois[5].name == "page-1-cell-70000-2"
    assert [r.position for r in rois] == [1] * 6 + [2] * 6
    square = rois[0].coordinates()
    assert square.tolist() == [[2, 2], [14, 2], [14, 14], [2, 14]]


def test_qupaths_features_have_the_areas_of_the_cells(tmp_path):
    shapely = pytest.importorskip("shapely.geometry", reason=LACKING)
    labels = odd_labels()
    picture, image = pictured(tmp_path, labels)
    (path,) = write_exports(picture, [labels], [image], tmp_path, ["geojson"])
    for feature in json.loads(path.read_text())["features"]:
        shape = shapely.shape(feature["geometry"])
        assert shape.is_valid
        assert shape.area == (labels == feature["properties"]["label"]).sum()


def test_an_ome_tiff_holds_the_ids_and_the_scale(tmp_path):
    labels = odd_labels()
    told = {"axes": "YX", "PhysicalSizeX": 650.0, "PhysicalSizeXUnit": "nm"}
    told |= {"PhysicalSizeY": 0.325, "PhysicalSizeYUnit": "µm"}
    picture, image = pictured(tmp_path, labels, "cells.ome.tif", metadata=told)
    (path,) = write_exports(picture, [labels], [image], tmp_path, ["ome"])
    assert (tifffile.imread(path) == labels).all()
    assert pixel_size(picture) == pixel_size(path) == pytest.approx((0.325, 0.65))
    ome_types = pytest.importorskip("ome_types", reason=LACKING)
    pixels = ome_types.from_tiff(path).images[0].pixels
    assert (pixels.size_x, pixels.size_y) == (50, 40)
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value) == (0.65, "µm")


@pytest.mark.parametrize(
    ("told", "size"),
    [
        ({"imagej": True, "resolution": (4, 2), "metadata": {"unit": "um"}}, (0.5, 0.25)),
        ({"imagej": True, "resolution": (2, 2), "metadata": {"unit": "pixel"}}, None),
        ({"resolution": (20000, 20000), "resolutionunit": 3}, (0.5, 0.5)),
        ({"resolution": (300, 300), "resolutionunit": 2}, None),  # a printer's
        ({}, None),
    ],
)
def test_a_pixels_size_is_what_the_file_tells(told, size, tmp_path):
    path, _ = pictured(tmp_path, odd_labels(), **told)
    assert pixel_size(path) == (size and pytest.approx(size))


def test_a_disc_is_measured_in_its_units():
    labels = np.zeros((60, 90), np.int32)
    y, x = np.mgrid[:60, :90]
    labels[(y - 30) ** 2 + (x - 30) ** 2 <= 100] = 4
    labels[20:40, 41:51] = 7
    labels[0, 80:84] = 9
    image = np.stack([np.full(labels.shape, 5), labels * 100], -1).astype(np.uint16)
    plain, scaled = measure(labels, image), measure(labels, image, (0.5, 0.5))
    assert plain["label"].tolist() == [4, 7, 9]
    assert plain["area_px"].tolist() == [317, 200, 4]
    assert scaled["area_um2"].tolist() == [79.25, 50, 1]
    assert plain["diameter_px"][0] == pytest.approx(20.1, abs=0.05)
    assert scaled["diameter_um"][0] == pytest.approx(10.05, abs=0.03)
    assert (plain["x_px"][0], plain["y_px"][0]) == (30.5, 30.5)  # from the image's corner
    assert plain["intensity_mean_channel_1"].tolist() == [5, 5, 5]
    assert plain["intensity_max_channel_2"].tolist() == [400, 700, 900]
    assert plain["neighbours"].tolist() == [1, 1, 0]
    assert plain["touches_edge"].tolist() == [0, 0, 1]
    assert plain["eccentricity"][0] < 0.1 < 0.8 < plain["eccentricity"][1]
    assert plain["nearest_px"][0] == pytest.approx(15.5, abs=0.1)
    none = measure(np.zeros((9, 9), np.int32), np.zeros((9, 9)))
    assert none.keys() == measure(labels, labels).keys() and not len(none["label"])


def test_a_table_has_one_unit(tmp_path, capsys):
    for part in ("labels", "images"):
        (tmp_path / part).mkdir()
    for name, unit in (("a", {"resolution": (20000, 20000), "resolutionunit": 3}), ("b", {})):
        image, labels = blobs(1)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", image, **unit)
        tifffile.imwrite(tmp_path / "labels" / f"{name}_label.tiff", labels * 3)
    given = (tmp_path / "labels", tmp_path / "images", tmp_path / "cells.csv")
    with pytest.raises(InputError, match="b_label.tiff: tells no pixel size, and a_label"):
        measure_files(*given)
    words = ["measure", *map(str, given[:2]), "-o", str(given[2])]
    assert cli.main([*words, "--pixel-size", "0.5"]) == 0
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(given[2])
    assert set(table["image"]) == {"a", "b"} and {"area_um2", "x_um"} <= set(table)
    ids = np.unique(labels)[1:] * 3
    assert table["label"].tolist() == [*ids, *ids]  # the file's own
    assert cli.main([*words, "--pixel-size", "0.5"]) == 2 and "new file" in capsys.readouterr().err
    (tmp_path / "images" / "b.tif").unlink()
    with pytest.raises(InputError, match="b_label.tiff: has no image of its name"):
        measure_files(*given[:2], tmp_path / "more.csv", (1.0, 1.0))


class Trap:
    """A pickle that leaves a file when it is read as pickles are."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def seg_file(path, masks, **more):
    """A _seg.npy as Cellpose writes it."""
    content = {"masks": masks, "outlines": masks, "filename": "x.tif", "flows": [masks, None]}
    np.save(path, content | {"ismanual": np.zeros(3, bool), "est_diam": np.float64(3)} | more)
    return path


def test_cellposes_masks_are_read_and_nothing_is_run(tmp_path):
    image, labels = blobs(3)
    iio.imwrite(tmp_path / "a.png", image)
    seg_file(tmp_path / "a_seg.npy", labels, trap=Trap(tmp_path / "sprung"))
    (back,) = import_labels(tmp_path, tmp_path / "in")
    assert (read_labels(back) == renumber(labels)).all()
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(InputError, match="b_seg.npy: is no _seg.npy.*masks are no image"):
        cellpose_masks(seg_file(tmp_path / "b_seg.npy", Trap(tmp_path / "sprung")))
    np.save(tmp_path / "c_seg.npy", labels)
    (tmp_path / "d_seg.npy").write_bytes((tmp_path / "a_seg.npy").read_bytes()[:-200])
    (tmp_path / "e_seg.npy").write_bytes(pickle.dumps({"masks": labels}))
    for name in "cde":
        with pytest.raises(InputError, match=f"{name}_seg.npy: is no _seg.npy of Cellpose"):
            cellpose_masks(tmp_path / f"{name}_seg.npy")
    assert not (tmp_path / "sprung").exists()


def test_cellposes_png_masks_are_taken_in(tmp_path):
    image, labels = blobs(3)
    iio.imwrite(tmp_path / "a.png", image)
    iio.imwrite(tmp_path / "a_cp_masks.png", labels)
    (back,) = import_labels(tmp_path, tmp_path / "in")
    assert (read_labels(back) == renumber(labels)).all()


def test_a_mask_for_each_nucleus_is_taken_in(tmp_path):
    image, labels = blobs(5)
    for part in ("images", "masks"):
        (tmp_path / "stage1" / "ab12" / part).mkdir(parents=True)
    iio.imwrite(tmp_path / "stage1" / "ab12" / "images" / "ab12.png", image)
    for i in np.unique(labels)[1:]:
        mask = ((labels == i) * 255).astype(np.uint8)
        iio.imwrite(tmp_path / "stage1" / "ab12" / "masks" / f"{i}.png", mask)
    (back,) = import_labels(tmp_path / "stage1", tmp_path / "in")
    assert (read_labels(back) == renumber(labels)).all()
    iio.imwrite(tmp_path / "stage1" / "ab12" / "masks" / "x.png", np.zeros_like(image))
    with pytest.raises(InputError, match="x.png: marks no pixels"):
        import_labels(tmp_path / "stage1", tmp_path / "no")
    assert not (tmp_path / "no").exists()


RUNS = {"counts": [3, 1, 3, 1, 4], "size": [4, 3]}  # down the columns: below left, two pixels
WANTED = [[2, 2, 0], [2, 2, 0], [0, 0, 0], [1, 1, 0]]


def coco(path, *segmentations, name="sub/a.png", shape=(4, 3)):
    """A COCO json of one image."""
    notes = [{"image_id": 7, "segmentation": s, "iscrowd": 0} for s in segmentations]
    image = {"id": 7, "file_name": name, "height": shape[0], "width": shape[1]}
    path.write_text(json.dumps({"images": [image], "annotations": notes}))
    return path


def test_cocos_polygons_and_run_lengths_are_taken_in(tmp_path):
    iio.imwrite(tmp_path / "a.png", np.zeros((4, 3), np.uint8))
    path = coco(tmp_path / "notes.json", RUNS, [[0, 0, 2, 0, 2, 2, 0, 2]])
    (back,) = import_labels(path, tmp_path / "in")
    assert read_labels(back).tolist() == WANTED
    for wrong in ({"counts": [3, 2], "size": [4, 3]}, [[0, 0]], "text", {"counts": "~"}):
        with pytest.raises(InputError, match="is no COCO json of outlines"):
            import_labels(coco(tmp_path / "wrong.json", wrong), tmp_path / "no", tmp_path)
    away = coco(tmp_path / "away.json", RUNS, name="../../a.png")
    import_labels(away, tmp_path / "away")
    assert sorted(p.name for p in (tmp_path / "away" / "images").iterdir()) == ["a.png"]


def test_packed_run_lengths_are_pycocotools(tmp_path):
    mask = pytest.importorskip("pycocotools.mask", reason=LACKING)
    _, labels = blobs(7)
    iio.imwrite(tmp_path / "a.png", np.zeros(labels.shape, np.uint8))
    ids = np.unique(labels)[1:]
    packed = [mask.encode(np.asfortranarray(labels == i)) for i in ids]
    told = [{"counts": p["counts"].decode(), "size": p["size"]} for p in packed]
    (back,) = import_labels(coco(tmp_path / "n.json", *told, shape=labels.shape), tmp_path / "in")
    assert (read_labels(back) == renumber(labels)).all()


def test_what_is_no_import_is_told(tmp_path):
    iio.imwrite(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(InputError, match="holds no labels that we know; give Cellpose"):
        import_labels(tmp_path, tmp_path / "in")
    (tmp_path / "a.geojson").write_text('{"features": [{"geometry": {"type": "Point"}}]}')
    with pytest.raises(InputError, match="a.geojson: holds a Point"):
        import_labels(tmp_path, tmp_path / "in")
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match="of several kinds"):
        import_labels(tmp_path, tmp_path / "in")
    with pytest.raises(InputError, match="a.zip: holds no ROIs"):
        import_labels(tmp_path / "a.zip", tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_segment_exports_and_processes_give_the_same(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", blobs(3, 64)[0])
    model = "derived-ladder-micro4"
    words = ["segment", str(tmp_path / "images"), "--model", model]
    kinds = [w for kind in ("ome", "rois", "geojson", "csv") for w in ("--export", kind)]
    assert cli.main([*words, "-o", str(tmp_path / "one"), *kinds]) == 0
    made = {str(p.relative_to(tmp_path / "one")) for p in (tmp_path / "one").rglob("*.*")}
    assert {
        "a_label.tiff",
        "ome/a.ome.tiff",
        "rois/b.zip",
        "geojson/b.geojson",
        "csv/a.csv",
    } <= made
    # Forked here, where one thread runs: it saves the time that starting anew takes.
    monkeypatch.setattr(segment, "get_context", lambda _: multiprocessing.get_context("fork"))
    segment_and_export([tmp_path / "images"], tmp_path / "two", ["csv"], model=model, workers=2)
    for path in ("a_label.tiff", "csv/b.csv"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    (tmp_path / "three" / "csv").mkdir(parents=True)
    (tmp_path / "three" / "csv" / "b.csv").write_text("mine")
    with pytest.raises(InputError, match="b.csv: exists already"):
        segment_and_export([tmp_path / "images"], tmp_path / "three", ["csv"], model=model)
    assert not (tmp_path / "three" / "a_label.tiff").exists()
    with pytest.raises(InputError, match="--export tiff: is not known; take some of ome"):
        segment_and_export([tmp_path / "images"], tmp_path / "four", ["tiff"])
    with pytest.raises(InputError, match="--workers -1"):
        segment.segment_files([tmp_path / "images"], tmp_path / "five", workers=-1)
