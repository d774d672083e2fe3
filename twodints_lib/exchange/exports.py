"""Labels for other programs: each kind in a folder of its own beside the label files."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import roifile
import tifffile

from twodints_lib.data.images import plain_stem
from twodints_lib.data.view import list_images
from twodints_lib.errors import InputError
from twodints_lib.exchange.measure import measure, text
from twodints_lib.exchange.outlines import area, outlines
from twodints_lib.exchange.scale import Scale, pixel_size
from twodints_lib.files import whole_file, write_csv, write_json
from twodints_lib.inference.segment import segment_files
from twodints_lib.messages import log

Pages = list[np.ndarray]


def _ome(path: Path, labels: Pages, images: Pages, scale: Scale | None) -> None:
    """OME-TIFF of the ids, with the pixel size where the image's file tells it."""
    stack = np.stack(labels) if len(labels) > 1 else labels[0]
    told = {"axes": "ZYX" if len(labels) > 1 else "YX"}
    if scale:
        told |= {"PhysicalSizeY": scale[0], "PhysicalSizeX": scale[1]}
        told |= {"PhysicalSizeYUnit": "µm", "PhysicalSizeXUnit": "µm"}
    with whole_file(path) as made:
        tifffile.imwrite(
            made, stack.astype(np.uint16 if stack.max() < 2**16 else np.uint32), ome=True,
            metadata=told, photometric="minisblack", compression="zlib",
        )  # fmt: skip


def _rois(path: Path, labels: Pages, images: Pages, scale: Scale | None) -> None:
    """ImageJ's ROI zip: an outline for each piece of a cell, called cell-<id>, cell-<id>-2.

    ImageJ's outlines have no holes: they are filled, which is said.
    """
    found, holes = [], 0
    for page, own in enumerate(labels):
        for number, rings in zip(_ids(own), outlines(own), strict=True):
            pieces = [ring for ring in rings if area(ring) > 0]
            holes += len(rings) - len(pieces)
            for piece, ring in enumerate(pieces, 1):
                name = f"cell-{number:05}" + (f"-{piece}" if piece > 1 else "")
                name = f"page-{page + 1}-{name}" if len(labels) > 1 else name
                position = page if len(labels) > 1 else None
                roi = roifile.ImagejRoi.frompoints(ring, name=name, position=position)
                roi.roitype = roifile.ROI_TYPE.POLYGON
                found.append(roi)
    if holes:
        log.info(f"{path.name}: holes in cells are filled ({holes}), ImageJ's outlines have none")
    with whole_file(path) as made:
        roifile.roiwrite(made, found, mode="w")


def _geojson(path: Path, labels: Pages, images: Pages, scale: Scale | None) -> None:
    """GeoJSON as QuPath imports it: a feature for each cell, its holes and pieces as they are."""
    features = []
    for page, own in enumerate(labels):
        for number, rings in zip(_ids(own), outlines(own), strict=True):
            parts = [[_closed(p), *holes] for p, holes in _pieces(rings)]
            single = len(parts) == 1
            geometry = {
                "type": "Polygon" if single else "MultiPolygon",
                "coordinates": parts[0] if single else parts,
            }
            if len(labels) > 1:
                geometry["plane"] = {"c": -1, "z": page, "t": 0}
            told = {"objectType": "detection", "name": f"cell-{number:05}", "label": number}
            features.append({"type": "Feature", "geometry": geometry, "properties": told})
    write_json(path, {"type": "FeatureCollection", "features": features}, indent=None)


def _csv(path: Path, labels: Pages, images: Pages, scale: Scale | None) -> None:
    """The measurements of every cell, a row each."""
    rows, header = [], ()
    for page, (own, image) in enumerate(zip(labels, images, strict=True), 1):
        table = measure(own, image, scale)
        header = ("page", *table)
        cells = zip(*(column.tolist() for column in table.values()), strict=True)
        rows += [(page, *map(text, cell)) for cell in cells]
    write_csv(path, header, rows)


KINDS = {
    "ome": (".ome.tiff", _ome),
    "rois": (".zip", _rois),
    "geojson": (".geojson", _geojson),
    "csv": (".csv", _csv),
}


def target_of(out: Path, kind: str, name: str) -> Path:
    """Where an image's export of a kind goes: <out>/<kind>/<name> and the kind's ending."""
    if kind not in KINDS:
        raise InputError(f"--export {kind}: is not known; take some of {', '.join(KINDS)}.")
    return Path(out) / kind / (name + KINDS[kind][0])


def write_exports(
    source: Path, labels: Pages, images: Pages, out: Path, kinds: Iterable[str]
) -> list[Path]:
    """Write an image's labels in each of the KINDS; the files. Nothing is overwritten.

    `labels`: (H, W) integer ids a page, `images` the pages as read from `source`, whose file tells
    the pixel size.
    """
    targets = _new_targets(source, out, kinds)
    scale = pixel_size(source)
    for kind, target in targets.items():
        KINDS[kind][1](target, labels, images, scale)
    return list(targets.values())


def segment_and_export(
    paths: Iterable[Path], out: Path, kinds: Iterable[str] = (), **given
) -> list[Path]:
    """segment_files(), and its labels in other KINDS too; the label files.

    InputError before anything is written where one of the exports exists already.
    """
    kinds = tuple(dict.fromkeys(kinds))
    for source in list_images(paths) if kinds else ():
        _new_targets(source, Path(out), kinds)
    also = partial(write_exports, out=Path(out), kinds=kinds) if kinds else None
    return segment_files(paths, out, also=also, **given)


def _new_targets(source: Path, out: Path, kinds: Iterable[str]) -> dict[str, Path]:
    targets = {kind: target_of(out, kind, plain_stem(source)) for kind in kinds}
    for target in targets.values():
        if target.exists():
            raise InputError(f"{target}: exists already; move it away or choose another folder.")
    return targets


def _ids(labels) -> list[int]:
    return [int(i) for i in np.unique(labels) if i]


def _closed(ring) -> list[list[float]]:
    return [*ring.tolist(), ring[0].tolist()]


def _pieces(rings) -> list[tuple[np.ndarray, list]]:
    """Each outer ring with the closed rings of the holes that lie in it."""
    outer = [r for r in rings if area(r) > 0]
    found = [(r, []) for r in outer]
    for hole in (r for r in rings if area(r) < 0):
        around = [i for i, r in enumerate(outer) if _holds(r, hole)]
        found[min(around, key=lambda i: area(outer[i]))][1].append(_closed(hole))
    return found


def _holds(ring, hole) -> bool:
    """Whether a ring of corners goes around another: a ray from within the other's first edge."""
    (x0, y0), (x1, y1) = hole[0], hole[1]
    # A point of the hole: half a pixel to its inner side, which is the left of its first edge.
    dx, dy = np.sign(x1 - x0), np.sign(y1 - y0)
    x, y = x0 + dx / 2 + dy / 2, y0 + dy / 2 - dx / 2
    following = np.roll(ring, -1, axis=0)
    upright = ring[:, 0] == following[:, 0]
    low = np.minimum(ring[:, 1], following[:, 1])
    high = np.maximum(ring[:, 1], following[:, 1])
    return bool((upright & (ring[:, 0] > x) & (low < y) & (y < high)).sum() % 2)
