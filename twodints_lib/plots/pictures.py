"""Pictures of cells: micrographs, outlines and labels in panels; and the display of any figure.

Functions take plain arrays and return a Figure; show() stamps it with what made it and displays
it with a text for those who cannot see it.
"""

import base64
import io
import textwrap
from html import escape

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from PIL import Image
from skimage.segmentation import mark_boundaries

from twodints_lib.data.images import three_channels
from twodints_lib.plots.style import CLASSES, ORANGE
from twodints_lib.runs.report import text_table

TARGET = ListedColormap(CLASSES)
SMOKE = "smoke run: it shows that everything runs, it is not a result"


def display(*shown, **how) -> None:
    """IPython's display, imported when something is shown."""
    from IPython.display import display as to_notebook

    to_notebook(*shown, **how)


def show(fig: Figure, setup, alt: str, caption: str | None = None) -> None:
    """Display a figure with its stamp (preset, data, seed, commit), caption and alternative text.

    The caption is the alternative text where there is no shorter one. A figure drawn from records
    of another run gets that run's stamp: a text in place of `setup`.
    """
    stamp = setup if isinstance(setup, str) else setup.stamp
    if stamp is not setup and not setup.preset.is_result:
        ribbon = {"color": "white", "backgroundcolor": "#B00020", "fontsize": 9}
        fig.text(0.5, 1.04, SMOKE, ha="center", va="bottom", **ribbon)
    lines = _write_under(fig, alt if caption is None else caption)
    down = -0.01 - 0.19 * lines / fig.get_figheight()
    fig.text(0.995, down, stamp, ha="right", va="top", fontsize=7, color="#777777")
    _display(fig, alt)


def display_figure(fig: Figure, alt: str, caption: str | None = None) -> None:
    """Display a figure that shows no result, so without a stamp; an empty caption is left out."""
    _write_under(fig, alt if caption is None else caption)
    _display(fig, alt)


def _write_under(fig: Figure, caption: str) -> int:
    """Write a caption under a figure, as wide as it is, and tell how many lines it took.

    It is part of the picture: no page, export or copy can lose it.
    """
    lines = textwrap.wrap(caption, int(fig.get_figwidth() * 15))
    words = {"ha": "left", "va": "top", "fontsize": 9.5, "color": "#333333"}
    fig.text(0.005, -0.01, "\n".join(lines), **words)
    return len(lines)


def _display(fig: Figure, alt: str) -> None:
    data = {"image/png": base64.b64encode(png(fig)).decode(), "text/plain": alt}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def png(fig: Figure) -> bytes:
    """A figure as a PNG at 100 dots an inch, on white.

    Where it has images, every grey is kept; colours are too if there are at most 256, and are
    otherwise rounded to 64 levels a channel, for fewer bytes. Where it has none, an octree of 256
    colours keeps rare ones, thin lines, and has the fewest bytes; to a micrograph it would leave
    some 16 greys, and draw contours that are not there.
    """
    buffer, small = io.BytesIO(), io.BytesIO()
    fig.savefig(buffer, format="png", dpi=100, bbox_inches="tight", facecolor="white")
    picture = Image.open(buffer).convert("RGB")
    way, rounds = Image.Quantize.FASTOCTREE, 0
    if any(ax.images for ax in fig.axes):
        way, rounds = Image.Quantize.MEDIANCUT, 2
        if picture.getcolors(256) is None:
            _coarser(picture).save(small, "png", optimize=True)
            return small.getvalue()
    picture.quantize(256, way, rounds, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def _coarser(picture: Image.Image) -> Image.Image:
    """Pixels that are not grey to steps of 4 a channel; greys as they are."""
    pixels = np.asarray(picture)
    coloured = np.ptp(pixels, axis=-1) > 0
    steps = np.minimum(pixels.astype(int) // 4 * 4 + 2, 255).astype(np.uint8)
    return Image.fromarray(np.where(coloured[..., None], steps, pixels))


def note(setup) -> str:
    """What stands under a table or a figure of states: the stamp, and whether it is no result.

    A text in place of `setup` is the stamp of another run.
    """
    if isinstance(setup, str):
        return setup
    return setup.stamp if setup.preset.is_result else f"{SMOKE}. {setup.stamp}"


def show_table(header, rows, setup=None, caption: str = "") -> None:
    """Display rows of cells as a table; with a setup, stamped like a figure."""
    note = "" if setup is None else setup.stamp
    if setup is not None and not setup.preset.is_result:
        caption = f"{SMOKE}. {caption}"
    head, *body = (
        "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row)
        for tag, row in [("th", header), *(("td", row) for row in rows)]
    )
    html = f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>"
    html += "".join(f"<tr>{row}</tr>" for row in body) + f"</table><small>{escape(note)}</small>"
    display({"text/html": html, "text/plain": text_table(header, rows, caption)}, raw=True)


def grey(image) -> np.ndarray:
    """Any image to displayable values: floats in 0..1 between its 0.5 and 99.5 percentiles.

    (H, W) and (H, W, 3) keep their shape, (3, H, W) becomes (H, W, 3), and other numbers of
    channels are shown as a network gets them.
    """
    image = np.moveaxis(image, 0, -1) if image.ndim == 3 and image.shape[0] == 3 else image
    image = three_channels(image) if image.ndim == 3 and image.shape[-1] != 3 else image
    low, high = np.percentile(image, (0.5, 99.5))
    return np.clip((np.asarray(image, float) - low) / max(high - low, 1e-9), 0, 1)


def outlined(image, labels, colour: str = ORANGE) -> np.ndarray:
    """The image (H, W, 3) in 0..1 with the outline of every instance drawn on it, inside it."""
    return mark_boundaries(grey(image), labels, to_rgb(colour), mode="inner")


def label_picture(labels) -> np.ndarray:
    """Instance labels (H, W) as (H, W, 3) colours; neighbouring ids get unlike ones."""
    table = np.random.default_rng(3).uniform(0.25, 1.0, (int(labels.max()) + 1, 3))
    table[0] = 0.08
    return table[labels]


def flow_picture(flow) -> np.ndarray:
    """A flow (2, H, W), down and right, as (H, W, 3) colours: hue is direction, light is length.

    Up is red, right yellow-green, down cyan and left violet; see `flow_key`.
    """
    down, right = np.asarray(flow, float)
    hue = np.arctan2(right, -down) / (2 * np.pi) % 1
    length = np.hypot(down, right)
    light = np.clip(length / max(np.percentile(length, 99.5), 1e-9), 0, 1)
    return hsv_to_rgb(np.stack([hue, np.full_like(hue, 0.85), light], axis=-1))


def flow_key(side: int = 100) -> np.ndarray:
    """The colour of each direction, as seen from the middle of the picture."""
    down, right = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = np.hypot(down, right) <= 1
    return flow_picture(np.where(inside, (down, right), 0))


def panels(
    images, columns: int = 4, size: float = 2.2, cmap: str = "gray", micrometres: float = 0
) -> Figure:
    """A grid of (title, image) pairs; grey images by `cmap`, class maps by their own colours.

    The first has a scale bar: in pixels, or in µm where a pixel's size in `micrometres` is known.
    """
    rows = -(-len(images) // columns)
    fig = Figure(figsize=(columns * size, rows * (size + 0.3)), layout="constrained")
    axes = np.atleast_1d(fig.subplots(rows, columns)).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, (title, image) in zip(axes, images, strict=False):
        is_target = image.dtype == np.uint8 and image.ndim == 2 and image.max() <= 2
        how = {"cmap": TARGET, "vmin": 0, "vmax": 2} if is_target else {"cmap": cmap}
        ax.imshow(image, interpolation="nearest", **how)
        ax.set_title(title, fontsize=9)
    sizes = [image.shape[1] for _, image in images]
    for i, (ax, width) in enumerate(zip(axes, sizes, strict=False)):
        if width not in sizes[:i]:
            scale_bar(ax, width, micrometres)
    return fig


def scale_bar(ax: Axes, width: int, micrometres: float = 0) -> None:
    """A bar of at most a third of so many pixels, of a round length, below on the left."""
    step, unit = (micrometres, "µm") if micrometres else (1, "px")
    tries = [n * 10.0**e for e in range(-2, 6) for n in (1, 2, 5)]
    length = max([t for t in tries if t <= width * step / 3], default=step)
    black = [patheffects.withStroke(linewidth=3, foreground="black")]
    ends, low = np.array([0.04, 0.04 + length / step / width]), 0.06
    how = {"color": "white", "transform": ax.transAxes, "path_effects": black}
    ax.plot(ends, [low, low], lw=2, solid_capstyle="butt", **how)
    ax.text(ends[0], low + 0.03, f"{length:g} {unit}", fontsize=7, va="bottom", **how)
