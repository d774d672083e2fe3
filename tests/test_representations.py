"""Representations: what a perfect network reaches, on cells that touch, bend and are tiny."""

import dataclasses

import numpy as np
import pytest
import tifffile
import torch
from skimage.draw import disk, ellipse

from twodints_lib import cli, files
from twodints_lib.data import labels as label_images
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.inference import predict, segment
from twodints_lib.scoring import ceiling, scores
from twodints_lib.space import networks, topology
from twodints_lib.space.specs import DerivedSpec, SegResNetSpec, SupernetSpec, UNetSpec
from twodints_lib.targets import classes, heads, losses
from twodints_lib.targets.distance import encode_distance
from twodints_lib.targets.heads import DECODERS, HEADS
from twodints_lib.training import loop, patches, recipes, search


def grid(radius, gap, size=96):
    """Discs in rows, `gap` pixels between them; 0: they touch."""
    labels, step = np.zeros((size, size), np.int32), 2 * radius + gap
    centres = range(radius + 4, size - radius - 4, step)
    for i, (y, x) in enumerate(((y, x) for y in centres for x in centres), 1):
        rows, columns = disk((y, x), radius + 0.6, shape=labels.shape)
        free = labels[rows, columns] == 0
        labels[rows[free], columns[free]] = i
    return labels


def bent():
    """A banana around a disc: no straight line leads from its ends to its middle."""
    labels = np.zeros((96, 96), np.int32)
    labels[disk((48, 48), 34)] = 1
    labels[disk((40, 48), 26)] = 0
    labels[disk((34, 48), 14)] = 2
    return labels


def f1(name, labels):
    maps = heads.encode(labels, DECODERS[name].parts)
    assert maps.dtype == np.float32 and maps.shape[1:] == labels.shape
    found = DECODERS[name].decode(maps)
    assert found.dtype == np.int32 and found.shape == labels.shape
    return scores.score(labels, found)["f1"]


@pytest.mark.parametrize("name", DECODERS)
def test_large_cells_that_do_not_touch_come_back(name):
    assert f1(name, grid(10, 6)) == 1


@pytest.mark.parametrize("name", DECODERS)
def test_nothing_in_nothing_out(name):
    maps = heads.encode(np.zeros((32, 32), np.int32), DECODERS[name].parts)
    assert not DECODERS[name].decode(maps).any()


def test_small_cells_are_lost_as_shipped_and_won_by_growing():
    small = grid(5, 6)  # under 13.7 pixels across
    assert f1("3-class, as shipped", small) == 0
    assert f1("3-class, grown back", small) == 1


@pytest.mark.parametrize("name", ["distance", "flow"])
def test_touching_cells_are_separated(name):
    touching = grid(9, 0)
    assert label_images.touching(touching).mean() > 0.8
    assert f1(name, touching) == 1


def test_a_flow_leads_around_bends():
    assert f1("flow", bent()) == 1


def test_growing_stays_inside_the_foreground_and_between_cells():
    labels = grid(9, 0)
    maps = classes.encode_three_class(labels)
    official, grown = classes.decode_three_class(maps), classes.decode_grown(maps)
    assert (grown[official > 0] == official[official > 0]).all()
    assert (grown > 0).sum() > (official > 0).sum()
    assert not grown[maps[0] > 0.5].any()


def test_distance_is_one_at_the_top_of_every_cell():
    labels = np.zeros((64, 64), np.int32)
    labels[ellipse(20, 20, 5, 14)], labels[disk((45, 45), 12)] = 4, 9  # ids with a gap
    (distance,) = encode_distance(labels)
    assert [distance[labels == i].max() for i in (4, 9)] == [1, 1]
    assert ((distance > 0) == (labels > 0)).all()


def test_flows_have_length_one_and_point_inwards():
    labels = np.zeros((48, 48), np.int32)
    labels[disk((24, 24), 14)] = 1
    maps = HEADS["flow"].encode(labels)
    y, x = np.nonzero(labels)
    outwards = np.stack([y - 24, x - 24])
    far = np.hypot(*outwards) > 3
    flow = maps[1:, y, x]
    np.testing.assert_allclose(np.hypot(*flow)[far], 1, atol=1e-4)
    assert ((flow * outwards).sum(0)[far] < 0).all()


def test_a_cell_whose_flow_disagrees_is_dropped():
    labels = grid(10, 6)
    maps = HEADS["flow"].encode(labels)
    maps[1:, labels == 1] *= np.array([-1, 1])[:, None]  # a saddle instead of a sink
    found = HEADS["flow"].decode(maps)
    assert scores.score(labels, found)["fn"] == 1


def test_the_ceiling_command(tiny_folder, capsys):
    assert cli.main(["ceiling", str(tiny_folder), "--only", "distance"]) == 0
    assert "brightfield" in capsys.readouterr().out
    items = open_data(tiny_folder).items
    found = ceiling.ceilings(items, ["3-class, grown back"])
    assert 0 <= found["3-class, grown back"]["mean_f1"] <= 1
    assert cli.main(["ceiling", str(tiny_folder), "--only", "polygons"]) == 2
    assert "polygons" in capsys.readouterr().err


def test_an_unlabelled_folder_is_refused(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.zeros((32, 32), np.uint8))
    assert cli.main(["ceiling", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_vectors_turn_with_the_patch(turn, flip):
    labels = np.zeros((40, 40), np.int32)
    labels[ellipse(18, 21, 8, 14)] = 1

    def move(x):
        x = np.rot90(x, turn, (-2, -1))
        return np.ascontiguousarray(x[..., ::-1] if flip else x)

    ramps = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
    ramps = np.stack([*ramps, np.ones((40, 40))]).astype(np.float32)
    moved, where = (torch.from_numpy(move(x)) for x in (HEADS["flow"].encode(labels), ramps))
    found = patches.turned(moved, where).numpy()
    wanted = HEADS["flow"].encode(move(labels))
    inside = wanted[0] > 0
    agree = (found[1:] * wanted[1:]).sum(0)[inside]  # cosines: 1 but beside an even-sized middle
    assert (found[0] == wanted[0]).all() and np.median(agree) > 0.98


@pytest.mark.parametrize("head", HEADS)
def test_every_network_takes_every_head_and_cells_come_out(head, tiny_setup, tmp_path):
    specs = [UNetSpec(), SegResNetSpec(), SupernetSpec.of(tiny_setup.preset)]
    code = topology.random_code(2, 2, 1)
    for spec in [*specs, DerivedSpec(0.125, code)]:
        net = networks.build(dataclasses.replace(spec, head=head))
        maps = predict.probabilities(net, np.zeros((3, 32, 32), np.float32), 32, head)
        assert maps.shape == (HEADS[head].channels, 32, 32)
        assert HEADS[head].decode(maps).shape == (32, 32)
    folder = search.train_code(tiny_setup, code, head)
    record = files.read_json(folder / "record.json")
    assert record["parameters"]["recipe"]["head"] == head
    draws = HEADS[head].draws_classes
    assert all((r["dice"] is not None) == draws for r in record["metrics"]["per_image"])
    image = next(item.image for item in tiny_setup.val())
    (out,) = segment.segment_files([image], tmp_path / "out", folder)
    assert tifffile.imread(out).shape == (96, 96)


def test_segment_grows_cells_back_where_asked(tiny_setup, tmp_path, monkeypatch):
    labels = grid(9, 4)
    maps = classes.encode_three_class(labels)
    monkeypatch.setattr(segment, "probabilities", lambda *_: maps)
    code = topology.known_shape("unet", 2, 2)
    folder = search.train_code(tiny_setup, code)
    image = next(item.image for item in tiny_setup.val())
    found = []
    for name, grow in (("official", False), ("grown", True)):
        command = ["segment", str(image), "-o", str(tmp_path / name), "--model", str(folder)]
        assert cli.main(command + ["--grow"] * grow) == 0
        found.append(tifffile.imread(next((tmp_path / name).glob("*.tiff"))))
    assert (found[1] > 0).sum() > 1.3 * (found[0] > 0).sum()
    assert scores.score(labels, found[1])["f1"] == 1


@pytest.mark.parametrize("head", ["distance", "flow"])
def test_a_head_learns_to_separate(head, tiny_setup):
    items = tiny_setup.train()[:2]
    samples = patches.load_samples(items, head)
    recipe = recipes.Recipe(
        patch=64, batch=2, epochs=1, learning_rate=5e-3, patience=9, val_start=1, val_every=1,
        head=head,
    )  # fmt: skip
    torch.manual_seed(0)
    net = networks.build(UNetSpec(head=head))
    trainer = loop.Joint(net, samples, recipe, 0)
    losses = [trainer.epoch(e)["loss"] for e in range(1, 101)]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])
    assert loop.validation_scores(net, samples, 64, head)["f1"] > 0.3


def test_an_unknown_head_is_refused():
    with pytest.raises(Exception, match="polygons"):
        networks.build(UNetSpec(head="polygons"))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_the_sum_of_its_parts(name):
    """The ladder's maps are those of the other heads, its loss is the sum of what they add."""
    labels, ladder = grid(9, 4), HEADS["ladder"]
    at = {"3-class": [0, 1, 2], "distance": [3, 4], "flow": [3, 5, 6], "ladder": list(range(7))}
    maps = ladder.encode(labels)
    np.testing.assert_array_equal(maps[at[name]], HEADS[name].encode(labels))
    logits = torch.randn(2, 7, 96, 96, generator=torch.Generator().manual_seed(0))
    drawn = ladder.activate(logits)[:, at[name]]
    torch.testing.assert_close(drawn, HEADS[name].activate(logits[:, at[name]]))
    own = HEADS[name]
    wanted = torch.from_numpy(maps)[None].expand(2, -1, -1, -1)
    each = {n: HEADS[n].loss(logits[:, at[n]], wanted[:, at[n]]) for n in at}
    shared = losses.foreground(logits[:, 3:4], wanted[:, 3:4])  # counted once
    whole = each["3-class"] + each["distance"] + each["flow"] - shared
    torch.testing.assert_close(each["ladder"], whole)
    assert own.channels == len(at[name]) and own.decode(maps[at[name]]).max() > 10


def test_an_unknown_name_of_a_head_is_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"polygons.*3-class, distance, flow, ladder"):
        heads.head_of("polygons")
