"""The paper's results beside ours. No room before this one imports it.

Modules that train and leave records: `table4` runs the rows of Table 4, `study` the studies of what
a search earns, `front` the one of score against cost, `tiny` the space so small that all its
networks are trained; `challenge_tree` draws a tree in the layout of the challenge's archives, to
run all this on without the download.

Modules that read records and need no network: `results` tells what those of rows and studies say,
`verdicts` what their intervals allow to say of searches and controls, by Dice and by F1,
`tables` prints Tables 3 to 5 with ours beside, `claims` settles the ledger of the paper's claims,
`peers` lays other methods beside ours, pooled over seeds, `compare` two runs.

Names: `run_row` trains a row or finds its record, `row_setup` is the setup that it has;
`load_rows` reads the records of a scale and `load_study` those of a study; `row_difference` is the
paired difference of two rows; `settled` gives every claim with its status and answer.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "table4",
        "study",
        "tiny",
        "front",
        "challenge_tree",
        "results",
        "verdicts",
        "tables",
        "claims",
        "peers",
        "compare",
    ],
    submod_attrs={
        "table4": ["run_row", "row_setup"],
        "results": ["load_rows", "load_study", "row_difference"],
        "claims": ["settled"],
    },
)
