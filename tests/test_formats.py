"""One picture in many containers: what a file says of its samples gives the same array."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from twodints_lib.data import images
from twodints_lib.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 200, (40, 60)).astype(np.uint8)
DEEP = RNG.integers(0, 3000, (40, 60)).astype(np.uint16)
COLOUR = RNG.integers(0, 255, (40, 60, 3)).astype(np.uint8)
OPAQUE = np.full((40, 60, 1), 255, np.uint8)


@pytest.mark.parametrize(
    ("array", "how"),
    [
        (GREY, {"compression": "lzw"}), (DEEP, {"compression": "lzw", "predictor": 2}),
        (GREY, {"compression": "zstd"}), (COLOUR, {"compression": "lzw", "predictor": True}),
        (COLOUR.astype(np.uint16) * 7, {"compression": "lzw"}), (DEEP, {"bitspersample": 12}),
        (GREY / np.float32(255), {"compression": "zlib", "predictor": 3}),
        (GREY, {"compression": "packbits"}), (GREY, {"compression": "lzma"}),
        (DEEP, {"compression": "lzw", "tile": (16, 16)}),
    ],
)  # fmt: skip
def test_compressed_and_packed_tiffs_keep_their_values(tmp_path, array, how):
    if "bitspersample" in how:
        written = imagecodecs.packints_encode(array, 12)
        _packed(tmp_path / "a.tif", array, written)
    else:
        tifffile.imwrite(tmp_path / "a.tif", array, **how)
    read = images.read_image(tmp_path / "a.tif")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def _packed(path, array, written):
    """A TIFF of 12 bits a sample: 16 bits as tifffile writes them, then its tags mended."""
    tifffile.imwrite(path, np.frombuffer(written, np.uint8).reshape(len(array), -1))
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name, value in (("BitsPerSample", 12), ("ImageWidth", array.shape[1])):
            file.pages[0].tags[name].overwrite(value)


def test_the_lossy_tiff_is_read_nearly_as_written(tmp_path):
    smooth = np.tile(np.linspace(0, 200, 64), (64, 1)).astype(np.uint8)[..., None].repeat(3, -1)
    tifffile.imwrite(tmp_path / "a.tif", smooth, compression="jpeg", photometric="rgb")
    assert np.abs(images.read_image(tmp_path / "a.tif").astype(int) - smooth).max() < 12


def _palette(path, indices, table):
    if path.suffix == ".tif":
        wide = table.T.astype(np.uint16) * 257
        tifffile.imwrite(path, indices, photometric="palette", colormap=wide)
    else:
        image = Image.fromarray(indices, "P")
        image.putpalette(table.ravel().tolist())
        image.save(path)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".bmp"])
def test_a_palette_colours_images_and_leaves_labels(tmp_path, suffix):
    table = RNG.permutation(256).astype(np.uint8)[:, None].repeat(3, 1)
    path, ids = tmp_path / f"a{suffix}", tmp_path / f"ids{suffix}"
    _palette(path, GREY, table)
    np.testing.assert_array_equal(images.read_image(path), table[GREY])
    labels = np.zeros((8, 9), np.uint8)
    labels[1:3, 1:3], labels[5:7, 5:7] = 9, 4
    _palette(ids, labels, table)
    assert images.read_labels(ids)[1, 1] == 2 and images.read_labels(ids)[5, 5] == 1


@pytest.mark.parametrize("array", [GREY[..., None], COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_alpha_is_no_signal_and_that_is_said(tmp_path, array, suffix):
    path, both = tmp_path / f"a{suffix}", np.concatenate([array, OPAQUE], -1)
    if suffix == ".tif":
        kind = "rgb" if array.shape[-1] == 3 else "minisblack"
        tifffile.imwrite(path, both, photometric=kind, extrasamples=["unassalpha"])
    else:
        Image.fromarray(both).save(path)
    read = images.read_picture(path)
    np.testing.assert_array_equal(read.pages[0], array.squeeze())
    assert read.notes == ("alpha is left out",)


def test_a_second_channel_that_is_not_alpha_stays(tmp_path):
    both = np.stack([GREY, GREY // 2], -1)
    how = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", both, extrasamples=["unspecified"], **how)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.tif"), both)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_png_keeps_16_bits_of_every_sample(tmp_path, samples):
    array = RNG.integers(0, 300, (9, 8, samples)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    read, wanted = images.read_image(tmp_path / "a.png"), array[..., : samples - 1 + samples % 2]
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, wanted.squeeze())


@pytest.mark.parametrize("array", [GREY, DEEP, GREY > 99], ids=["8", "16", "1"])
def test_white_is_zero_is_turned_to_brightness(tmp_path, array):
    top = 1 if array.dtype == bool else np.iinfo(array.dtype).max
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.tif"), top - array.astype(int))


def test_inks_become_colours_as_pillow_makes_them(tmp_path):
    inks = RNG.integers(0, 255, (9, 8, 4)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    wanted = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB")).astype(int)
    assert np.abs(images.read_image(tmp_path / "a.tif") - wanted).max() <= 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_in_every_format(tmp_path, turn):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[274] = turn
    picture = Image.fromarray(GREY)
    picture.save(tmp_path / "a.png", exif=exif)
    picture.save(tmp_path / "a.tif", tiffinfo={274: turn})
    with Image.open(tmp_path / "a.png") as opened:
        wanted = np.asarray(ImageOps.exif_transpose(opened))
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(images.read_image(tmp_path / name), wanted)


@pytest.mark.parametrize("unit", [1 / 65535, 1e-12, 3.4, 1e6])
def test_a_float_image_is_normalised_the_same_in_every_unit(unit):
    image = (DEEP // 20).astype(np.float32)
    found = images.normalise(image * np.float32(unit))
    assert np.abs(found - images.normalise(image)).max() <= 1.01 / 255
    assert found.max() == 1


def test_two_channels_stored_last_are_no_pages(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY, GREY], -1))
    read = images.read_picture(tmp_path / "a.tif")
    assert read.pages[0].shape == (40, 60, 2) and "one image of 2 channels" in read.notes[0]


def test_planes_of_other_files_are_not_invented(tmp_path):
    """OME metadata that name two files, of which one is here: what is in it, and nothing else."""
    stack = np.stack([GREY, GREY + 1])[:, None]
    tifffile.imwrite(tmp_path / "whole.ome.tif", stack, ome=True, metadata={"axes": "TCYX"})
    text = tifffile.TiffFile(tmp_path / "whole.ome.tif").ome_metadata
    uuid = '<UUID FileName="{}">urn:uuid:0</UUID></TiffData>'
    head, _, tail = text.partition("<TiffData")
    planes = "".join(
        f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1">{uuid.format(f"t{t}.ome.tif")}'
        for t in (0, 1)
    )
    told = head + planes + tail.partition("/>")[2]
    tifffile.imwrite(tmp_path / "t1.ome.tif", GREY, description=told, metadata=None)
    np.testing.assert_array_equal(images.read_image(tmp_path / "t1.ome.tif"), GREY)


def test_an_animation_is_refused(tmp_path):
    frames = [Image.fromarray(GREY), Image.fromarray(GREY // 2)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="a.png.*2 frames"):
        images.read_image(tmp_path / "a.png")


def test_two_channels_of_the_same_are_a_grey_picture_to_a_network():
    both = np.stack([GREY, GREY], -1)
    np.testing.assert_array_equal(images.normalise(both), images.normalise(GREY))


@pytest.mark.parametrize("channels", [2, 3, 5])
def test_any_number_of_channels_is_drawn(channels):
    from twodints_lib.plots.pictures import grey

    assert grey(RNG.integers(0, 255, (9, 8, channels))).shape == (9, 8, 3)
