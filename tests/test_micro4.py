"""micro4's assembly: the rules on small made-up sources, and pixel by pixel on samples."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio import v3 as iio

from twodints_lib import files
from twodints_lib.data import images, manifest, micro4
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.files import pixel_hash

SHARED = Path(__file__).parents[2] / "shared" / "data"
SAMPLES, WHOLE = SHARED / "micro4_sources", SHARED / "micro4"
ROWS = {row["name"]: row for row in micro4.list_rows()}


def ring(shape, y, x, radius):
    """A one-pixel closed outline: the rim of a disk, cut where it leaves the map."""
    from skimage.segmentation import find_boundaries

    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return find_boundaries((yy - y) ** 2 + (xx - x) ** 2 <= radius**2, mode="inner")


def test_list_agrees_with_manifest():
    told = manifest.load_manifest("micro4")
    assert len(ROWS) == 153
    for split, counts in told["counts"].items():
        for modality, count in counts.items():
            assert count == sum(
                r["split"] == split and r["modality"] == modality for r in ROWS.values()
            )
    for source in told["sources"]:
        rows = [r for r in ROWS.values() if r["source"] == source["id"]]
        assert len(rows) == source["images"]
        assert {r["modality"] for r in rows} == set(source["modalities"])
        assert {r["licence"] for r in rows} == {source["licence"]}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of the sources are not here")
@pytest.mark.parametrize("name", ["bf_001", "fl_001", "pc_001", "dic_001", "dic_002", "dic_011"])
def test_samples_pixel_by_pixel(name, tmp_path):
    row = ROWS[name]
    # make_pair raises where a pixel of image or labels differs from the list
    pair = micro4.make_pair(row, SAMPLES / micro4.source_repos()[row["source"]])
    files.write_pair(row, tmp_path, *pair)
    for kind in ("image", "label"):
        path = tmp_path / row[kind]
        array = iio.imread(path) if path.suffix == ".png" else tifffile.imread(path)
        assert files.pixel_hash(array) == row[f"sha256_{kind}_pixels"]


def test_wrong_pixels_and_missing_files_are_told(tmp_path):
    folder = tmp_path / "s"
    write_nucleus(folder)
    row = dict(ROWS["bf_001"], source_file="s", crop_y="0", crop_x="0", height="30", width="40")
    with pytest.raises(InputError, match="bf_001 made from it is not the listed one") as told:
        micro4.make_pair(row, tmp_path)
    assert "\n" not in str(told.value) and "micro4.toml" in str(told.value)
    with pytest.raises(InputError, match="bf_001 needs it") as told:
        micro4.make_pair(dict(row, source_file="gone"), tmp_path)
    assert "\n" not in str(told.value) and "gone" in str(told.value)


def test_pixel_hash_sees_type_and_shape():
    zeros = np.zeros((2, 3), np.uint8)
    hashes = {files.pixel_hash(a) for a in (zeros, zeros.T, zeros.astype(np.uint16))}
    assert len(hashes) == 3
    assert files.pixel_hash(np.asfortranarray(zeros)) in hashes


def write_nucleus(folder, channels=4):
    """A dsb2018 folder: one grey image stored in colour, and two masks that overlap."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    image = np.repeat(np.arange(30 * 40).reshape(30, 40, 1) % 250, channels, 2).astype(np.uint8)
    if channels == 4:
        image[..., 3] = 255
    iio.imwrite(folder / "images" / "s.png", image)
    for name, part in (("b.png", np.s_[5:15, 10:20]), ("a.png", np.s_[5:15, 5:15])):
        mask = np.zeros((30, 40), np.uint8)
        mask[part] = 255
        iio.imwrite(folder / "masks" / name, mask)
    return image


def test_dsb2018_grey_in_colour_and_later_masks_on_top(tmp_path):
    image = write_nucleus(tmp_path)
    pixels, labels = micro4.read_dsb2018(tmp_path, tmp_path / "masks")
    assert (pixels == image[..., 0]).all()
    assert labels[10, 5] == 1 and labels[10, 12] == 2 and labels[20, 20] == 0


def test_usiigaci_reads_ids_as_they_are(tmp_path):
    image = np.arange(300, dtype=np.uint16).reshape(15, 20)
    tifffile.imwrite(tmp_path / "raw.tif", image)
    iio.imwrite(tmp_path / "instances_ids.png", (image // 100).astype(np.uint8))
    pixels, ids = micro4.read_usiigaci(tmp_path / "raw.tif", tmp_path / "instances_ids.png")
    assert pixels.dtype == np.uint16 and (ids == image // 100).all()


@pytest.mark.parametrize(
    ("source", "path", "expected"),
    [
        ("dsb2018", "stage1_train/a", "stage1_train/a/masks"),
        ("usiigaci", "M/set1/raw.tif", "M/set1/instances_ids.png"),
        ("bbbc030", "e/train/images/c.png", "e/train/outlines/c.png"),
        ("bbbc030", "e/test/images/c.png", "e/test_truth/outlines/c.png"),
        ("bbbc009", "e/B/images/c.tif", "e/B/outlines/c.tif"),
    ],
)
def test_where_labels_lie(source, path, expected):
    assert micro4.companion({"source": source, "source_file": path}) == expected


def test_bbbc_outlines_in_either_polarity(tmp_path):
    outline = ring((80, 90), 40, 40, 20)
    image = np.zeros((80, 90, 3), np.uint8)
    image[..., 0] = 7
    iio.imwrite(tmp_path / "i.png", image)
    iio.imwrite(tmp_path / "o.png", outline.astype(np.uint8) * 255)
    pixels, labels = micro4.read_bbbc030(tmp_path / "i.png", tmp_path / "o.png")
    assert (pixels == 7).all() and labels.max() == 1 and labels[40, 40] == 1
    tifffile.imwrite(tmp_path / "i.tif", image[..., 0])
    tifffile.imwrite(tmp_path / "o.tif", outline, photometric="miniswhite")
    _, again = micro4.read_bbbc009(tmp_path / "i.tif", tmp_path / "o.tif")
    assert (again == labels).all()


def test_outline_belongs_to_its_cell_and_nothing_beyond():
    outline = ring((80, 90), 40, 40, 20)
    labels = micro4.outline_instances(outline, smallest=60)
    yy, xx = np.mgrid[:80, :90]
    assert ((labels == 1) == ((yy - 40) ** 2 + (xx - 40) ** 2 <= 400)).all()
    assert micro4.outline_instances(outline, smallest=2000).max() == 0


def test_small_gap_between_cells_stays_background():
    outline = np.zeros((40, 60), bool)
    outline[5:35, [5, 25, 28, 50]] = True  # two cells with a gap of two pixels between them
    outline[[5, 34], 5:51] = True
    labels = micro4.outline_instances(outline, smallest=60)
    assert labels.max() == 2 and (labels[6:34, 26:28] == 0).all()
    assert labels[20, 25] == 1 and labels[20, 28] == 2


@pytest.mark.parametrize(("gap", "closed"), [(30, True), (149, True), (150, False), (3, False)])
def test_contour_cut_by_the_frame_is_closed(gap, closed):
    outline = np.zeros((60, 200), bool)
    outline[:40, [10, 10 + gap]] = True
    outline[39, 10 : 11 + gap] = True
    for turned in (outline, outline[::-1], outline.T, outline.T[:, ::-1]):
        found = micro4.close_at_frame(np.pad(turned, 1))
        assert (found.sum() - turned.sum() == gap + 1) == closed
        labels = micro4.outline_instances(turned, smallest=60)
        assert labels.max() == int(closed) and labels.shape == turned.shape


def test_tidy_drops_fragments_and_specks():
    labels = np.zeros((40, 40), int)
    labels[2:12, 2:12] = 7  # 100 px
    labels[20, 2:11] = 7  # a stray 9 of 109 px
    labels[30:35, 30:34] = 9
    labels[36:38, 30:34] = 9  # 8 of 28 px stay: more than a tenth
    labels[0, 30:39] = 3  # 9 px in all
    out = micro4.tidy(labels)
    assert out.dtype == np.uint16 and out.max() == 2
    assert (out == 1).sum() == 100 and (out == 2).sum() == 28


READ = {  # the beginnings of the hashes of image, labels, and the network's input
    "bf_001": "5dbbdb3039e7 6a84a0900c65 daccfa02e3fb",
    "bf_026": "fa8f234079f0 bf3e1ed770b7 bdb288d4a014",
    "fl_001": "70e1eaf5c5cd f9d9a638443d 564341f84cd9",
    "fl_026": "0d2924595e4c 9851e8ef8ac0 92775d183f74",
    "pc_001": "68d0f2de573a 0189cd44506a 1f3a10d7db5d",
    "pc_027": "f3c385b0dafa 08d1f79b6b32 54587e8ed327",
    "dic_001": "6ca84f361b1d 6feedee6ed10 7cf2ed553cc6",
    "dic_029": "8664c1deeb8d 0753bfa92757 8b18baed4841",
}


@pytest.mark.skipif(not WHOLE.is_dir(), reason="micro4 is not beside the checkout")
@pytest.mark.parametrize("name", READ)
def test_the_same_arrays_are_read_as_ever(name):
    (item,) = (i for i in open_data(WHOLE).items if i.name == name)
    image, labels = images.read_pair(item)
    found = " ".join(pixel_hash(a)[:12] for a in (image, labels, images.normalise(image)))
    assert found == READ[name]
