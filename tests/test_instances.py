"""The official decoder, and what can be said of instances without a network."""

import numpy as np
import pytest
from skimage.draw import disk

from twodints_lib.data import labels as label_images
from twodints_lib.targets import classes


def maps(interior):
    """Probabilities that say interior with 0.9 where the mask is, else 0.1."""
    p = np.where(interior, 0.9, 0.1)
    return np.stack([1 - p - 0.05, p, np.full_like(p, 0.05)])


def test_only_probabilities_over_one_half_are_interior():
    p = np.zeros((3, 30, 30))
    p[1, 2:12, 2:12], p[1, 15:25, 15:25] = 0.5, 0.501
    assert classes.decode_three_class(p).max() == 1


@pytest.mark.parametrize(("hole", "filled"), [((7, 9), True), ((8, 8), False)])
def test_holes_under_64_pixels_are_filled(hole, filled):
    mask = np.ones((40, 40), bool)
    mask[10 : 10 + hole[0], 10 : 10 + hole[1]] = False
    assert classes.decode_three_class(maps(mask)).all() == filled


@pytest.mark.parametrize(("size", "kept"), [((4, 4), 1), ((3, 5), 0)])
def test_components_under_16_pixels_are_dropped(size, kept):
    mask = np.zeros((20, 20), bool)
    mask[3 : 3 + size[0], 3 : 3 + size[1]] = True
    assert classes.decode_three_class(maps(mask)).max() == kept


def test_diagonal_contact_merges():
    mask = np.zeros((20, 20), bool)
    mask[2:8, 2:8] = mask[8:14, 8:14] = True
    assert classes.decode_three_class(maps(mask)).max() == 1
    mask[7, 7] = mask[8, 8] = False
    assert classes.decode_three_class(maps(mask)).max() == 2


def test_touching_cells_come_back_apart_and_smaller():
    labels = np.zeros((60, 60), int)
    labels[10:40, 5:30], labels[10:40, 30:55] = 1, 2
    found = classes.label_interior(classes.three_class(labels) == classes.INTERIOR)
    assert found.max() == 2
    for i in (1, 2):
        assert (found == i).sum() == 26 * 21  # two pixels off each side


def test_an_empty_map_has_no_cells():
    assert classes.decode_three_class(maps(np.zeros((9, 9), bool))).max() == 0


def test_diameters_and_contact():
    labels = np.zeros((80, 80), np.int32)
    labels[disk((20, 20), 10)] = 1
    labels[5:15, 60:70], labels[15:25, 60:70] = 2, 3  # touching
    labels[60:70, 10:20], labels[71:76, 21:26] = 4, 5  # one pixel lies between
    labels[40:44, 40:44], labels[44:48, 44:48] = 6, 7  # by a corner
    np.testing.assert_allclose(label_images.diameters(labels)[0], 20, atol=0.5)
    expected = [False, True, True, False, False, True, True]
    np.testing.assert_array_equal(label_images.touching(labels), expected)
    numbers = label_images.cell_statistics([labels, np.zeros((10, 10), np.int32)])
    assert numbers["cells"] == 7 and numbers["share_touching"] == pytest.approx(4 / 7)
