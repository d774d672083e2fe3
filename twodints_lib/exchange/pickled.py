"""Cellpose's _seg.npy: a pickled dict of arrays, read without running what a pickle could run."""

import pickle
from pathlib import Path

import numpy as np

from twodints_lib.errors import InputError

LARGEST = 2**32  # bytes of a file that is taken for one image's masks
# What an array and a number of numpy's are rebuilt by, under its old name and its new one.
SAFE = {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (
        ("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"),
    )
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}  # fmt: skip


class _Inert:
    """What stands for every other class in the file: it takes anything and does nothing."""

    def __new__(cls, *given, **named):
        return super().__new__(cls)

    def __init__(self, *given, **named):
        pass

    def __call__(self, *given, **named):
        return self

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value) -> None:
        """Nothing: a list's pickle calls it."""

    def extend(self, values) -> None:
        """Nothing: a list's pickle calls it."""


class _Reader(pickle.Unpickler):
    def find_class(self, module, name):
        return super().find_class(module, name) if (module, name) in SAFE else _Inert


def cellpose_masks(path: Path) -> np.ndarray:
    """The masks (H, W) or (Z, H, W) in a _seg.npy; InputError where the file holds none.

    Of the pickle only arrays, numbers, texts and their lists and dicts are made: a class of any
    other module becomes an object that does nothing, so that a file from a stranger runs no code.
    """
    told = f"{path}: is no _seg.npy of Cellpose"
    mend = "save the masks as TIFF or PNG (Cellpose's --save_tif)"
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is over 4 GB")
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            header = {1: np.lib.format.read_array_header_1_0}.get(
                version[0], np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = header(file)
            if shape != () or dtype != np.dtype(object):
                raise ValueError("it holds a plain array")
            found = _Reader(file).load()
        content = found.item() if isinstance(found, np.ndarray) and found.shape == () else {}
        masks = content["masks"]
    except Exception as error:  # a broken pickle raises anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{told} ({reason}); {mend}.") from error
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "ui" or masks.ndim != 2:
        raise InputError(f"{told}: its masks are no image of whole numbers; {mend}.")
    return masks
