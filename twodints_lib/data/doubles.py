"""The same picture in two splits: what is trained on must not be what is scored."""

from itertools import combinations
from pathlib import Path

import numpy as np

from twodints_lib.data.images import read_image
from twodints_lib.errors import InputError
from twodints_lib.files import cache_dir, digest, pixel_hash, read_json, write_json

LARGE = 2**26  # bytes: a larger file is compared by its bytes alone


def doubles(items: list, key: str) -> list[tuple[str, str]]:
    """Pairs of items' names, of different splits, whose images are the same file or pixels.

    `key`, a hash of the data, finds the answer of an earlier opening in the cache.
    """
    kept = cache_dir() / "doubles" / f"{key}.json"
    if kept.is_file():
        return [tuple(pair) for pair in read_json(kept)]
    seen: dict[str, list] = {}
    for item in items:
        seen.setdefault(_pixels(item.image), []).append(item)
    found = [
        (a.name, b.name)
        for same in seen.values()
        for a, b in combinations(same, 2)
        if a.split != b.split
    ]
    write_json(kept, found)
    return found


def _pixels(path: Path) -> str:
    """A hash of the picture, the same for each format, type and number of equal channels."""
    try:
        if path.stat().st_size > LARGE:
            return digest(path)
        image = read_image(path)
    except InputError:  # said where the image is read for use
        return digest(path)
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = image[..., 0]
    if image.dtype.kind in "ui" and image.min() >= 0:
        image = image.astype(np.min_scalar_type(int(image.max())))
    return pixel_hash(image)
