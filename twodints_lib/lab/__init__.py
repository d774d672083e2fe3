"""The modality lab: labelled images made from what gives each kind of microscopy its contrast.

`simulate` makes one image and its labels of one of the four `MODALITIES`, as hard as its `Dials`
say; `default_dials` are those of real images. `make_simulated` writes a whole data set.
`POPULATIONS` are the cultures and tissues that an image may show, `scatter` draws their cells.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cells", "optics"],
    submod_attrs={
        "cells": ["MODALITIES", "POPULATIONS", "scatter"],
        "optics": ["Dials", "default_dials", "make_simulated", "simulate"],
    },
)
