"""The modality lab as a laboratory: what is seen, what is true, what a threshold makes of it."""

import dataclasses
import io

import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage.filters import threshold_otsu

from twodints_lib.lab.optics import Dials, default_dials, simulate
from twodints_lib.plots.pictures import TARGET, grey, label_picture, outlined, panels
from twodints_lib.scoring.scores import CHALLENGE, score
from twodints_lib.targets.classes import label_interior, three_class

ENDS = {"touching": (0.0, 0.9), "density": (0.5, 2.0), "blur": (0.3, 3.0)}
ENDS |= {"contrast": (0.4, 1.5), "noise": (0.3, 4.0)}
PLACES = ("as in real images", "low", "high")
VIEW = 102  # pixels a side that are shown of an image
TITLE = 20  # pixels above a panel


def turned(modality: str, dial: str, place: str) -> Dials:
    """The dials of real images, but for one, which is low, as it is, or high."""
    usual = default_dials(modality)
    low, high = ENDS[dial]
    value = {"low": low, "high": high}.get(place, getattr(usual, dial))
    return dataclasses.replace(usual, **{dial: value})


def threshold_cells(image) -> np.ndarray:
    """Cells (H, W) of an image by Otsu's threshold: connected pieces of the rarer side of it."""
    light = image if image.ndim == 2 else image.mean(-1)
    bright = light > threshold_otsu(light)
    return label_interior(bright if bright.mean() <= 0.5 else ~bright)


def experiment(modality: str, seed: int, dials: Dials) -> tuple[list, str, np.ndarray]:
    """One image as [(title, picture)] of image, truth, target and what Otsu's threshold finds; a
    line with its scores; and the true labels (H, W)."""
    image, labels = simulate(modality, seed, dials=dials)
    found = threshold_cells(image)
    row = score(labels, found, CHALLENGE)
    shown = [
        ("image", grey(image)),
        (f"the truth: {labels.max()} cells", outlined(image, labels)),
        ("the target: three classes", TARGET(three_class(labels))[..., :3]),
        (f"by Otsu's threshold: {found.max()}", label_picture(found)),
    ]
    return shown, f"Dice {row['foreground_dice']:.2f}, F1 {row['f1']:.2f}", labels


def lab(modality: str, seed: int, dials: Dials) -> Figure:
    """One image of the modality lab, whole: with its truth, target, a threshold and its scores."""
    shown, scores, _ = experiment(modality, seed, dials)
    fig = panels(shown, columns=4, size=2.4)
    fig.suptitle(f"{modality}, Otsu's threshold: {scores}", fontsize=10)
    return fig


def lab_state(modality: str, seed: int, dial: str, place: str) -> tuple[bytes, str]:
    """The busiest part of an image of the lab, one dial low, as in real images, or high; and a
    line with the scores of the whole image."""
    dials = turned(modality, dial, place)
    shown, scores, labels = experiment(modality, seed, dials)
    line = f"{modality}, {dial} {getattr(dials, dial):g}. Otsu's threshold: {scores}."
    return mosaic(shown, busiest(labels)), line


def busiest(labels) -> tuple[slice, slice]:
    """The window of VIEW pixels a side, or the image's where that is less, with most of cells."""
    sides = np.minimum(VIEW, labels.shape)
    pairs = list(zip(sides, labels.shape, strict=True))
    share = ndimage.uniform_filter((labels > 0).astype(float), sides, mode="constant")
    inner = share[tuple(slice(s // 2, s // 2 + n - s + 1) for s, n in pairs)]
    corner = np.unravel_index(inner.argmax(), inner.shape)
    return tuple(slice(int(c), int(c + s)) for c, s in zip(corner, sides, strict=True))


def mosaic(shown, window: tuple[slice, slice], columns: int = 2, zoom: int = 2) -> bytes:
    """[(title, picture)] cut to a window, enlarged pixel by pixel, side by side: WebP bytes.

    Of 256 colours, and without loss from there on.
    """
    side, gap = VIEW * zoom, 6
    rows = -(-len(shown) // columns)
    size = (columns * (side + gap) - gap, rows * (side + gap + TITLE) - gap)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 13)
    for i, (title, picture) in enumerate(shown):
        x, y = i % columns * (side + gap), i // columns * (side + gap + TITLE)
        pen.text((x, y + 2), title, "black", font)
        part = np.broadcast_to(np.atleast_3d(picture[window]), (VIEW, VIEW, 3))
        own = Image.fromarray((part * 255).round().astype(np.uint8))
        sheet.paste(own.resize((side, side), Image.Resampling.NEAREST), (x, y + TITLE))
    few = sheet.quantize(256, Image.Quantize.MEDIANCUT, 2, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.convert("RGB").save(buffer, "webp", lossless=True)
    return buffer.getvalue()
