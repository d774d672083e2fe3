"""Microscopes' own formats (CZI, ND2, LIF, OME-Zarr) through the readers of bioio, an extra."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from twodints_lib.data.formats import Picture
from twodints_lib.errors import InputError

READERS = {
    ".czi": "bioio_czi", ".nd2": "bioio_nd2", ".lif": "bioio_lif", ".zarr": "bioio_ome_zarr",
}  # fmt: skip


def read_microscope(path: Path) -> Picture:
    """Every time and plane of a file as a page (H, W) or (H, W, C).

    InputError where the reader is not installed, or the file holds several scenes.
    """
    needed = READERS[path.suffix.lower()]
    if not (find_spec("bioio") and find_spec(needed)):
        raise InputError(
            f"{path}: needs bioio and {needed.replace('_', '-')}, which are not installed; run pip "
            "install 'twodints-lib[microscopes]', or export TIFF."
        )
    import bioio

    opened = bioio.BioImage(path)
    if len(opened.scenes) > 1:
        raise InputError(f"{path}: holds {len(opened.scenes)} scenes; export each as its own file.")
    array = np.asarray(opened.get_image_data("TZYXC"))
    told = [(a, n) for a, n in zip("TZ", array.shape[:2], strict=True) if n > 1]
    axes, lead = "".join(a for a, _ in told), tuple(n for _, n in told)
    pages = [p[..., 0] if p.shape[-1] == 1 else p for p in array.reshape(-1, *array.shape[2:])]
    return Picture(pages, axes + "YX" + "S" * (pages[0].ndim == 3), lead=lead)
