"""Make micro4 from its public sources, pixel by pixel.

The rows of data_manifest/micro4.csv say which image is cut from which source file; one function
a source reads the original, `outline_instances` turns drawn outlines into instances, and `tidy`
cuts the window. Nothing here downloads: `fetch` brings the sources.
"""

import shutil
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage
from skimage import measure, segmentation

from twodints_lib.data import manifest
from twodints_lib.data.images import read_image
from twodints_lib.errors import InputError
from twodints_lib.files import pixel_hash, read_csv


def list_rows() -> list[dict]:
    """micro4's images: dicts of strings with the columns of data_manifest/micro4.csv."""
    path = manifest.MANIFESTS / manifest.load_manifest("micro4")["rows"]
    return read_csv(path, ("name", "image", "label", "source", "source_file"))


def source_repos() -> dict[str, str]:
    """The checkout folder <owner>_<repo> of each source."""
    sources = manifest.load_manifest("micro4")["sources"]
    return {s["id"]: s["repo"].replace("/", "_") for s in sources}


def source_paths(repo: str) -> list[str]:
    """The paths inside the repository <owner>/<repo> that micro4 is made from."""
    folder, repos = repo.replace("/", "_"), source_repos()
    rows = [row for row in list_rows() if repos[row["source"]] == folder]
    return sorted({p for row in rows for p in (row["source_file"], companion(row))})


def companion(row: dict[str, str]) -> str:
    """The repository path of the file or folder that holds the labels of a row's source file."""
    image = Path(row["source_file"])
    if row["source"] == "dsb2018":
        return (image / "masks").as_posix()
    if row["source"] == "usiigaci":
        return image.with_name("instances_ids.png").as_posix()
    part = image.parent.parent
    if row["source"] == "bbbc030" and part.name == "test":
        part = part.with_name("test_truth")  # this part alone keeps its outlines elsewhere
    return (part / "outlines" / image.name).as_posix()


def read_dsb2018(image: Path, masks: Path) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W) or (H, W, 3) of a nucleus folder, labels (H, W): one mask file a nucleus."""
    pixels = read_image(next((image / "images").glob("*.png"), image / "images"))
    pixels = pixels[..., :3] if pixels.ndim == 3 else pixels
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    labels = np.zeros(pixels.shape[:2], int)
    for number, mask in enumerate(sorted(masks.glob("*.png")), 1):
        labels[first_channel(read_image(mask)) > 0] = number
    return pixels, labels


def read_usiigaci(image: Path, ids: Path) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W) uint16 and the instance ids (H, W) that stand beside it."""
    return read_image(image), first_channel(read_image(ids)).astype(int)


def read_bbbc030(image: Path, outlines: Path) -> tuple[np.ndarray, np.ndarray]:
    """First channel (H, W) and labels from outlines drawn in non-zero pixels."""
    drawn = first_channel(read_image(outlines)) != 0
    return first_channel(read_image(image)), outline_instances(drawn, smallest=60)


def read_bbbc009(image: Path, outlines: Path) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W) and labels from outlines.

    They are black when shown, yet the set bits of these min-is-white TIFFs, which tifffile
    hands out as they are stored.
    """
    return read_image(image), outline_instances(tifffile.imread(outlines) != 0, smallest=250)


def first_channel(array: np.ndarray) -> np.ndarray:
    """(H, W) of an array (H, W) or (H, W, C)."""
    return array if array.ndim == 2 else array[..., 0]


READERS = {
    "dsb2018": read_dsb2018,
    "usiigaci": read_usiigaci,
    "bbbc030": read_bbbc030,
    "bbbc009": read_bbbc009,
}


def outline_instances(outline: np.ndarray, smallest: int, grow: int = 3) -> np.ndarray:
    """Instances (H, W) int from a map (H, W) bool of drawn contours.

    A contour cut by the frame is closed in a one-pixel padding; what contours enclose is labelled
    by side neighbours, pieces under `smallest` px fall away, and each label grows `grow` px onto
    the drawn line, so that neighbours share it.
    """
    outline = close_at_frame(np.pad(outline, 1))
    filled = ndimage.binary_fill_holes(outline)
    labels = measure.label(filled & ~outline, connectivity=1)
    sizes = np.bincount(labels.ravel())
    labels[sizes[labels] < smallest] = 0
    labels = np.where(outline | (labels > 0), segmentation.expand_labels(labels, grow), 0)
    return segmentation.relabel_sequential(labels[1:-1, 1:-1])[0]


def close_at_frame(outline: np.ndarray) -> np.ndarray:
    """The padded map with each contour's ends on an image side joined along the padding.

    Joined only when the ends lie more than 4 and fewer than 150 px apart: less is the line's own
    width, more is two cells' lines that happen to touch.
    """
    closed, parts = outline.copy(), measure.label(outline, connectivity=2)
    for turn in range(4):  # each side in turn becomes the upper one, as a view into the arrays
        line, padding = np.rot90(parts, turn)[1], np.rot90(closed, turn)[0]
        for part in np.unique(line[line > 0]):
            hits = np.flatnonzero(line == part)
            if 4 < hits[-1] - hits[0] < 150:
                padding[hits[0] : hits[-1] + 1] = True
    return closed


def tidy(labels: np.ndarray) -> np.ndarray:
    """Labels (H, W) uint16, 1..n, less fragments (< 10 % of their label) and specks (< 10 px)."""
    out = np.zeros(labels.shape, np.uint16)
    number = 0
    for value in np.unique(labels[labels > 0]):
        fragments = measure.label(labels == value, connectivity=2)
        sizes = np.bincount(fragments.ravel())
        keep = sizes >= 0.1 * sizes[1:].sum()
        keep[0] = False
        if sizes[keep].sum() >= 10:
            number += 1
            out[keep[fragments]] = number
    return out


def make_pair(row: dict[str, str], checkout: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Image and uint16 labels of one row, from the folder that holds its repository's files.

    Raises InputError when a source file is missing or the pixels are not those of the list.
    """
    image, labels = Path(checkout) / row["source_file"], Path(checkout) / companion(row)
    for path in (image, labels):
        if not path.exists():
            mend = "fetch the sources again, or give a folder that holds them"
            raise InputError(f"{path}: is missing and {row['name']} needs it; {mend}.")
    pixels, ids = READERS[row["source"]](image, labels)
    y, x, height, width = (int(row[k]) for k in ("crop_y", "crop_x", "height", "width"))
    window = (slice(y, y + height), slice(x, x + width))
    pixels, ids = np.ascontiguousarray(pixels[window]), tidy(ids[window])
    for array, kind in ((pixels, "image"), (ids, "label")):
        if pixel_hash(array) != row[f"sha256_{kind}_pixels"]:
            told = f"the {kind} {row['name']} made from it is not the listed one"
            raise InputError(f"{image}: {told}; take the file of the commit in micro4.toml.")
    return pixels, ids


def write_papers(folder: str | Path) -> None:
    """Write the folder's manifest.csv and ATTRIBUTION.md."""
    told = manifest.load_manifest("micro4")
    shutil.copyfile(manifest.MANIFESTS / told["rows"], Path(folder) / "manifest.csv")
    text = f"# {told['title']}\n\n{' '.join(told['notes'])}\n\n"
    text += "| images | source | licence | credit |\n|---|---|---|---|\n"
    for s in told["sources"]:
        where = f"{s['id']} in github.com/{s['repo']} at {s['commit']}"
        text += f"| {s['images']} | {where} | {s['licence']} | {s['credit']} |\n"
    (Path(folder) / "ATTRIBUTION.md").write_text(text, encoding="utf-8")
