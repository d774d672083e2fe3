"""The size of a pixel, where an image file tells it."""

import re
import struct
from pathlib import Path

import tifffile

UNITS = {"micron": 1, "um": 1, "µm": 1, "\\u00b5m": 1, "nm": 1e-3, "mm": 1e3}  # in µm


def micrometres(path: str | Path) -> float:
    """The side of a pixel in µm; 0 where the file doesn't tell, or not in a unit of length.

    Read from TIFFs of ImageJ (unit and resolution) and OME-TIFFs (PhysicalSizeX). Dots an inch,
    which most programs write without having measured anything, are not taken for a size.
    """
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        return 0.0
    try:
        with tifffile.TiffFile(path) as tif:
            if tif.ome_metadata:
                return _of_ome(tif.ome_metadata)
            unit = (tif.imagej_metadata or {}).get("unit", "")
            resolution = tif.pages[0].tags.get("XResolution")
            dots, per = resolution.value if resolution else (0, 1)
            return UNITS.get(unit, 0) * per / dots if dots else 0.0
    except (OSError, ValueError, struct.error, tifffile.TiffFileError):
        return 0.0  # a scale bar is not worth an error; reading the image says what is wrong


def _of_ome(text: str) -> float:
    size = re.search(r'PhysicalSizeX="([\d.eE+-]+)"', text)
    unit = re.search(r'PhysicalSizeXUnit="([^"]+)"', text)
    return float(size[1]) * UNITS.get(unit[1] if unit else "µm", 0) if size else 0.0
