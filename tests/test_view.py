"""What of a file or folder is used is said, and chosen: pages, channels, axes, files."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from twodints_lib import cli
from twodints_lib.data import microscopes
from twodints_lib.data.images import read_pages
from twodints_lib.data.view import View, left_out, list_images, read_view
from twodints_lib.errors import InputError

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 255, (4, 20, 30)).astype(np.uint8)
PLAIN = {"photometric": "minisblack"}


def test_channels_beyond_three_are_said_and_can_be_chosen(tmp_path):
    path = tmp_path / "c4.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "CYX"})
    assert "channels 1,2,3 of 4, the others left out" in read_view(path).notes[0]
    np.testing.assert_array_equal(read_view(path, View(channels=(4,))).pages[0], STACK[3])
    two = read_view(path, View(channels=(4, 1)))
    np.testing.assert_array_equal(two.pages[0], np.moveaxis(STACK[[3, 0]], 0, -1))
    assert two.notes == ("channels 4,1 of 4",)
    for wrong in ((5,), (0,), (1, 2, 3, 4)):
        with pytest.raises(InputError, match="--channels"):
            read_view(path, View(channels=wrong))


def test_pages_are_said_and_one_can_be_chosen(tmp_path):
    path = tmp_path / "z.tif"
    tifffile.imwrite(path, STACK, metadata={"axes": "ZYX"}, **PLAIN)
    assert read_view(path).notes == ("4 pages (axes ZYX)",)
    np.testing.assert_array_equal(read_view(path, View(page=2)).pages, STACK[1:2])
    with pytest.raises(InputError, match="--page 5.*pages 1 to 4"):
        read_view(path, View(page=5))


def test_axes_of_the_user_win(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, **PLAIN)
    assert len(read_pages(path)) == 4
    read = read_view(path, View(axes="cyx"))
    np.testing.assert_array_equal(read.pages[0], np.moveaxis(STACK, 0, -1))
    for wrong in ("CY", "YX", "CCYX", "XYC", "YCX", "TCYX"):
        with pytest.raises(InputError, match="--axes"):
            read_view(path, View(axes=wrong))


def test_what_a_folder_holds_besides_is_said(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("im_img.tif", "im_masks.tif", "sub/e.tif"):
        tifffile.imwrite(tmp_path / name, STACK[0])
    for name in ("b.czi", "b.npy", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert list_images([tmp_path]) == [tmp_path / "im_img.tif"]
    said = " ".join(left_out([tmp_path]))
    assert all(n in said for n in ("b.czi", "b.npy", "sub/", "im_masks.tif"))
    assert "notes" not in said
    (tmp_path / "im_img.tif").unlink()
    with pytest.raises(InputError, match="labels alone"):
        list_images([tmp_path])


def test_segment_keeps_axes_and_takes_the_channel_and_says_so(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "t.ome.tif", STACK[:2], metadata={"axes": "TYX"}, **PLAIN)
    out, model = tmp_path / "out", ["--model", "derived-ladder-micro4"]
    assert cli.main(["segment", str(tmp_path), "-o", str(out), *model]) == 0
    assert "t.ome.tif: 2 pages (axes TYX)" in capsys.readouterr().out
    with tifffile.TiffFile(out / "t_label.tiff") as file:
        assert file.series[0].axes == "TYX" and file.series[0].shape == (2, 20, 30)
    words = ["segment", str(tmp_path / "t.ome.tif"), "-o", str(tmp_path / "o2"), *model]
    assert cli.main([*words, "--axes", "CYX", "--channels", "2"]) == 0
    assert tifffile.imread(tmp_path / "o2" / "t_label.tiff").shape == (20, 30)


@pytest.mark.parametrize("name", ["a.czi", "a.nd2", "a.lif", "a.zarr"])
def test_a_microscopes_file_names_the_extra_where_it_is_missing(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(microscopes, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"{name}.*bioio-.*twodints-lib\[microscopes\]"):
        read_pages(tmp_path / name)


@pytest.mark.parametrize(("scenes", "shape"), [(1, (2, 1, 20, 30, 3)), (2, (1, 1, 20, 30, 1))])
def test_the_adapter_of_microscopes_with_a_stub(tmp_path, monkeypatch, scenes, shape):
    """No free writer makes these files, so a stub stands for bioio's reader."""
    array = RNG.integers(0, 99, shape).astype(np.uint16)
    image = SimpleNamespace(scenes=["s"] * scenes, get_image_data=lambda axes: array)
    monkeypatch.setitem(sys.modules, "bioio", SimpleNamespace(BioImage=lambda path: image))
    monkeypatch.setattr(microscopes, "find_spec", lambda name: True)
    (tmp_path / "a.czi").write_bytes(b"x")
    if scenes > 1:
        with pytest.raises(InputError, match="a.czi.*2 scenes"):
            read_pages(tmp_path / "a.czi")
        return
    read = read_view(tmp_path / "a.czi")
    assert read.axes == "TYXS" and read.lead == (2,)
    np.testing.assert_array_equal(np.stack(read.pages), array[:, 0])
