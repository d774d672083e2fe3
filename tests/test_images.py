"""Reading, normalisation and the 3-class target, against the challenge's rules spelled out."""

import numpy as np
import pytest
import tifffile
from imageio import v3 as iio
from scipy import ndimage
from skimage.draw import disk

from twodints_lib.data import images, pixels
from twodints_lib.data.dataset import Item
from twodints_lib.data.labels import renumber
from twodints_lib.errors import InputError
from twodints_lib.targets.classes import INTERIOR, three_class

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (20, 30)).astype(np.uint8)
COLOUR = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".png", ".bmp", ".TIF"])
@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_files_come_back_as_written(tmp_path, suffix, array):
    path = tmp_path / f"image{suffix}"
    if suffix.lower().startswith(".tif"):
        tifffile.imwrite(path, array)
    else:
        iio.imwrite(path, array)
    np.testing.assert_array_equal(images.read_image(path), array)


def test_jpeg_is_read_nearly_as_written(tmp_path):
    smooth = np.tile(np.linspace(0, 200, 64), (64, 1)).astype(np.uint8)
    iio.imwrite(tmp_path / "a.jpg", smooth, quality=95)
    read = images.read_image(tmp_path / "a.jpg")
    assert read.shape == smooth.shape and np.abs(read.astype(int) - smooth).max() < 12


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int16])
def test_deep_tiffs_keep_their_values(tmp_path, dtype):
    array = (RNG.random((8, 9)) * 3000).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, compression="zlib")
    read = images.read_image(tmp_path / "a.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, array)


def test_pages_of_a_stack_come_apart(tmp_path):
    stack = RNG.integers(0, 999, (5, 20, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "z.tif", stack, photometric="minisblack")
    pages = images.read_pages(tmp_path / "z.tif")
    np.testing.assert_array_equal(np.stack(pages), stack)
    with pytest.raises(InputError, match="z.tif.*5 pages"):
        images.read_image(tmp_path / "z.tif")


def test_channels_first_are_moved_last(tmp_path):
    planes = RNG.integers(0, 255, (2, 20, 30)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", planes, imagej=True, metadata={"axes": "CYX"})
    np.testing.assert_array_equal(images.read_image(tmp_path / "c.tif"), np.moveaxis(planes, 0, -1))


def test_samples_stored_plane_by_plane_are_one_image(tmp_path):
    planes = RNG.integers(0, 255, (3, 20, 30)).astype(np.uint8)
    how = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "p.tif", planes, **how)
    np.testing.assert_array_equal(images.read_image(tmp_path / "p.tif"), np.moveaxis(planes, 0, -1))


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(np.zeros((64, 80), np.uint8))
        file.write(np.zeros((32, 40), np.uint8))
    with pytest.raises(InputError, match="two.tif.*different sizes"):
        images.read_pages(tmp_path / "two.tif")


def test_a_thumbnail_is_no_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / "t.tif") as file:
        file.write(np.ones((64, 80), np.uint8))
        file.write(np.zeros((32, 40), np.uint8), subfiletype=1)
    assert images.read_image(tmp_path / "t.tif").shape == (64, 80)


def test_one_bit_files_are_read(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:20] = True
    tifffile.imwrite(tmp_path / "m.tif", mask)
    assert images.read_labels(tmp_path / "m.tif").max() == 1
    assert images.normalise(images.read_image(tmp_path / "m.tif")).shape == (3, 20, 30)


def _truncated(path):
    tifffile.imwrite(path, np.zeros((400, 400), np.uint16))
    path.write_bytes(path.read_bytes()[:2000])


BAD_FILES = {
    "missing.png": lambda p: None,
    "notes.txt": lambda p: p.write_text("no image"),
    "broken.png": lambda p: p.write_bytes(b"\x89PNG but not really"),
    "cut.tif": _truncated,
    "empty.tif": lambda p: p.write_bytes(b""),
    "nan.tif": lambda p: tifffile.imwrite(p, np.full((4, 4), np.nan, np.float32)),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_in_one_sentence(tmp_path, name):
    BAD_FILES[name](tmp_path / name)
    with pytest.raises(InputError) as caught:
        images.read_image(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_labels_of_any_integer_type_are_renumbered(tmp_path, dtype):
    labels = np.array([[0, 7, 7], [3, 0, 100]], dtype)
    tifffile.imwrite(tmp_path / "l.tif", labels)
    read = images.read_labels(tmp_path / "l.tif")
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, [[0, 2, 2], [1, 0, 3]])


@pytest.mark.parametrize(
    ("array", "word"),
    [(np.ones((4, 4), np.float32), "float"), (-np.ones((4, 4), np.int16), "negative"),
     (np.ones((4, 4, 3), np.uint8), "colour")],
)  # fmt: skip
def test_labels_that_lost_their_ids_are_refused(tmp_path, array, word):
    tifffile.imwrite(tmp_path / "l.tif", array)
    with pytest.raises(InputError, match=f"l.tif.*{word}"):
        images.read_labels(tmp_path / "l.tif")


def test_labels_without_background_keep_every_cell():
    np.testing.assert_array_equal(renumber(np.array([[4, 4], [9, 9]])), [[1, 1], [2, 2]])


def test_label_of_another_shape_names_both_files(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    tifffile.imwrite(tmp_path / "a_label.tiff", np.zeros((9, 9), np.uint16))
    item = Item("a", "DIC", "train", tmp_path / "a.tif", tmp_path / "a_label.tiff")
    with pytest.raises(InputError, match="a_label.tiff.*a.tif"):
        images.read_pair(item)


def by_hand(channel):
    """The challenge's rule for one channel, pixel by pixel."""
    values = sorted(float(v) for v in channel.ravel() if v != 0)
    if not values:
        return np.zeros(channel.shape, np.uint8)
    low, high = np.percentile(values, 1), np.percentile(values, 99)
    out = np.zeros(channel.shape, np.uint8)
    for at, v in np.ndenumerate(channel):
        out[at] = int((min(max(float(v), low), high) - low) / (high - low) * 255)
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_normalisation_follows_the_challenge(dtype):
    image = (RNG.random((16, 18, 3)) ** 3 * 4000).astype(dtype)
    image[:4] = 0  # zeros do not count for the percentiles
    eight = np.stack([by_hand(image[..., c]) for c in range(3)]).astype(float)
    wanted = (eight - eight.min()) / (eight.max() - eight.min())
    np.testing.assert_allclose(images.normalise(image), wanted, atol=1e-6)


def test_grey_is_repeated_and_stray_channels_are_cut():
    grey = images.normalise(GREY)
    assert grey.shape == (3, 20, 30) and grey.dtype == np.float32
    assert (grey[0] == grey[1]).all() and (grey[0] == grey[2]).all()
    four = np.concatenate([COLOUR, 255 - COLOUR[..., :1]], -1)
    np.testing.assert_array_equal(images.normalise(four), images.normalise(COLOUR))
    two = COLOUR[..., :2]
    third = images.normalise(np.concatenate([two, two.max(-1, keepdims=True)], -1))
    np.testing.assert_array_equal(images.normalise(two), third)


def test_normalisation_is_blind_to_gain():
    np.testing.assert_allclose(
        images.normalise(GREY.astype(np.uint16) * 200), images.normalise(GREY), atol=1 / 200
    )


@pytest.mark.parametrize("value", [0, 1, 77, 60000])
def test_a_flat_image_gives_zeros(value):
    assert images.normalise(np.full((8, 8), value, np.uint16)).max() == 0


def target_by_hand(labels):
    """Inner boundary, dilated by a cross; interior under 16 px dropped: loops only."""
    height, width = labels.shape
    near = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))

    def at(y, x):
        return labels[y, x] if 0 <= y < height and 0 <= x < width else None

    inner = np.zeros(labels.shape, bool)
    for (y, x), v in np.ndenumerate(labels):
        inner[y, x] = v > 0 and any(at(y + a, x + b) not in (v, None) for a, b in near)
    boundary = np.zeros(labels.shape, bool)
    for y, x in np.argwhere(inner):
        for a, b in near:
            if at(y + a, x + b) is not None:
                boundary[y + a, x + b] = True
    parts, count = ndimage.label((labels > 0) & ~boundary)
    out = np.zeros(labels.shape, np.uint8)
    for i in range(1, count + 1):
        if (parts == i).sum() >= 16:
            out[parts == i] = 1
    out[boundary] = 2
    return out


@pytest.mark.parametrize("seed", range(4))
def test_three_classes_by_hand(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros((60, 60), np.int32)
    for i in range(1, 9):  # they touch, overlap and leave the image
        labels[disk(rng.integers(0, 60, 2), rng.integers(3, 12), shape=labels.shape)] = i
    np.testing.assert_array_equal(three_class(labels), target_by_hand(labels))


@pytest.mark.parametrize(("side", "kept"), [(4, True), (5, True), (3, False)])
def test_interiors_under_16_pixels_are_dropped(side, kept):
    labels = np.zeros((20, 20), int)
    labels[5 : 9 + side, 5 : 9 + side] = 1  # two pixels a side become boundary
    assert (three_class(labels) == INTERIOR).any() == kept


def test_the_size_of_a_pixel_is_the_files(tmp_path):
    told = {"unit": "um"}
    tifffile.imwrite(tmp_path / "ij.tif", GREY, imagej=True, resolution=(4, 4), metadata=told)
    um = {"PhysicalSizeX": 500.0, "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, metadata=um)
    tifffile.imwrite(tmp_path / "dpi.tif", GREY, resolution=(300, 300), resolutionunit="INCH")
    tifffile.imwrite(tmp_path / "none.tif", GREY)
    iio.imwrite(tmp_path / "a.png", GREY)
    (tmp_path / "broken.tif").write_bytes(b"II*")
    sizes = {p.name: pixels.micrometres(p) for p in tmp_path.iterdir()}
    assert sizes.pop("ij.tif") == 0.25 and sizes.pop("a.ome.tif") == 0.5
    assert set(sizes.values()) == {0.0} and len(sizes) == 4
