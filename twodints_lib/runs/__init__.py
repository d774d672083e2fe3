"""Runs: what they are made with, where their results are kept, and how a record is shown.

`begin` checks a notebook's parameters and opens its data: a `Setup`. `PRESETS` has the settings of
a first look, a laptop and the paper; `runs_dir` is where results go; `look` checks this machine.
`ROWS` are the rows of the paper's tables as printed; `text_table` and `markdown` print any table.
The modules `settings, setup, store, doctor, environment, kernels, notebooks, packing` (results as
one file), `paper, pretrained` (networks that come with the project), `report` and
`shelf` (what is in the store) hold the rest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "doctor",
        "environment",
        "kernels",
        "notebooks",
        "packing",
        "paper",
        "pretrained",
        "report",
        "settings",
        "setup",
        "shelf",
        "store",
    ],
    submod_attrs={
        "doctor": ["look"],
        "paper": ["ROWS"],
        "report": ["markdown", "text_table"],
        "settings": ["PRESETS", "Preset"],
        "setup": ["Setup", "begin"],
        "store": ["runs_dir"],
    },
)
