"""Others' formats: labels taken in from them and written for them, and measurements of cells.

Out: `write_exports` writes labels in the `KINDS` that ImageJ, QuPath and spreadsheets open, and
`segment_and_export` does it while segmenting.

In: `import_labels` makes a folder that trains and scores of what others labelled.

Numbers: `measure` gives a row for each cell, units in its columns' names, and `pixel_size` what the
image's file says of its scale; `measure_files` does it for files.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["outlines"],
    submod_attrs={
        "exports": ["KINDS", "write_exports", "segment_and_export"],
        "imports": ["import_labels"],
        "measure": ["measure", "measure_files"],
        "scale": ["pixel_size"],
    },
)
