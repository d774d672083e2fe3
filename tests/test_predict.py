"""Prediction, and the command that writes labels for a folder of images."""

import numpy as np
import pytest
import tifffile
import torch
from imageio import v3 as iio
from torch import nn

from twodints_lib import cli, files
from twodints_lib.data import images
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.targets import classes
from twodints_lib.training import search


class Oracle(nn.Module):
    """A network that calls bright pixels interior and half-bright ones boundary."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        grey = x.mean(1, keepdim=True)
        return self.weight * 40 * torch.cat([0.3 - grey, grey - 0.7, 0.2 - (grey - 0.5).abs()], 1)


@pytest.mark.parametrize("shape", [(64, 64), (50, 131), (20, 20)])
def test_windows_cover_every_image(shape):
    image = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    whole = Oracle()(torch.from_numpy(image)[None]).softmax(1)[0].detach().numpy()
    tiled = predict.probabilities(Oracle(), image, 32)
    assert tiled.shape == (3, *shape)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_class_dice_thresholds_at_one_half_and_leaves_background_out():
    target = np.zeros((1, 10, 10), np.uint8)
    target[0, :5], target[0, 5] = 1, 2
    p = np.zeros((3, 10, 10))
    p[1, :4] = 0.51  # 40 of 50 interior pixels; the fifth row wins the arg max, but under 0.5
    p[1, 4] = 0.45
    interior, boundary = predict.class_dice(p, target)
    assert interior == pytest.approx(2 * 40 / 90) and boundary == 0
    nothing = predict.class_dice(p, np.zeros((1, 10, 10), np.uint8))
    assert np.isnan(nothing[1])


@pytest.fixture
def trained(tiny_setup):
    """A run folder with a small trained network."""
    return search.search_supernet(tiny_setup)


@pytest.fixture
def inputs(tmp_path):
    """A grey PNG, a colour TIFF and a stack of three pages."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    iio.imwrite(folder / "grey.png", rng.integers(0, 255, (40, 50)).astype(np.uint8))
    tifffile.imwrite(folder / "colour.tif", rng.integers(0, 255, (33, 47, 3)).astype(np.uint8))
    stack = rng.integers(0, 4000, (3, 40, 40)).astype(np.uint16)
    tifffile.imwrite(folder / "stack.tif", stack, photometric="minisblack")
    return folder


def test_segment_writes_a_label_file_for_each_image(trained, inputs, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["segment", str(inputs), "-o", str(out)]) == 0
    shapes = {"grey": (40, 50), "colour": (33, 47), "stack": (3, 40, 40)}
    assert sorted(p.name for p in out.iterdir()) == sorted(f"{n}_label.tiff" for n in shapes)
    for name, shape in shapes.items():
        labels = tifffile.imread(out / f"{name}_label.tiff")
        assert labels.shape == shape and labels.dtype == np.uint16
    assert "smoke" in capsys.readouterr().out
    net, record = predict.load_network(trained)
    page = images.normalise(images.read_image(inputs / "grey.png"))
    patch = record["parameters"]["recipe"]["patch"]
    wanted = classes.decode_three_class(predict.probabilities(net, page, patch))
    np.testing.assert_array_equal(tifffile.imread(out / "grey_label.tiff"), wanted)


def test_the_best_run_is_the_highest_f1_and_no_smoke_run(own_runs):
    for name, f1, real in (("a", 0.9, False), ("b", 0.3, True), ("c", 0.5, True)):
        record = {"is_result": real, "metrics": {"mean_f1": f1}}
        files.write_json(own_runs / "store" / name / "record.json", record)
    assert predict.best_run().name == "c"


@pytest.mark.parametrize(
    "spoil", ["absent", "unreadable", "empty folder", "exists", "twice", "model"]
)
def test_bad_input_is_named_and_nothing_is_written(trained, inputs, tmp_path, spoil, capsys):
    out, command, word = tmp_path / "out", ["segment", str(inputs)], "out"
    if spoil == "absent":
        command, word = ["segment", str(inputs / "nothing.png")], "nothing.png"
    elif spoil == "unreadable":
        (inputs / "zz.png").write_bytes(b"no picture")
        word = "zz.png"
    elif spoil == "empty folder":
        (tmp_path / "empty").mkdir()
        command, word = ["segment", str(tmp_path / "empty")], "empty"
    elif spoil == "exists":
        out.mkdir()
        (out / "stack_label.tiff").write_text("precious")
        word = "stack_label.tiff"
    elif spoil == "twice":
        iio.imwrite(inputs / "grey.bmp", np.zeros((9, 9), np.uint8))
        word = "grey_label.tiff"
    else:
        command, word = [*command, "--model", str(tmp_path / "no_run")], "no_run"
    assert cli.main([*command, "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1
    left = sorted(p.name for p in out.iterdir()) if out.exists() else []
    assert left == (["stack_label.tiff"] if spoil == "exists" else [])


def test_without_a_trained_network_segment_says_how_to_get_one(own_runs, inputs, tmp_path, capsys):
    assert cli.main(["segment", str(inputs), "-o", str(tmp_path / "out")]) == 2
    assert "make course" in capsys.readouterr().err


def test_a_broken_record_is_named(tmp_path):
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(InputError, match="record.json"):
        predict.load_network(tmp_path)
