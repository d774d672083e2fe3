"""Sliders for people (ipywidgets). In a run without a person each is one line of text."""

import os
from collections.abc import Callable
from functools import wraps

from matplotlib.figure import Figure

from twodints_lib.lab.optics import MODALITIES, Dials, default_dials
from twodints_lib.plots import pictures
from twodints_lib.plots.lattice import lattices
from twodints_lib.scoring.scores import CHALLENGE, score
from twodints_lib.targets.distance import decode_distance


def _live(draw: Callable[..., Figure], **limits) -> None:
    """Dials for the parameters of `draw`, and the figure that it makes of their values.

    `limits` are (low, high, step) of a slider, which starts at the parameter's default, or a list
    of choices.
    """
    if os.environ.get("TWODINTS_HEADLESS"):
        print("Sliders appear here in a live session.")
        return
    from ipywidgets import interactive

    @wraps(draw)
    def redraw(**values) -> None:
        told = ", ".join(f"{name} {value}" for name, value in values.items())
        pictures.display_figure(draw(**values), f"The figure at {told}.")

    box = interactive(redraw, **limits)
    for dial in box.children[:-1]:
        dial.continuous_update = False
    pictures.display(box)


def live_lab(modality: str, seed: int) -> None:
    """The lab's dials as sliders, and the image that they give."""
    start = default_dials(modality)

    def draw(
        modality=modality, touching=start.touching, density=start.density, blur=start.blur,
        contrast=start.contrast, noise=start.noise,
    ) -> Figure:  # fmt: skip
        return pictures.lab(modality, seed, Dials(touching, density, blur, contrast, noise))

    limits = {"touching": (0, 1), "density": (0.2, 3), "blur": (0.2, 4)}
    limits |= {"contrast": (0.2, 2), "noise": (0, 5)}
    _live(draw, modality=list(MODALITIES), **{name: (*ends, 0.05) for name, ends in limits.items()})


def live_replay(searches: dict, names=("skip", "3x3")) -> None:
    """A slider through each search's history: {name: (paths (T, B, P), operations (T, B, P, O))}.

    Searches stand above each other at the same share of their way.
    """

    def draw(percent: int = 0) -> Figure:
        steps = []
        for name, (paths, operations) in searches.items():
            step = round(percent / 100 * (len(paths) - 1))
            title = f"{name}, after {step + 1} of {len(paths)}"
            steps.append((title, paths[step], operations[step].argmax(-1)))
        return lattices(steps, names)

    _live(draw, percent=(0, 100, 5))


def live_thresholds(maps, truth) -> None:
    """Sliders for the distance decoder's thresholds: cells and F1 follow them.

    `maps` (2, H, W) foreground and distance.
    """

    def draw(foreground: float = 0.5, h: float = 0.2) -> Figure:
        found = decode_distance(maps, foreground, h)
        f1 = score(truth, found, CHALLENGE)["f1"]
        named = [
            (f"{found.max()} cells, F1 {f1:.2f}", pictures.label_picture(found)),
            (f"truth: {truth.max()} cells", pictures.label_picture(truth)),
        ]
        return pictures.panels(named, 2, 3.6)

    _live(draw, foreground=(0.05, 0.95, 0.01), h=(0.02, 0.6, 0.01))
