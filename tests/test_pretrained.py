"""Networks that come with the project: what is stored is what was trained, and nothing else."""

import pytest
import torch

from twodints_lib import cli, files
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.inference.segment import segment_image
from twodints_lib.runs import pretrained, report
from twodints_lib.space.specs import SupernetSpec
from twodints_lib.training import loop


@pytest.fixture
def trained(tiny_setup, tmp_path, monkeypatch):
    """A small run that counts as a real one, and an empty shelf."""
    monkeypatch.setattr(pretrained, "HOME", tmp_path / "pretrained")
    spec = SupernetSpec(0.0625, 2, 2, head="ladder")
    folder = loop.train_network(tiny_setup, spec, 2)
    record = files.read_json(folder / "record.json")
    files.write_json(folder / "record.json", record | {"is_result": True})
    return folder


def test_a_stored_network_is_the_trained_one(trained, capsys):
    assert cli.main(["keep", str(trained), "small"]) == 0
    assert pretrained.names() == ["small"]
    (a, _), (b, record) = predict.load_network(trained), predict.load_network("small")
    other = b.state_dict()
    assert all(torch.equal(weights, other[name]) for name, weights in a.state_dict().items())
    assert "per_image" not in record["metrics"] and record["weights_sha256"]
    (row,) = pretrained.rows()
    assert row[0] == "small" and row[2] == f"{sum(p.numel() for p in a.parameters()):,}"


def test_other_weights_are_refused(trained):
    path = pretrained.keep(trained, "small") / "best.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"best\.pt"):
        predict.load_network("small")


def test_what_may_not_be_stored(trained, monkeypatch, capsys):
    pretrained.keep(trained, "small")
    with pytest.raises(InputError, match="exists already"):
        pretrained.keep(trained, "small")
    monkeypatch.setattr(pretrained, "LIMIT", 10)
    with pytest.raises(InputError, match="smaller network"):
        pretrained.keep(trained, "large")
    record = files.read_json(trained / "record.json")
    files.write_json(trained / "record.json", record | {"is_result": False})
    assert cli.main(["keep", str(trained), "smoke"]) == 2
    assert "smoke run" in capsys.readouterr().err
    assert pretrained.names() == ["small"]


def test_an_unknown_name_lists_what_there_is(trained):
    pretrained.keep(trained, "small")
    with pytest.raises(InputError, match="one of small"):
        predict.load_network("large")


@pytest.mark.parametrize("name", pretrained.names())
def test_every_shipped_network_loads_and_finds_cells(name):
    from twodints_lib.data import images
    from twodints_lib.lab import optics

    net, record = predict.load_network(name)
    assert record["is_result"] and record["data"] in ("micro4", "simulated")
    image, labels = optics.simulate("fluorescence", 3, (128, 128))
    head = record["parameters"]["spec"]["head"]
    found = segment_image(net, image, record["parameters"]["recipe"]["patch"], head)
    assert found.shape == labels.shape == images.normalise(image).shape[1:] and found.max() > 0


def test_the_model_card_is_the_records():
    card = (pretrained.HOME / "README.md").read_text()
    assert report.markdown(pretrained.HEADER, pretrained.rows()) in card
