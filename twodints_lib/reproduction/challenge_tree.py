"""A tree like the challenge's unzipped archives, drawn by the modality lab.

Names, folders, extensions by id, bit depths and odd cases are the challenge's; the pictures are
ours. So every path of the `paper` preset runs without the download; a score on it means nothing.
"""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
from imageio import v3 as iio
from tqdm import tqdm

from twodints_lib.data import manifest
from twodints_lib.errors import InputError
from twodints_lib.files import cache_dir, whole_folder, write_tiff
from twodints_lib.lab import optics
from twodints_lib.messages import log

SIZES = ((256, 256), (400, 500), (480, 640), (512, 512), (520, 704), (600, 800), (768, 1024))
SLIDE, TILE = 5120, 1024  # pixels a side: a whole slide has over 25 megapixels


def groups(told: dict) -> list[tuple[int, int, str, str]]:
    """(first id, last id, modality, extension) of the training images, from the manifest."""
    ranges = (r for r in told["ranges"] if r["part"] == "Training-labeled")
    both = (
        (max(r["first"], e["first"]), min(r["last"], e["last"]), r["modality"], e["extension"])
        for r, e in product(ranges, told["extensions"])
    )
    return sorted(group for group in both if group[0] <= group[1])


def chosen_ids(told: dict, images: int) -> list[int]:
    """`images` ids of 1..1000: the first of every group, the others evenly spread."""
    first = [g[0] for g in groups(told)]
    if not len(first) <= images <= 1000:
        raise InputError(f"--images {images}: give {len(first)} to 1000, one of a kind at least.")
    return spread(first, 1000, images)


def spread(first: list[int], last: int, count: int) -> list[int]:
    """`count` ids of 1..last: those of `first`, and evenly spread others."""
    others = [i for i in range(1, last + 1) if i not in first]
    steps = np.linspace(0, len(others) - 1, count - len(first)).astype(int)
    return sorted(first + [others[i] for i in steps])


def disguise(image: np.ndarray, extension: str, turn: int) -> np.ndarray:
    """An image (H, W) or (H, W, 3), uint8 or uint16, in one of the shapes the archives hold.

    `turn` goes through the cases: grey or colour; with an alpha channel that says nothing; of a
    TIFF channels first, a leading axis of one, or two channels.
    """
    grey = image if image.ndim == 2 else image.mean(-1).astype(image.dtype)
    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)
    if extension == "png" and image.dtype == np.uint16:
        return grey  # colour PNGs of 16 bit are beyond most writers
    cases = [image, colour, grey]
    if extension == "png" and image.dtype == np.uint8:
        cases.insert(1, np.concatenate([colour, np.full_like(colour[..., :1], 255)], -1))
    if extension in ("tif", "tiff"):
        cases += [np.moveaxis(colour, -1, 0), grey[None], np.stack([grey, grey // 2], -1)]
    return cases[turn % len(cases)]


def write(path: Path, image: np.ndarray) -> None:
    """An image as its extension says; TIFFs deflated, as the challenge's labels are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".tif", ".tiff"):
        axes = {2: "YX", 3: "CYX" if image.shape[0] in (1, 3) else "YXC"}[image.ndim]
        write_tiff(path, image, metadata={"axes": axes})
    else:
        iio.imwrite(path, image)


def slide(seed: int, size: int, tile: int) -> tuple[np.ndarray, np.ndarray]:
    """A whole slide (size, size, 3) uint8 and its labels (size, size) int32, of simulated tiles."""
    image = np.zeros((size, size, 3), np.uint8)
    labels = np.zeros((size, size), np.int32)
    tiles = [optics.simulate("brightfield", seed + i, (tile, tile)) for i in range(3)]
    for i in range((size // tile) ** 2):
        picture, cells = (np.rot90(x, i // 3) for x in tiles[i % 3])
        rows, columns = (slice(k * tile, (k + 1) * tile) for k in divmod(i, size // tile))
        image[rows, columns] = picture
        labels[rows, columns] = np.where(cells, cells.astype(np.int32) + labels.max(), 0)
    return image, labels


def pairs(told: dict, images: int) -> list[tuple[str, str, str, str, int]]:
    """(part, name, modality, extension, turn of `disguise`) of every image but the slide."""
    found, seen, kinds = [], Counter(), groups(told)
    for i in chosen_ids(told, images):
        modality, extension = next(g[2:] for g in kinds if g[0] <= i <= g[1])
        found.append(("Training-labeled", f"cell_{i:05}", modality, extension, seen[extension]))
        seen[extension] += 1
    tuning = [r for r in told["ranges"] if r["part"] == "Tuning"]
    one_each = {r["modality"]: r["first"] for r in reversed(tuning)}
    for turn, i in enumerate(spread(list(one_each.values()), 101, max(4, images // 10))):
        modality = next(r["modality"] for r in tuning if r["first"] <= i <= r["last"])
        test = f"OpenTest_{turn + 1:03}"
        found += [
            ("Tuning", f"cell_{i:05}", modality, ("png", "tif")[turn % 2], turn),
            ("Testing/Public", test, modality, ("png", "bmp")[turn % 2], 0),
        ]
    return found


def make_shaped(folder: Path, images: int = 40, seed: int = 2022) -> Path:
    """Write the tree: `images` training pairs, a tenth as many for tuning and for testing, one
    whole slide. The folder appears when all is written; InputError when it exists already."""
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder}: exists already; remove it to make it anew.")
    jobs, rng = pairs(manifest.load_manifest("neurips2022"), images), np.random.default_rng(seed)
    with whole_folder(folder) as partial:
        for number, (part, name, modality, extension, turn) in enumerate(
            tqdm(jobs, desc=folder.name, unit="image", mininterval=0.5)
        ):
            size = SIZES[rng.integers(len(SIZES))]
            deep = modality in ("phase-contrast", "fluorescence") and extension != "bmp"
            dtype = "uint16" if deep and turn % 2 else "uint8"
            image, labels = optics.simulate(modality, seed + number, size, dtype=dtype)
            ids = np.where(labels > 2, labels + 3, labels).astype(np.int16)  # with a gap
            picture = partial / part / "images" / f"{name}.{extension}"
            write(picture, disguise(image, extension, turn))
            write(partial / part / "labels" / f"{name}_label.tiff", ids)
        image, labels = slide(seed, SLIDE, TILE)
        public = partial / "Testing" / "Public"
        write(public / "WSI" / "OpenTest_WSI_001.tif", image)
        write(public / "WSI-labels" / "OpenTest_WSI_001_label.tiff", labels)
    return folder


def make(images: int | None = None) -> Path:
    """The data set neurips-shaped: found in the cache where it has so many training images (None:
    any number), else drawn, by default with its manifest's number."""
    settings = manifest.load_manifest("neurips-shaped")["settings"]
    home = cache_dir() / "neurips-shaped"
    found = len(list((home / "Training-labeled" / "images").glob("*")))
    if not found or images not in (None, found):
        make_shaped(home, settings["train"] if images is None else images, settings["seed"])
    log.info(home)
    return home
