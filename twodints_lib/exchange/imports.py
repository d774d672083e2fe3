"""What others labelled, as a folder that trains and scores: images/ and labels/."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from twodints_lib.data.images import image_files, name_of, plain_stem, read_image, read_labels
from twodints_lib.data.labels import renumber
from twodints_lib.errors import InputError
from twodints_lib.exchange import annotations
from twodints_lib.exchange.pickled import cellpose_masks
from twodints_lib.files import whole_folder
from twodints_lib.messages import log

Found = tuple[Path, np.ndarray, int]  # an image, its labels, pixels that were in several cells
SHAPES = (
    "Cellpose's <name>_seg.npy or <name>_cp_masks.png, <name>/masks/ with a mask for each cell, "
    "<name>.geojson, <name>.zip of ImageJ's ROIs, or a COCO json"
)


def import_labels(
    source: Path, out: Path, images: Path | None = None, relabel: bool = False
) -> list[Path]:
    """Make a folder with images/ and labels/ of what another program labelled; its label files.

    `source`: a folder or one file of one of the SHAPES. `images`: the folder of the images, where
    they do not lie beside. Where cells overlap, the smaller lies on top, and the pixels are
    counted. `relabel`: of masks each piece is a cell. The images are copied as they are.
    InputError names the first file that is wrong, and
    then nothing is written; `out` must be new.
    """
    source, out = Path(source), Path(out)
    if out.exists():
        raise InputError(f"{out}: exists already; move it away or choose another folder.")
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; check the path.")
    pictures = Path(images) if images else source if source.is_dir() else source.parent
    if not pictures.is_dir():
        raise InputError(f"{pictures}: no such folder of images; check the path.")
    names = []
    with whole_folder(out) as made:
        for part in ("images", "labels"):
            (made / part).mkdir(parents=True)
        for picture, labels, shared in _found(source, pictures, relabel):
            shape = read_image(picture).shape[:2]
            if shape != labels.shape:
                raise InputError(
                    f"{source}: {picture.name} is {shape}, its labels {labels.shape}; give the "
                    "images that were labelled."
                )
            if picture.stem in names:
                raise InputError(f"{source}: two images are called '{picture.stem}'; rename one.")
            names.append(picture.stem)
            labels = renumber(labels)
            shutil.copy(picture, made / "images" / picture.name)
            kept = labels.astype(np.uint16 if labels.max() < 2**16 else np.uint32)
            target = made / "labels" / f"{picture.stem}_label.tiff"
            tifffile.imwrite(target, kept, compression="zlib", photometric="minisblack")
            more = f", {shared} pixels were in more than one" if shared else ""
            log.info(f"{picture.name}: {labels.max()} cells{more}")
        if not names:
            raise InputError(f"{source}: holds no labels that we know; give {SHAPES}.")
    return [out / "labels" / f"{name}_label.tiff" for name in names]


def _found(source: Path, pictures: Path, relabel: bool) -> Iterator[Found]:
    """Every labelled image of a source."""
    if source.is_file():
        yield from _of_file(source, pictures, relabel)
        return
    if (source / "images").is_dir() and (source / "labels").is_dir():  # our own layout, of masks
        for path in image_files(source / "labels"):
            yield _picture(source / "images", name_of(path), path), read_labels(path, relabel), 0
        return
    kinds = (
        source.glob("*_seg.npy"),
        (p for p in image_files(source) if p.stem.endswith("_cp_masks")),
        source.glob("*.geojson"), source.glob("*.json"), source.glob("*.zip"),
        source.glob("*.roi"), (p.parent for p in source.glob("*/masks")),
    )  # fmt: skip
    some = [sorted(kind) for kind in kinds]
    told = [paths for paths in some if paths]
    if len(told) > 1:
        raise InputError(
            f"{source}: holds labels of several kinds ({told[0][0].name}, {told[1][0].name}); give "
            "one of them."
        )
    for path in told[0] if told else ():
        yield from _of_file(path, pictures, relabel)


def _of_file(path: Path, pictures: Path, relabel: bool) -> Iterator[Found]:
    """The labelled images of one file, or of one folder with masks/."""
    if path.is_dir():
        yield _of_masks(path, pictures)
    elif path.name.endswith("_seg.npy"):
        yield _picture(pictures, path.name.removesuffix("_seg.npy"), path), cellpose_masks(path), 0
    elif path.stem.endswith("_cp_masks"):
        yield _picture(pictures, name_of(path), path), read_labels(path, relabel), 0
    elif path.suffix.lower() in (".zip", ".roi"):
        stem = path.stem.removesuffix("_rois").removesuffix("_RoiSet")
        picture = _picture(pictures, stem, path)
        yield picture, *annotations.of_rois(path, read_image(picture).shape[:2])
    elif path.suffix.lower() in (".json", ".geojson"):
        if "annotations" in annotations.read_json(path):
            for name, labels, shared in annotations.of_coco(path):
                # Only the name counts: what a file says may lead out of the folder.
                yield _picture(pictures, Path(name.replace("\\", "/")).stem, path), labels, shared
            return
        picture = _picture(pictures, path.stem, path)
        yield picture, *annotations.of_geojson(path, read_image(picture).shape[:2])
    else:
        raise InputError(f"{path}: is no labels that we know; give {SHAPES}.")


def _of_masks(folder: Path, pictures: Path) -> Found:
    """One image of the 2018 Data Science Bowl: <name>/images/<name>.png, <name>/masks/*.png."""
    masks = image_files(folder / "masks")
    if not masks:
        raise InputError(f"{folder / 'masks'}: holds no masks; give one for each cell.")
    inside = image_files(folder / "images") if (folder / "images").is_dir() else []
    if len(inside) > 1:
        raise InputError(f"{folder / 'images'}: holds {len(inside)} images; give one.")
    picture = inside[0] if inside else _picture(pictures, folder.name, folder)
    return picture, *annotations.of_masks(masks)


def _picture(pictures: Path, stem: str, path: Path) -> Path:
    """The image of this name; InputError where there is none, or several."""
    found = [p for p in image_files(pictures) if plain_stem(p) == stem]
    if len(found) != 1:
        lack = "no image" if not found else "several images"
        raise InputError(f"{path}: has {lack} called '{stem}' in {pictures}; give --images FOLDER.")
    return found[0]
