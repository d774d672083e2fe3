"""A row of measurements for each cell: where, how large, of what shape, how bright, how close."""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import regionprops_table

from twodints_lib.data.images import image_files, name_of, read_ids, read_pages
from twodints_lib.errors import InputError
from twodints_lib.exchange.scale import Scale, pixel_size
from twodints_lib.files import write_csv
from twodints_lib.messages import log

PROPERTIES = (
    "label", "centroid", "area", "equivalent_diameter_area", "axis_major_length",
    "axis_minor_length", "eccentricity", "solidity",
)  # fmt: skip
INTENSITIES = ("intensity_mean", "intensity_std", "intensity_min", "intensity_max")


def measure(
    labels: np.ndarray, image: np.ndarray | None = None, scale: Scale | None = None
) -> dict[str, np.ndarray]:
    """Columns of a table with a row for each cell of (H, W) labels, in the order of the ids.

    `scale`: height and width of a pixel in micrometres; then lengths are in um and areas in um2,
    as the columns' names say, else in pixels. `image` (H, W) or (H, W, C) as read: mean, spread,
    lowest and highest value of each channel, in the file's own values. Eccentricity is 0 for a
    circle, solidity the share of its convex hull that a cell fills. Neighbours are the cells that
    touch it, at a corner too; `nearest` is the distance to the closest other centre, none for a
    cell alone. `touches_edge`: the image cuts it, perhaps.
    """
    unit, areal = ("um", "um2") if scale else ("px", "px")
    spacing = scale or (1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # a cell of one pixel has no axes
        told = regionprops_table(labels, None, PROPERTIES, spacing=spacing)
    centres = np.stack([told["centroid-0"], told["centroid-1"]], 1)
    found = {
        "label": told["label"],
        f"x_{unit}": centres[:, 1] + spacing[1] / 2,  # from the corner of the image
        f"y_{unit}": centres[:, 0] + spacing[0] / 2,
        f"area_{areal}": told["area"],
        f"diameter_{unit}": told["equivalent_diameter_area"],
        f"major_axis_{unit}": told["axis_major_length"],
        f"minor_axis_{unit}": told["axis_minor_length"],
        "eccentricity": told["eccentricity"],
        "solidity": told["solidity"],
    }
    if image is not None:
        planes = image if image.ndim == 3 else image[..., None]
        for channel in range(planes.shape[-1]):
            own = regionprops_table(
                labels, planes[..., channel].astype(float), ("label", *INTENSITIES)
            )
            found |= {f"{name}_channel_{channel + 1}": own[name] for name in INTENSITIES}
    count = np.bincount(_touching_pairs(labels).ravel(), minlength=int(labels.max()) + 1)
    found["neighbours"] = count[told["label"]]
    found[f"nearest_{unit}"] = _nearest(centres)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    found["touches_edge"] = np.isin(told["label"], edge).astype(int)
    return found


def _touching_pairs(labels) -> np.ndarray:
    """(n, 2): every pair of cells that have neighbouring pixels, once."""
    pairs = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        height, width = labels.shape[0] - dy, labels.shape[1] - abs(dx)
        a = labels[:height, max(0, -dx) :][:, :width]
        b = labels[dy:, max(0, dx) :][:, :width]
        meet = (a != b) & (a > 0) & (b > 0)
        pairs.append(np.sort(np.stack([a[meet], b[meet]], 1), axis=1))
    return np.unique(np.concatenate(pairs), axis=0)


def _nearest(centres) -> np.ndarray:
    """The distance of each point to the closest other; nan for one alone."""
    if len(centres) < 2:
        return np.full(len(centres), np.nan)
    return cKDTree(centres).query(centres, k=2)[0][:, 1]


def measure_files(labels: Path, images: Path | None, out: Path, scale: Scale | None = None) -> Path:
    """Write one table of all cells of label files (a file or a folder), with image and page.

    `images`: a file or a folder; an image goes with the label file of its name up to "_label", and
    gives the intensities and the pixel size. `scale` replaces what files say. InputError where an
    image is missing or differs in size or pages, or where some files tell a pixel size and others
    do not: one table has one unit.
    """
    out = Path(out)
    if out.exists() or not out.parent.is_dir():
        raise InputError(f"{out}: must be a new file in a folder; choose another name.")
    sources = _files(labels)
    pictures = {} if images is None else {_name(p): p for p in _files(images)}
    told, rows, header = {}, [], {}
    for number, path in enumerate(sources, 1):
        picture = _picture(path, pictures, images)
        told[path] = scale or pixel_size(picture or path)
        if (told[path] is None) != (told[sources[0]] is None):
            known = next(p for p, s in told.items() if s)
            raise InputError(
                f"{path if told[path] is None else sources[0]}: tells no pixel size, and "
                f"{known.name} does; give --pixel-size."
            )
        pages = read_pages(picture) if picture else None
        for page, ids in enumerate(label_pages(path)):
            image = _page(pages, page, ids, picture, path) if pages else None
            table = measure(ids, image, told[path])
            header |= dict.fromkeys(table)
            start = {"image": _name(path), "page": page + 1}
            rows += [
                start | dict(zip(table, cells, strict=True))
                for cells in zip(*(table[c].tolist() for c in table), strict=True)
            ]
        log.info(f"{number}/{len(sources)} {path.name}: {len(rows)} cells so far")
    columns = ["image", "page", *header]
    return write_csv(out, columns, ([text(r.get(c, "")) for c in columns] for r in rows))


def text(value: float | str) -> str | int:
    """A number as a table shows it: seven digits, nothing where it is none."""
    if not isinstance(value, float):
        return value
    return f"{value:.7g}" if np.isfinite(value) else ""


def label_pages(path: Path) -> list[np.ndarray]:
    """The label pages (H, W) int32 of a file with the file's own ids; InputError as read_ids()."""
    pages = read_ids(path)
    if any(page.max() >= 2**31 for page in pages):
        raise InputError(f"{path}: has ids over 2147483647; renumber them from 1.")
    return [page.astype(np.int32) for page in pages]


def _files(place: Path) -> list[Path]:
    place = Path(place)
    found = image_files(place) if place.is_dir() else [place] if place.is_file() else []
    if not found:
        raise InputError(f"{place}: no such image file or folder of them; check the path.")
    return found


def _name(path: Path) -> str:
    return name_of(path)


def _picture(path, pictures, images) -> Path | None:
    if images is None:
        return None
    if _name(path) not in pictures:
        raise InputError(f"{path}: has no image of its name in {images}; add it, or leave it out.")
    return pictures[_name(path)]


def _page(pages, number, labels, picture, path) -> np.ndarray:
    if number >= len(pages) or pages[number].shape[:2] != labels.shape:
        raise InputError(f"{path}: does not fit {picture} in size or pages; give its own labels.")
    return pages[number]
