"""A large image in bands and tiles gives what it gives in one piece."""

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from skimage.draw import ellipse

from twodints_lib.inference import predict, tiles
from twodints_lib.inference.segment import segment_image
from twodints_lib.space import networks
from twodints_lib.space.specs import UNetSpec
from twodints_lib.targets import classes, heads


def crowded(size: int, seed: int, largest: int = 14) -> np.ndarray:
    """Touching ellipses everywhere; later ones lie over earlier ones."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    for i in range(1, size * size // 250):
        y, x = rng.uniform(0, size, 2)
        a, b = rng.uniform(5, largest, 2)
        labels[ellipse(y, x, a, b, labels.shape, rng.uniform(0, np.pi))] = i
    return labels


def same_partition(a, b) -> bool:
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return all(len(np.unique(ids)) == pairs.shape[1] for ids in pairs)


@pytest.mark.parametrize("height", [64, 65, 200, 1000, 1023])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_bands_share_out_every_row_and_hold_all_windows_that_touch_it(height, overlap):
    starts = tiles.windows(height, 64, overlap)
    found = tiles.bands(height, 64, overlap, 128)
    assert [b[2] for b in found] == [0, *(b[3] for b in found[:-1])] and found[-1][3] == height
    for first, last, start, stop in found:
        touching = [s for s in starts if s < stop and s + 64 > start]
        assert first <= touching[0] and touching[-1] + 64 <= max(last, 64)
        # MONAI lays windows from the band's own first row: they must fall on the same grid
        inside = [s for s in starts if first <= s and s + 64 <= last]
        assert [first + s for s in tiles.windows(last - first, 64, overlap)] == inside


def test_maps_of_bands_equal_those_of_one_piece(monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 128)
    torch.manual_seed(0)
    net = networks.build(UNetSpec(head="flow"))
    image = np.random.default_rng(0).random((3, 500, 210), np.float32)
    whole = predict.probabilities(net, image, 64, "flow")
    banded = tiles.maps_on_disk(
        lambda rows: predict.probabilities(net, rows, 64, "flow"),
        lambda first, last: image[:, first:last], (500, 210), 64, predict.OVERLAP, 3,
    )  # fmt: skip
    np.testing.assert_allclose(banded, whole, atol=1e-5)


@pytest.mark.parametrize("name", heads.DECODERS)
def test_tiles_give_the_cells_of_one_piece(name):
    decode, parts = heads.DECODERS[name].decode, heads.DECODERS[name].parts
    rng = np.random.default_rng(1)
    maps = heads.encode(crowded(400, 2), parts) + rng.normal(0, 0.1, (1, 400, 400)).astype(
        np.float32
    )
    whole = decode(maps)
    tiled = tiles.decode(maps, decode, tile=130, margin=64)
    assert whole.max() > 300 and same_partition(whole, tiled)
    assert np.array_equal(np.unique(tiled), np.arange(tiled.max() + 1))


def test_a_cell_wider_than_the_margin_stays_whole():
    labels = crowded(300, 3)
    labels[140:160, 20:280] = labels.max() + 1  # across three tiles of 100 with a margin of 16
    maps = classes.encode_three_class(labels)
    whole = classes.decode_grown(maps)
    assert same_partition(whole, tiles.decode(maps, classes.decode_grown, 100, 16))


def test_segment_switches_to_tiles_and_changes_nothing(monkeypatch, said):
    torch.manual_seed(1)
    net = networks.build(UNetSpec())
    image = (np.random.default_rng(4).random((300, 260)) * 255).astype(np.uint8)
    whole = segment_image(net, image, 64)
    monkeypatch.setattr(tiles, "WHOLE", 100)
    monkeypatch.setattr(tiles, "TILE", 128)
    assert same_partition(whole, segment_image(net, image, 64))
    assert any("rows" in text for text in said)


class Slope(torch.nn.Module):
    """Draws a foreground and the brightness' slope: a field that turns with the image."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        down, right = torch.gradient(x[:, 0], dim=(1, 2))
        return torch.stack([x[:, 0], down, right], 1) * self.weight


def test_mean_of_flips_turns_vectors_back_and_is_what_monai_would_blend():
    image = torch.rand(2, 3, 32, 32)
    net = Slope()
    torch.testing.assert_close(predict.mean_of_flips(net, image, vectors=True), net(image))
    assert (predict.mean_of_flips(net, image)[:, 1:] - net(image)[:, 1:]).abs().max() > 0.1
    blended = sliding_window_inference(image[:1], (32, 32), 1, net)
    found = predict.probabilities(net, image[0].numpy(), 32, "flow", flips=True)
    np.testing.assert_allclose(found[1:], blended[0, 1:].detach(), atol=1e-6)
