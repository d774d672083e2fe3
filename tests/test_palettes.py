"""Colours: one meaning each, and told apart with any colour vision."""

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from twodints_lib import plots
from twodints_lib.plots import style
from twodints_lib.space.operations import OPERATIONS
from twodints_lib.targets import heads

# Linear RGB as it is seen without one kind of cone: Machado, Oliveira and Fernandes 2009, severity
# 1, as published.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "deuteranopia": [
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
    "tritanopia": [
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ],
}
PALETTES = {
    "modalities": list(style.MODALITY.values()),
    "operations": [colour for colour, _ in style.STYLES.values()],
    "representations": list(style.REPRESENTATION.values()),
    "networks": list(style.COLOURS),
    "classes": list(style.CLASSES),
    "outcomes": [colour for colour, _ in style.OUTCOMES.values()],
}


def seen(colour: str, vision: str) -> np.ndarray:
    """Where a colour lies in CIELAB for someone with this vision."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(rgb[None, None])[0, 0]


def distance(a: str, b: str, vision: str) -> float:
    return float(np.linalg.norm(seen(a, vision) - seen(b, vision)))


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("name", PALETTES)
def test_colours_of_a_palette_are_told_apart(name, vision):
    near = {pair: distance(*pair, vision) for pair in itertools.combinations(PALETTES[name], 2)}
    assert min(near.values()) > 15, min(near, key=near.get)


def test_palettes_share_no_colour_and_none_that_looks_alike():
    meanings = ("modalities", "operations", "representations", "networks")
    for a, b in itertools.combinations(meanings, 2):
        near = [(distance(x, y, "normal"), x, y) for x in PALETTES[a] for y in PALETTES[b]]
        assert min(near)[0] > 20, (a, b, min(near))


def test_what_has_a_meaning_has_a_colour_of_its_own():
    assert set(OPERATIONS) == set(style.STYLES)
    named = set(heads.HEADS["ladder"].decoders)
    assert named == set(style.REPRESENTATION)
    for name in named:
        assert style.colour(f"{name}, tuned", 0) == style.REPRESENTATION[name]
    dashes = [str(dash) for _, dash in style.OUTCOMES.values()]
    assert len(set(dashes)) == len(dashes)
    assert len({str(dash) for _, dash in style.STYLES.values()}) == len(style.STYLES)


def test_bars_of_representations_and_of_networks_differ():
    def colours(names):
        bars = plots.bars({name: {"x": 0.5} for name in names}, "F1").axes[0].patches
        return {tuple(bar.get_facecolor()) for bar in bars}

    assert not colours(style.REPRESENTATION) & colours("abcdefg")
