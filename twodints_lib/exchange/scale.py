"""What an image's file says of its scale: how large a pixel is, in micrometres."""

import re
from pathlib import Path

import tifffile

MICRONS = {"nm": 1e-3, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "mm": 1e3,
           "cm": 1e4, "m": 1e6, "inch": 25400.0, "å": 1e-4}  # fmt: skip
TAG_UNITS = {2: "inch", 3: "cm"}  # of TIFF's ResolutionUnit
LARGEST = 20.0  # micrometres that a plain TIFF's tags are believed: a printer's 300 dpi are 85

Scale = tuple[float, float]  # height and width of a pixel, micrometres


def pixel_size(path: Path) -> Scale | None:
    """Height and width of a pixel in micrometres; None where the file does not tell.

    OME-TIFF: PhysicalSizeX and Y with their units. ImageJ's TIFF: resolution and unit. Any other
    TIFF: resolution in inches or centimetres, unless it is one of printing. Other formats: None.
    """
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        return None
    with tifffile.TiffFile(path) as tif:
        if tif.is_ome and tif.ome_metadata:
            return _of_ome(tif.ome_metadata)
        tags = tif.pages[0].tags
        told = [tags[k].value for k in ("YResolution", "XResolution") if k in tags]
        if len(told) < 2 or not all(part for pair in told for part in pair):
            return None
        per_unit = [above / below for above, below in told]
        if tif.is_imagej:
            return _micrometres([1 / n for n in per_unit], (tif.imagej_metadata or {}).get("unit"))
        unit = TAG_UNITS.get(int(tags["ResolutionUnit"].value)) if "ResolutionUnit" in tags else ""
    size = _micrometres([1 / n for n in per_unit], unit)
    return size if size and max(size) <= LARGEST else None


def _of_ome(text) -> Scale | None:
    """The pixel size in OME-XML: found as text, so that no entity in it is ever expanded."""
    (pixels,) = re.findall(r"<(?:\w+:)?Pixels\b[^>]*>", text)[:1] or [""]
    told = dict(re.findall(r'\b(PhysicalSize[XY](?:Unit)?)="([^"]*)"', pixels))
    try:
        sizes = [
            _micrometres([float(told[f"PhysicalSize{a}"])], told.get(f"PhysicalSize{a}Unit", "um"))
            for a in "YX"
        ]
    except (KeyError, ValueError):
        return None
    return (sizes[0][0], sizes[1][0]) if all(sizes) else None


def _micrometres(sizes, unit) -> tuple[float, ...] | None:
    """Sizes in a unit as micrometres; None where the unit is not known, or a size is none."""
    plain = str(unit or "").replace("\\u00B5", "u").replace("&#181;", "u")
    plain = plain.replace("µ", "u").replace("μ", "u").strip().lower()
    if plain not in MICRONS or not all(0 < s < float("inf") for s in sizes):
        return None
    return tuple(s * MICRONS[plain] for s in sizes)
