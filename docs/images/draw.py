"""The pictures of the README, drawn by the library: `python docs/images/draw.py` renews them."""

import dataclasses
from pathlib import Path

import numpy as np
from scipy import ndimage

from twodints_lib import plots, scoring, targets
from twodints_lib.files import read_json
from twodints_lib.lab.optics import default_dials, simulate
from twodints_lib.runs.pretrained import HOME

HERE = Path(__file__).parent


SHOWN = {"brightfield": 10, "fluorescence": 7, "phase-contrast": 1, "DIC": 2}  # modality: seed
UNSURE = 2.8  # pixels by which the true classes are blurred, as a network blurs them


def modalities():
    """An image of each modality with its cells outlined."""
    drawn = [(m, *simulate(m, seed, (150, 150), default_dials(m))) for m, seed in SHOWN.items()]
    return plots.panels([(m, plots.outlined(image, cells)) for m, image, cells in drawn], size=2.3)


def touching():
    """What three classes, drawn a little unsurely, give back of cells apart and touching."""
    panels = []
    for title, share in (("apart", 0.0), ("touching", 0.9)):
        dials = dataclasses.replace(default_dials("fluorescence"), touching=share, density=1.6)
        image, labels = simulate("fluorescence", 9, (192, 192), dials)
        truth = targets.three_class(labels)
        maps = ndimage.gaussian_filter(np.eye(3)[truth].transpose(2, 0, 1), (0, UNSURE, UNSURE))
        drawn, found = maps.argmax(0).astype(np.uint8), targets.decode_three_class(maps)
        parts = [(drawn == c, truth == c) for c in (targets.INTERIOR, targets.BOUNDARY)]
        dice = np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in parts])
        f1 = scoring.score(labels, found, scoring.CHALLENGE)["f1"]
        panels += [
            (f"{labels.max()} cells, {title}", plots.outlined(image, labels)),
            (f"three classes: Dice {dice:.2f}", drawn),
            (f"read back: {found.max()} cells, F1 {f1:.2f}", plots.label_picture(found)),
        ]
    return plots.panels(panels, columns=3, size=2.4)


def lattice():
    """The topology of the shipped network, as the search decoded it."""
    spec = read_json(HOME / "derived-ladder-micro4" / "record.json")["parameters"]["spec"]
    return plots.code(spec["code"], "the network that a search decoded")


if __name__ == "__main__":
    for draw in (modalities, touching, lattice):
        (HERE / f"{draw.__name__}.png").write_bytes(plots.png(draw()))
