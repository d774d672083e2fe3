"""Pictures of cells: micrographs, outlines and labels in panels; and the display of any figure.

Functions take plain arrays and return a Figure; show() stamps it with what made it and displays
it with a text for those who cannot see it.
"""

import base64
import io
from html import escape

import numpy as np
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from PIL import Image
from skimage.segmentation import mark_boundaries

from twodints_lib.plots.style import GREEN, ORANGE, PINK, RED, SKY
from twodints_lib.runs.report import text_table
from twodints_lib.scoring.matching import frame_ids, matched_ids

TARGET = ListedColormap(["#20242c", SKY, ORANGE])  # background, interior, boundary
SMOKE = "smoke run: it shows that everything runs, it is not a result"


def display(*shown, **how) -> None:
    """IPython's display, imported when something is shown."""
    from IPython.display import display as to_notebook

    to_notebook(*shown, **how)


def show(fig: Figure, setup, alt: str) -> None:
    """Display a figure with its stamp (preset, data, seed, commit) and alternative text.

    A figure drawn from records of another run gets that run's stamp: a text in place of `setup`.
    """
    stamp = setup if isinstance(setup, str) else setup.stamp
    if stamp is not setup and not setup.preset.is_result:
        ribbon = {"color": "white", "backgroundcolor": "#B00020", "fontsize": 9}
        fig.text(0.5, 1.04, SMOKE, ha="center", va="bottom", **ribbon)
    fig.text(0.995, -0.01, stamp, ha="right", va="top", fontsize=7, color="#777777")
    display_figure(fig, alt)


def display_figure(fig: Figure, alt: str) -> None:
    """Display a figure as it is, with its alternative text."""
    data = {"image/png": base64.b64encode(png(fig)).decode(), "text/plain": alt}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def png(fig: Figure) -> bytes:
    """A figure as a PNG of 256 colours at 100 dots an inch, on white.

    Where it has images, the palette is made of their own colours: a grey micrograph is shown as it
    is, one in colour to about a level of 255. Where it has none, an octree keeps rare colours, thin
    lines, and has the fewest bytes; to a micrograph it would leave some 16 greys, and draw
    contours that are not there.
    """
    buffer, small = io.BytesIO(), io.BytesIO()
    fig.savefig(buffer, format="png", dpi=100, bbox_inches="tight", facecolor="white")
    way, rounds = Image.Quantize.FASTOCTREE, 0
    if any(ax.images for ax in fig.axes):
        way, rounds = Image.Quantize.MEDIANCUT, 2
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(256, way, rounds, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


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

    (H, W) and (H, W, 3) keep their shape, (3, H, W) becomes (H, W, 3).
    """
    image = np.moveaxis(image, 0, -1) if image.ndim == 3 and image.shape[0] == 3 else image
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


def panels(images, columns: int = 4, size: float = 2.2, cmap: str = "gray") -> Figure:
    """A grid of (title, image) pairs; grey images by `cmap`, class maps by their own colours."""
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
    return fig


def errors(image, truth, pred, title: str = "image") -> Figure:
    """Truth and prediction outlined on the image, side by side."""
    found = [("truth", truth, GREEN), ("predicted", pred, RED)]
    outlines = [
        (f"{name}: {np.count_nonzero(np.unique(labels))} cells", outlined(image, labels, colour))
        for name, labels, colour in found
    ]
    return panels([(title, grey(image)), *outlines], columns=3, size=3.4)


def matches(image, truth, pred, threshold: float = 0.5) -> Figure:
    """True cells that were found or missed, found cells that match none, cells left out."""
    truth_ids, pred_ids = matched_ids(truth, pred, threshold)
    left_truth, left_pred = frame_ids(truth), frame_ids(pred)
    missed = np.setdiff1d(np.unique(truth), [0, *truth_ids, *left_truth])
    spurious = np.setdiff1d(np.unique(pred), [0, *pred_ids, *left_pred])
    kinds = [
        ("found (TP)", truth, truth_ids, GREEN),
        ("missed (FN)", truth, missed, RED),
        ("no true cell (FP)", pred, spurious, PINK),
        ("true, but at the frame", truth, left_truth, SKY),
    ]
    return panels(
        [
            (f"{name}: {len(ids)}", outlined(image, labels * np.isin(labels, ids), colour))
            for name, labels, ids, colour in kinds
        ]
    )
