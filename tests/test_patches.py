"""Patches: reproducible, of the right size, image and target moved together."""

import dataclasses

import numpy as np
import pytest
import torch
from skimage.draw import disk

from twodints_lib.data.dataset import Item, open_data
from twodints_lib.errors import InputError
from twodints_lib.targets import heads
from twodints_lib.targets.classes import three_class
from twodints_lib.training import patches


@pytest.fixture(scope="module")
def samples(tiny_folder):
    return patches.load_samples(open_data(tiny_folder).split("train"))


def draw(samples, seed, epoch, patch=48):
    made = patches.Patches(samples, patch, seed)
    made.epoch = epoch
    return [made[i] for i in range(len(made))]


def same(a, b):
    return all(
        torch.equal(x[0], y[0]) and torch.equal(x[1], y[1]) for x, y in zip(a, b, strict=True)
    )


def test_a_draw_depends_on_seed_epoch_and_index_alone(samples):
    assert same(draw(samples, 1, 3), draw(samples, 1, 3))
    backwards = patches.Patches(samples, 48, 1)
    backwards.epoch = 3
    again = [backwards[i] for i in reversed(range(len(samples)))][::-1]
    assert same(draw(samples, 1, 3), again)
    assert not same(draw(samples, 1, 3), draw(samples, 1, 4))
    assert not same(draw(samples, 1, 3), draw(samples, 2, 3))


def test_loader_processes_do_not_change_the_draw(samples):
    made = patches.Patches(samples, 48, 1)
    made.epoch = 2
    loader = torch.utils.data.DataLoader(made, 4, num_workers=2)
    images_there = torch.cat([image for image, _ in loader])
    assert torch.equal(images_there, torch.stack([p[0] for p in draw(samples, 1, 2)]))


@pytest.mark.parametrize("patch", [32, 96, 128])
def test_sizes_and_values(samples, patch):
    for image, target in draw(samples, 0, 1, patch):  # 128 is larger than the images: padded
        assert image.shape == (3, patch, patch) and image.dtype == torch.float32
        assert target.shape == (1, patch, patch) and target.dtype == torch.int64
        assert set(target.unique().tolist()) <= {0, 1, 2}


def test_image_and_target_move_together(samples):
    """The discs are far brighter than the ground, so interior must stay brighter everywhere."""
    seen = 0
    for epoch in range(12):
        for image, target in draw(samples, 5, epoch):
            inside, outside = image[0][target[0] == 1], image[0][target[0] == 0]
            if len(inside) > 50 and len(outside) > 50:
                assert inside.mean() > outside.mean() + 0.2
                seen += 1
    assert seen > 60


def test_every_augmentation_happens(samples):
    """Over many draws: flips and turns, and grey values that change."""
    plain = patches.Patches(samples[:1], 96, 0, augment=False)
    original, target = plain[0]
    augmented = [draw(samples[:1], 0, e, 96)[0] for e in range(80)]
    untouched = sum(torch.equal(t, target) for _, t in augmented)
    assert 0 < untouched < 60
    exact = {tuple(np.sort(i.flatten().numpy())[:: 96 * 96].round(6)) for i, _ in augmented}
    assert len(exact) > 20 and original.shape == augmented[0][0].shape


def test_samples_hold_input_target_and_labels(samples):
    for s in samples:
        assert s.image.shape == (3, 96, 96) and s.target.shape == (1, 96, 96)
        np.testing.assert_array_equal(s.target[0].numpy(), three_class(s.labels))
        assert s.modality in ("brightfield", "fluorescence")


def test_an_image_without_label_is_named(tmp_path):
    with pytest.raises(InputError, match="lonely.png.*no label"):
        patches.load_samples([Item("lonely", "DIC", "train", tmp_path / "lonely.png", None)])


@pytest.mark.parametrize("patch", [160, 320])
@pytest.mark.parametrize("head", ["flow", "ladder"])
def test_flow_points_to_the_middle_however_much_of_the_patch_is_padding(samples, patch, head):
    """Images of 96 pixels fill less than half of the patch."""
    labels = np.zeros((96, 96), np.int32)
    labels[disk((40, 55), 25)] = 1
    maps = torch.from_numpy(heads.HEADS[head].encode(labels))
    one = dataclasses.replace(samples[0], maps=maps)
    made = patches.Patches([one], patch, 3, vectors=True)
    turns = set()
    for epoch in range(16):
        made.epoch = epoch
        _, drawn = made[0]
        flow, inside = drawn[-2:], drawn[-3 if head == "flow" else 3] > 0.5
        away = np.stack(np.nonzero(inside.numpy()))
        middle = away.mean(1, keepdims=True)
        away = away - middle
        assert flow[:, inside].norm(dim=0).median() == pytest.approx(1)
        length = np.maximum(np.hypot(*away), 1e-9)
        assert np.median(-(away * flow[:, inside].numpy()).sum(0) / length) > 0.98
        turns.add(tuple(middle.ravel().round()))
    assert len(turns) > 1


def test_an_image_one_pixel_high_has_targets_too(samples):
    maps = torch.zeros(3, 1, 96)
    flat = dataclasses.replace(samples[0], stack=samples[0].stack[:, :1], maps=maps)
    assert torch.isfinite(patches.Patches([flat], 64, 1, vectors=True)[0][1]).all()


def test_the_loader_of_training_and_benchmark_is_one(samples):
    made = patches.Patches(samples, 48, 1)
    found = list(patches.loader(made, [[0, 2], [1]], workers=2))
    assert [len(image) for image, _ in found] == [2, 1]
    assert torch.equal(found[0][0][1], made[2][0])
