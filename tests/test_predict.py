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
from twodints_lib.runs import pretrained
from twodints_lib.space import networks
from twodints_lib.space.specs import UNetSpec
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
    command = ["segment", str(inputs), "-o", str(out), "--model", str(trained)]
    assert cli.main(command) == 0
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


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty shelf of shipped networks."""
    monkeypatch.setattr(pretrained, "HOME", tmp_path / "pretrained")
    return tmp_path / "pretrained"


def test_the_default_is_the_best_shipped_network_on_one_data_set(own_runs, shelf):
    own = {"is_result": True, "metrics": {"mean_f1": 0.99}, "data": "micro4"}
    files.write_json(own_runs / "store" / "a-run-of-ones-own" / "record.json", own)
    with pytest.raises(InputError, match="--model"):
        pretrained.best()
    for name, data, f1 in (("drawn", "simulated", 0.9), ("a", "micro4", 0.6), ("b", "micro4", 0.5)):
        ways = {"flow": {"modality_mean_f1": f1 - 0.3}, "flow, tuned": {"modality_mean_f1": f1}}
        told = {"data": data, "representation": "flow", "metrics": {"representations": ways}}
        files.write_json(shelf / name / "record.json", told)
    told = {"data": "micro4", "metrics": {"modality_mean_f1": 0.55}}  # of three classes
    files.write_json(shelf / "c" / "record.json", told)
    assert pretrained.best() == "a"


def test_a_fresh_clone_segments_and_says_with_which_network(trained, inputs, tmp_path, capsys):
    """Whatever was trained here, the default stays the best network of the project."""
    record = files.read_json(trained / "record.json")
    better = record["metrics"] | {"mean_f1": 1.0, "modality_mean_f1": 1.0}
    files.write_json(trained / "record.json", record | {"is_result": True, "metrics": better})
    out, wanted = tmp_path / "out", pretrained.best()
    assert cli.main(["segment", str(inputs / "grey.png"), "-o", str(out)]) == 0
    assert f"network: {wanted}, the best shipped one" in capsys.readouterr().out
    named = tmp_path / "named"
    command = ["segment", str(inputs / "grey.png"), "-o", str(named), "--model", wanted]
    assert cli.main(command) == 0
    found = [tifffile.imread(folder / "grey_label.tiff") for folder in (out, named)]
    np.testing.assert_array_equal(*found)


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


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"parameters": {"spec": {"kind": "unet", "depth": 3}}}']
)
def test_a_broken_record_is_named(tmp_path, text):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(InputError, match="record.json"):
        predict.load_network(tmp_path)


@pytest.mark.parametrize("spoil", ["missing", "empty", "cut", "no weights", "another", "nan"])
def test_broken_weights_are_named_in_one_sentence(trained, spoil):
    path = trained / "best.pt"
    weights, whole = torch.load(path), path.read_bytes()
    path.unlink()
    if spoil in ("empty", "cut"):
        path.write_bytes(whole[: len(whole) // 2 if spoil == "cut" else 0])
    elif spoil == "no weights":
        torch.save([1, 2], path)
    elif spoil == "another":
        torch.save(networks.build(UNetSpec()).state_dict(), path)
    elif spoil == "nan":
        first = next(name for name, w in weights.items() if w.is_floating_point())
        torch.save(weights | {first: weights[first] * float("nan")}, path)
    with pytest.raises(InputError, match=r"best\.pt") as error:
        predict.load_network(trained)
    assert "\n" not in str(error.value) and "train again" in str(error.value)
