"""Read images and labels, and normalise images for a network.

Arrays: an image is (H, W) or (H, W, C); a network input is (3, H, W) float32 in 0..1;
instance labels are (H, W) int32 with 0 for background.
"""

from pathlib import Path

import numpy as np

from twodints_lib.data.formats import Picture, read
from twodints_lib.data.instances import MASK, fault, relabelled
from twodints_lib.data.labels import renumber
from twodints_lib.data.microscopes import READERS, read_microscope
from twodints_lib.errors import InputError

# What programs put at the end of a label file's name, the longer ones first.
LABEL_ENDINGS = ("_cp_masks", "_masks", "_mask", "_labels", "_label")
FLAT = 1e-6  # the relative span that rounding makes in floats of 32 bits
IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder by name; what a file manager hides is left out."""
    return [p for p in sorted(Path(folder).glob("[!.]*")) if p.suffix.lower() in IMAGE_SUFFIXES]


def name_of(path: str | Path) -> str:
    """What an image and its labels have in common: the name without endings, .ome and _label."""
    stem = plain_stem(path)
    return next((stem.removesuffix(e) for e in LABEL_ENDINGS if stem.endswith(e)), stem)


def is_label_name(path: str | Path) -> bool:
    """Whether a file is called as label files are."""
    return plain_stem(path).endswith(LABEL_ENDINGS)


def plain_stem(path: str | Path) -> str:
    """A file's name without its ending, .ome.tif being one."""
    stem = Path(path).stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def read_pages(path: str | Path) -> list[np.ndarray]:
    """Every page of an image file, each (H, W) or (H, W, C).

    A TIFF of several pages (a z-stack, a time series) gives one array a page; channels that a
    TIFF stores first (axes CYX) are moved last. PNG, BMP and JPEG give one page.
    Raises InputError for a missing, unreadable or empty file, or one of unknown kind.
    """
    return read_picture(path).pages


def read_picture(path: str | Path, axes: str = "", ids: bool = False) -> Picture:
    """As read_pages(), with what was seen on the way. `axes`, `ids`: as formats.read() takes them.

    InputError as read_pages().
    """
    path = Path(path)
    kind = path.suffix.lower()
    if not path.is_file() and not (kind == ".zarr" and path.is_dir()):
        raise InputError(f"{path}: no such image file; check the path.")
    if kind not in (*IMAGE_SUFFIXES, *READERS):
        raise InputError(f"{path}: not an image we read; save it as one of {IMAGE_SUFFIXES}.")
    try:
        picture = read_microscope(path) if kind in READERS else read(path, axes, ids)
    except InputError:
        raise
    except Exception as error:  # every reader has errors of its own for a broken file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); export it again.") from error
    for page in picture.pages:
        _check_pixels(page, path)
    return picture


def _check_pixels(page, path):
    if page.size == 0:
        raise InputError(f"{path}: has no pixels (shape {page.shape}); export it again.")
    if page.dtype.kind not in "buif":
        raise InputError(f"{path}: holds {page.dtype} values; save it as integers or floats.")
    if page.dtype.kind == "f" and not np.isfinite(page).all():
        raise InputError(f"{path}: holds NaN or infinite pixels; replace them before use.")


def read_image(path: str | Path) -> np.ndarray:
    """The image of a one-page file, (H, W) or (H, W, C); InputError when there are more pages."""
    pages = read_pages(path)
    if len(pages) > 1:
        raise InputError(f"{path}: has {len(pages)} pages; a labelled image is one page a file.")
    return pages[0]


def read_labels(path: str | Path, relabel: bool = False) -> np.ndarray:
    """Instance labels (H, W) int32, renumbered 1..n in the order of their ids; 0 is background.

    Refusals and `relabel` as in read_ids().
    """
    pages = read_ids(path, relabel)
    if len(pages) > 1:
        raise InputError(f"{path}: has {len(pages)} pages; a labelled image is one page a file.")
    return renumber(pages[0])


def read_ids(path: str | Path, relabel: bool = False) -> list[np.ndarray]:
    """Every page (H, W) of a label file, with the file's own ids.

    Any integer type is taken and ids may have gaps. JPEG, floats, colours, negative ids, masks,
    photographs and ids that start again are refused: each is the mark of a file that lost its ids
    on the way. `relabel`: of a mask each connected piece becomes an instance.
    """
    picture = read_picture(path, ids=True)
    if picture.lossy:
        raise InputError(f"{path}: is a JPEG, which changes ids; save labels as PNG or TIFF.")
    return [_ids(page, path, relabel) for page in picture.pages]


def _ids(page, path, relabel) -> np.ndarray:
    if page.ndim != 2:
        raise InputError(f"{path}: is a colour image; labels are one channel of instance ids.")
    if page.dtype.kind == "f":
        raise InputError(f"{path}: holds float labels; save instance ids as integers.")
    if page.dtype.kind == "i" and page.min() < 0:
        raise InputError(f"{path}: holds negative ids; save it as unsigned integers.")
    found = fault(page)
    if relabel and "background" not in found:
        classes = len(np.unique(page[page > 0]))
        if classes == 1 or (found and classes <= MASK):
            return relabelled(page)
    if found:
        raise InputError(f"{path}: holds no instance labels: {found}.")
    return page


def read_pair(item) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of a manifest item; InputError when their sizes differ."""
    image, labels = read_image(item.image), read_labels(item.label)
    if image.shape[:2] != labels.shape:
        raise InputError(
            f"{item.label}: labels are {labels.shape} but {Path(item.image).name} is "
            f"{image.shape[:2]}; give labels of the image's own size."
        )
    return image, labels


def three_channels(image: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C) to (H, W, 3): grey repeated (paper, section 2.1), more cut to three.

    Two channels, which the challenge's code refuses, get the brighter of the two as a third:
    networks have seen grey and colours, hardly a picture without blue.
    """
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=-1)
    if image.shape[-1] == 2:
        return np.concatenate([image, image.max(-1, keepdims=True)], axis=-1)
    return image[..., :3]


def normalise(image: np.ndarray) -> np.ndarray:
    """Any image to a network input, (3, H, W) float32 in 0..1, as the challenge's code does.

    Each channel is clipped to the 1st..99th percentile of its non-zero pixels and rescaled to
    8 bit, truncating; a channel with a span of at most 0.001, or an empty one, is left alone.
    Floats have no unit of their own: theirs is left alone where nothing but rounding differs.
    Then the whole image is scaled to 0..1 between its minimum and maximum.
    """
    stack = to_8_bit(image)
    return scaled(stack, stack.min(), stack.max())


def scaled(stack: np.ndarray, low: float, high: float) -> np.ndarray:
    """`stack` to float32, 0 at `low` and 1 at `high`; all 0 where they are the same."""
    low, high = np.float32(low), np.float32(high)
    found = stack.astype(np.float32)
    return (found - low) / (high - low) if high > low else np.zeros_like(found)


def to_8_bit(image: np.ndarray) -> np.ndarray:
    """The first step of normalise(): (3, H, W) uint8, each channel stretched by percentiles."""
    if image.ndim == 2:  # one channel is stretched once
        return np.repeat(_to_8_bit(image)[None], 3, axis=0)
    return np.stack([_to_8_bit(c) for c in np.moveaxis(three_channels(image), -1, 0)])


def _to_8_bit(channel) -> np.ndarray:  # (H, W) of any type -> (H, W) uint8
    values = channel[channel != 0]
    if values.size == 0:
        return np.zeros(channel.shape, np.uint8)
    low, high = np.percentile(values, (1, 99))
    if channel.dtype.kind == "f":
        if high - low <= FLAT * max(abs(low), abs(high)):
            return (channel != 0).astype(np.uint8)
    elif high - low <= 0.001:
        return np.clip(channel, 0, 255).astype(np.uint8)
    found = np.empty(channel.shape, np.uint8)
    for rows in range(0, len(channel), 512):  # in parts, since the fractions take 8 bytes a pixel
        part = np.clip(channel[rows : rows + 512].astype(np.float64), low, high)
        found[rows : rows + 512] = (part - low) / (high - low) * 255
    return found
