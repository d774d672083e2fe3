"""Data: sets of labelled images, read as arrays.

Data sets: `open_data` takes a name or a folder and gives a `Dataset` of `Item`s; `manifests` names
what there is and `load_manifest` tells all about one; the module `fetch` downloads, makes and
verifies them.

Images: `read_image`, `read_pages` and `read_pair` read files of any usual kind, `read_labels` an
instance id a pixel; `normalise` makes any image a network's input, `micrometres` tells a
pixel's size where the file does.

Labels: `renumber` gives ids 1..n, `diameters` and `touching` a number for each cell, and
`cell_statistics` what makes images hard.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "archives",
        "dataset",
        "fetch",
        "images",
        "instances",
        "labels",
        "manifest",
        "micro4",
        "view",
    ],
    submod_attrs={
        "dataset": ["Dataset", "Item", "open_data"],
        "images": ["normalise", "read_image", "read_labels", "read_pages", "read_pair"],
        "labels": ["cell_statistics", "diameters", "renumber", "touching"],
        "pixels": ["micrometres"],
        "manifest": ["load_manifest", "manifests"],
    },
)
