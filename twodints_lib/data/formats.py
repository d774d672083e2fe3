"""One reader for image files: what TIFF, PNG, BMP and JPEG say of their samples is heeded.

Palettes, alpha, white-is-zero, CMYK, 16 bits a colour and the orientation are applied, so that the
same picture gives the same array whatever file it lies in.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from twodints_lib.errors import InputError

LOSSY = (6, 7)  # TIFF's numbers for JPEG
ALPHA = (1, 2)  # of TIFF's ExtraSamples: associated and unassociated alpha
NARROW = 16  # pixels: a last axis that is not longer, of unnamed axes, holds channels
ORIENTATION = 274  # the tag, in TIFF and EXIF


@dataclass(frozen=True)
class Picture:
    """A file as read: pages of (H, W) or (H, W, C), and what was seen on the way.

    `axes`: those of the array as the file tells them, S for samples; `notes`: what was left out or
    decided; `lossy`: whether the file's compression changes values; `lead`: how many pages along
    each of the axes before Y.
    """

    pages: list[np.ndarray]
    axes: str
    notes: tuple[str, ...] = ()
    lossy: bool = False
    lead: tuple[int, ...] = ()


def read(path: Path, axes: str = "", ids: bool = False) -> Picture:
    """The pages of a file. `axes` replaces what a TIFF tells of its axes, e.g. "CYX".

    `ids`: the file holds numbers, not brightness: a palette's indices stay, and white-is-zero too.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        return _tiff(path, axes, ids)
    if axes:
        raise InputError(f"{path}: is one page of fixed axes; leave --axes out.")
    return _plain(path, ids)


def _plain(path, ids) -> Picture:
    """PNG, BMP and JPEG. Pillow cuts 16-bit colours to 8 bits, so imagecodecs reads those."""
    with Image.open(path) as image:
        turn, lossy = image.getexif().get(ORIENTATION, 1), image.format in ("JPEG", "MPO")
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # a phone's JPEG may carry its own preview
            raise InputError(f"{path}: has {frames} frames; export each as a file of its own.")
        alpha, palette = "A" in image.getbands(), image.mode in ("P", "PA")
        if image.format == "PNG" and _deep_colour(path):
            import imagecodecs

            array = imagecodecs.png_decode(path.read_bytes())
        elif palette and not ids:
            array, alpha = np.asarray(image.convert("RGB")), False
        elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            array = np.asarray(image.convert("RGB"))
        else:
            array = np.asarray(image)
    if alpha:
        array = array[..., :-1]
    notes = ("alpha is left out",) if alpha else ()
    page = _turned(_page(array, path), turn)
    return Picture([page], "YXS" if page.ndim == 3 else "YX", notes, lossy)


def _deep_colour(path) -> bool:
    with open(path, "rb") as file:
        head = file.read(26)  # the header: 16 bits a sample; 2, 4, 6: colour, grey and alpha, both
    return head[24] == 16 and head[25] in (2, 4, 6)


def _open(path) -> tifffile.TiffFile:
    """The file alone: planes that OME metadata place in other files are not read here."""
    tif = tifffile.TiffFile(path)
    told = tif.ome_metadata if tif.is_ome else None
    if told and (len(set(re.findall(r'\bFileName="([^"]*)"', told))) > 1 or "BinaryOnly" in told):
        tif.close()
        return tifffile.TiffFile(path, is_ome=False)
    return tif


def _tiff(path, given, ids) -> Picture:
    notes = []
    with _open(path) as tif:
        if not all(series.keyframe.is_reduced for series in tif.series[1:]):  # no thumbnails
            raise InputError(
                f"{path}: has pages of different sizes or kinds; export each as a file of its own."
            )
        series, first = tif.series[0], tif.series[0].keyframe
        lossy, kind = first.compression in LOSSY, first.photometric.name
        if kind in ("CIELAB", "ICCLAB", "ITULAB"):
            raise InputError(f"{path}: holds {kind} colours; save it as RGB or grey.")
        if kind == "YCBCR" and not lossy:
            with Image.open(path) as image:
                array, axes = np.asarray(image.convert("RGB")), "YXS"
        else:
            array, axes = series.asarray(), series.axes
        tag = first.tags.get(ORIENTATION)
        turn, extra = int(tag.value) if tag else 1, tuple(first.extrasamples)
        colours, bits = first.colormap, first.bitspersample
    # Length-1 axes carry nothing; samples stored plane by plane are moved last.
    keep = [i for i, (n, a) in enumerate(zip(array.shape, axes, strict=True)) if n > 1 or a in "YX"]
    array, axes = array.reshape([array.shape[i] for i in keep]), "".join(axes[i] for i in keep)
    axes, note = _named(path, array.shape, axes, given)
    notes += note
    if "S" in axes:
        array, axes = np.moveaxis(array, axes.index("S"), -1), axes.replace("S", "") + "S"
    if not ids:
        array, axes = _shown(array, axes, kind, colours, bits)
    if "S" in axes and extra and extra[-1] in ALPHA:
        # CMYK has become RGB, and what is left is in front of the extra samples.
        keep = 3 if kind == "SEPARATED" and not ids else array.shape[-1] - 1
        array, notes = array[..., :keep], [*notes, "alpha is left out"]
    if "C" in axes:
        at = axes.index("C")
        array = np.moveaxis(array, at, axes.index("S") - 1 if "S" in axes else -1)
        if "S" in axes:  # colours of several channels are channels
            array = array.reshape(*array.shape[:-2], -1)
        axes = axes.replace("C", "").replace("S", "") + "S"
    plane = 3 if axes.endswith("S") else 2
    stack = array.reshape(-1, *array.shape[array.ndim - plane :])
    pages = [_turned(_page(p, path), turn) for p in stack]
    axes = axes if pages[0].ndim == 3 else axes.replace("S", "")
    return Picture(pages, axes, tuple(notes), lossy, array.shape[: array.ndim - plane])


def _named(path, shape, axes, given) -> tuple[str, list[str]]:
    """The axes as given, or as told, or as they must be meant; and what is said of it."""
    if given:
        given = given.upper()
        if sorted(set(given)) != sorted(given) or not {"Y", "X"} <= set(given):
            raise InputError(f"--axes {given}: must name Y and X, and each axis once, as CYX does.")
        if len(given) != len(shape) or given.index("X") < given.index("Y"):
            raise InputError(
                f"--axes {given}: does not fit {path}, which has shape {shape} and axes {axes}; "
                "give a letter for each, Y before X."
            )
        between = given[given.index("Y") + 1 : given.index("X")]
        if between:
            raise InputError(f"--axes {given}: {between} lies between Y and X; save it otherwise.")
        return given, []
    if axes in ("QYX", "IYX") and shape[2] <= NARROW and min(shape[:2]) >= 4 * shape[2]:
        return "YXS", [f"shape {shape} is taken as one image of {shape[2]} channels"]
    return axes, []


def _shown(array, axes, kind, colours, bits) -> tuple[np.ndarray, str]:
    """The samples as brightness: what the file's photometric interpretation says of them."""
    if kind == "PALETTE" and colours is not None:
        deep = colours.max() > 255  # TIFF writes 16 bits a colour, some writers 8
        table = (colours >> 8 if deep else colours).astype(np.uint8)
        return table.T[array], axes + "S"
    if kind == "MINISWHITE":
        top = 2 ** (bits if isinstance(bits, int) else bits[0]) - 1
        if array.dtype == bool:
            return ~array, axes
        if array.dtype.kind == "u":
            return array.dtype.type(top) - array, axes
        return array.max() - array if array.dtype.kind == "f" else ~array, axes
    if kind == "SEPARATED" and array.dtype.kind == "u" and array.shape[-1] >= 4 and "S" in axes:
        top = np.iinfo(array.dtype).max
        ink = top - array[..., :4].astype(np.uint64)
        rgb = (ink[..., :3] * ink[..., 3:] + top // 2) // top
        return rgb.astype(array.dtype), axes
    return array, axes


def _page(array, path) -> np.ndarray:
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3):
        raise InputError(
            f"{path}: has shape {array.shape}; give images of shape (H, W) or (H, W, C)."
        )
    return array.astype(np.uint8) if array.dtype == bool else array


def _turned(page, turn) -> np.ndarray:
    """A page as it is to be seen, by the eight values of TIFF's and EXIF's orientation."""
    if turn in (5, 6, 7, 8):
        page = page.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        page = page[::-1]
    return np.ascontiguousarray(page[:, ::-1] if turn in (2, 3, 6, 7) else page)
