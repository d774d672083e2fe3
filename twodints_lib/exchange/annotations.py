"""Others' outlines and masks as labels: COCO json, GeoJSON, ImageJ's ROIs, a mask for each cell."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import roifile

from twodints_lib.data.images import read_image
from twodints_lib.errors import InputError
from twodints_lib.exchange.outlines import draw, pixels_in, stacked

Shape = tuple[int, int]
OURS = re.compile(r"(?:page-\d+-)?cell-(\d+)(?:-\d+)?")  # names of our own ROIs
NO_AREA = {"POINT", "LINE", "FREELINE", "POLYLINE", "NOROI", "ANGLE"}


def read_json(path: Path) -> dict:
    """The object in a JSON file; InputError where it holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error}); export it again.") from error
    if isinstance(found, list):  # QuPath can write the bare list of its features
        found = {"type": "FeatureCollection", "features": found}
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no COCO json and no GeoJSON; export it again.")
    return found


def of_geojson(path: Path, shape: Shape) -> tuple[np.ndarray, int]:
    """Labels of a GeoJSON's polygons, a cell a feature, and how many pixels were in several."""
    told, cells = read_json(path), []
    for feature in told.get("features", []):
        try:
            geometry = feature["geometry"]
            kind, where = geometry["type"], geometry.get("coordinates")
            if kind not in ("Polygon", "MultiPolygon"):
                raise InputError(f"{path}: holds a {kind}; export outlines (polygons) of cells.")
            parts = [where] if kind == "Polygon" else where
            cells.append([_ring(r) for rings in parts for r in rings])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path}: a feature of it is no polygon ({error}); export it again."
            ) from error
    return draw(cells, shape)


def of_rois(path: Path, shape: Shape) -> tuple[np.ndarray, int]:
    """Labels of ImageJ's ROIs in a .zip or .roi, and how many pixels were in several.

    A ROI is a cell; pieces that our own export called cell-<id>-2 go to their cell.
    """
    try:
        found = roifile.roiread(path)
    except Exception as error:  # a broken zip, no ROI in it, a cut file
        raise InputError(f"{path}: holds no ROIs of ImageJ ({error}); save them again.") from error
    cells = {}
    for number, roi in enumerate(found if isinstance(found, list) else [found]):
        if roi.roitype.name in NO_AREA:
            kind = roi.roitype.name.lower()
            raise InputError(f"{path}: '{roi.name}' is a {kind}; keep ROIs with an area only.")
        ours = OURS.fullmatch(roi.name or "")
        rings = roi.coordinates(multi=True)
        cells.setdefault(ours[1] if ours else number, []).extend(_ring(r) for r in rings)
    return draw(cells.values(), shape)


def of_coco(path: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    """(file name, labels, pixels in several) of each image of a COCO json.

    Polygons, and masks in run lengths, plain or packed. Crowd regions (iscrowd) are left out.
    """
    told = read_json(path)
    try:
        images = {i["id"]: (i["file_name"], (i["height"], i["width"])) for i in told["images"]}
        masks = {key: [] for key in images}
        for note in told["annotations"]:
            if not note.get("iscrowd"):
                masks[note["image_id"]].append(
                    _coco_pixels(note["segmentation"], images[note["image_id"]][1])
                )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{path}: is no COCO json of outlines ({type(error).__name__}: {error}); export images "
            "and annotations with segmentation."
        ) from error
    for key, (name, shape) in images.items():
        yield name, *stacked(list(enumerate(masks[key], 1)), shape)


def of_masks(paths: list[Path]) -> tuple[np.ndarray, int]:
    """Labels of one mask file a cell, whatever is not 0, and how many pixels were in several."""
    masks, shape = [], None
    for number, path in enumerate(paths, 1):
        mask = read_image(path)
        mask = mask.any(-1) if mask.ndim == 3 and mask.shape[-1] == 3 else mask
        if mask.ndim == 3:  # grey or colour, and alpha
            mask = mask[..., :-1].any(-1)
        if shape not in (None, mask.shape):
            raise InputError(f"{path}: is {mask.shape}, the masks before it {shape}; mend it.")
        shape = mask.shape
        if mask.all() or not mask.any():
            raise InputError(f"{path}: marks {'all' if mask.all() else 'no'} pixels; mend it.")
        masks.append((number, np.flatnonzero(mask)))
    return stacked(masks, shape)


def _ring(points) -> np.ndarray:
    """A ring's points (n, 2); ValueError where it is none. GeoJSON repeats the first at the end."""
    ring = np.asarray(points, float)
    if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError("a ring needs three points")
    return ring[:, :2]


def _coco_pixels(segmentation, shape) -> np.ndarray:
    """The flat pixels of a COCO segmentation: rings that are joined, or run lengths by column."""
    if isinstance(segmentation, list):
        rings = [_ring(np.asarray(r, float).reshape(-1, 2)) for r in segmentation]
        return np.unique(np.concatenate([pixels_in(r, shape) for r in rings]))
    counts, size = segmentation["counts"], tuple(segmentation["size"])
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    if size != shape or min(runs, default=0) < 0 or sum(runs) != size[0] * size[1]:
        raise ValueError("run lengths do not fit the image")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.flatnonzero(flat.reshape(shape, order="F"))


def _unpacked(text: str) -> list[int]:
    """COCO's run lengths from their text: six bits a character, each run less the one before its
    last (https://github.com/cocodataset/cocoapi, rleFrString)."""
    runs, at = [], 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            code = ord(text[at]) - 48
            value |= (code & 31) << shift
            more, at, shift = bool(code & 32), at + 1, shift + 5
            if not more and code & 16:
                value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
