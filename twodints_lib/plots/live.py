"""Sliders for people (ipywidgets); in a run without a person the same dials as states that travel.

The states are drawn beforehand (states.py), fewer than a live session has; in a smoke run, fewer
still.
"""

import os
from collections.abc import Callable
from functools import cache, wraps

from matplotlib.figure import Figure

from twodints_lib.lab.optics import MODALITIES, Dials, default_dials
from twodints_lib.plots import laboratory, pictures
from twodints_lib.plots.lattice import lattices
from twodints_lib.plots.states import states
from twodints_lib.scoring.scores import CHALLENGE, score
from twodints_lib.targets.distance import decode_distance


def alive() -> bool:
    """Whether somebody is there to move a slider of a kernel."""
    return not os.environ.get("TWODINTS_HEADLESS")


def _live(draw: Callable[..., Figure], **limits) -> dict:
    """Dials for the parameters of `draw`, and the figure that it makes of their values.

    `limits` are (low, high, step) of a slider, which starts at the parameter's default, or a list
    of choices. Gives the dials by name.
    """
    from ipywidgets import interactive

    @wraps(draw)
    def redraw(**values) -> None:
        told = ", ".join(f"{name} {value}" for name, value in values.items())
        pictures.display_figure(draw(**values), f"The figure at {told}.", "")

    box = interactive(redraw, **limits)
    for dial in box.children[:-1]:
        dial.continuous_update = False
    pictures.display(box)
    return {dial.description: dial for dial in box.children[:-1]}


def live_lab(modality: str, seed: int, setup) -> None:
    """The lab's dials, and what they give: image, truth, target, a threshold's cells and scores."""
    start = default_dials(modality)
    if not alive():
        _lab_states(modality, seed, setup)
        return

    def draw(
        modality=modality, seed=seed, touching=start.touching, density=start.density,
        blur=start.blur, contrast=start.contrast, noise=start.noise,
    ) -> Figure:  # fmt: skip
        return laboratory.lab(modality, seed, Dials(touching, density, blur, contrast, noise))

    limits = {"touching": (0, 1), "density": (0.2, 3), "blur": (0.2, 4)}
    limits |= {"contrast": (0.2, 2), "noise": (0, 5)}
    ends = {name: (*ends, 0.05) for name, ends in limits.items()}
    dials = _live(draw, modality=list(MODALITIES), seed=(0, 30, 1), **ends)

    def as_in_real_images(change) -> None:
        dials["touching"].value = default_dials(change["new"]).touching

    dials["modality"].observe(as_in_real_images, "value")


def _lab_states(modality: str, seed: int, setup) -> None:
    others = [m for m in MODALITIES if m != modality] if setup.preset.is_result else []
    names = list(laboratory.ENDS) if setup.preset.is_result else ["touching"]
    usual = cache(lambda kind: laboratory.lab_state(kind, seed, "touching", laboratory.PLACES[0]))

    def draw(modality: str, dial: str, setting: str) -> tuple[bytes, str]:
        if setting == laboratory.PLACES[0]:
            return usual(modality)
        return laboratory.lab_state(modality, seed, dial, setting)

    alt = "An image of the modality lab, its true cells, the target, and the cells of a threshold."
    dials = {"modality": [modality, *others], "dial": names, "setting": laboratory.PLACES}
    states(dials, draw, setup, alt, width=2 * laboratory.VIEW * 2 + 6)


def live_replay(searches: dict, names=("skip", "3x3"), setup="") -> None:
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

    if alive():
        _live(draw, percent=(0, 100, 5))
        return

    def state(percent: int) -> tuple[bytes, str]:
        spans = [paths[round(percent / 100 * (len(paths) - 1))] for paths, _ in searches.values()]
        ends = (f"{span.min():.2f} to {span.max():.2f}" for span in spans)
        told = "; ".join(map(", ".join, zip(searches, ends, strict=True)))
        return pictures.png(draw(percent)), f"At {percent} % of the way, path probability: {told}."

    alt = "The lattice of each search: width is path probability, colour operation."
    states({"percent": range(0, 101, 10)}, state, setup, alt)


def live_thresholds(maps, truth, setup="") -> None:
    """Sliders for the distance decoder's thresholds: cells and F1 follow them.

    `maps` (2, H, W) foreground and distance.
    """

    def look(foreground: float, h: float) -> tuple[Figure, str]:
        found = decode_distance(maps, foreground, h)
        f1 = score(truth, found, CHALLENGE)["f1"]
        told = f"{found.max()} cells, F1 {f1:.2f}"
        named = [
            (told, pictures.label_picture(found)),
            (f"truth: {truth.max()} cells", pictures.label_picture(truth)),
        ]
        return pictures.panels(named, 2, 3.2), f"foreground {foreground:g}, h {h:g}: {told}."

    if alive():

        def draw(foreground: float = 0.5, h: float = 0.2) -> Figure:
            return look(foreground, h)[0]

        _live(draw, foreground=(0.05, 0.95, 0.01), h=(0.02, 0.6, 0.01))
        return

    def state(foreground: float, h: float) -> tuple[bytes, str]:
        fig, told = look(foreground, h)
        return pictures.png(fig), told

    dials = {"foreground": (0.1, 0.3, 0.5, 0.7, 0.9), "h": (0.05, 0.1, 0.2, 0.3, 0.4)}
    alt = "The cells of the distance decoder beside the true ones."
    states(dials, state, setup, alt, width=680)
