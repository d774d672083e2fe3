"""Figures: plain arrays in, a matplotlib Figure out. Only this room imports matplotlib.

Display: `show` stamps a figure with what made it and displays it with a text for those who cannot
see it, `display_figure` does so without a stamp, for what shows no result; `show_table` displays
rows; `png` gives the bytes of a figure.

Pictures of cells: `grey` makes any image displayable; `outlined` draws the rim of every cell on
it; `label_picture` colours instances; `panels` sets pictures side by side; `flow_picture`
colours arrows by their direction, `flow_key` tells which is which; `lab` draws an image of the
modality lab at given dials with its truth, target and a threshold's cells.

Outcomes: `errors` draws what became of each cell on the image, `matches` a panel for each side of
the count, `outcomes` gives the cells by name.

Charts: `chart` draws any series of x and y; `curves` lines over one x; `spreads` lines in bands;
`points` dots; `bars` grouped bars; `intervals` differences with their intervals; `histories` loss
and Dice over epochs; `distributions` cumulative shares; `dice_against_f1` a dot for each image;
`difference` two runs image by image; `path_curves` the probability of every path over a search.

The search space: `lattices` draws states of the lattice side by side; `code` a decoded network.

Diagrams of boxes and arrows: `diagram` draws any; `edge` what a path does; `node` where
paths meet; `supernet` two blocks with what stands before and behind them; `bilevel` one step of a
search in the way of DiNTS.
`shrink_and_grow` follows two touching cells through their target and back, `iou_matching` tells
which pairs of a true and a found cell count.

Dials: `live_lab`, `live_replay` and `live_thresholds` are sliders in a live session, and travel as
`states` elsewhere: pictures that are all drawn beforehand, in one piece of HTML (`states_html`)
that needs no kernel; `lab_state` draws one of the lab's.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["style"],
    submod_attrs={
        "pictures": [
            "show",
            "display_figure",
            "show_table",
            "png",
            "grey",
            "outlined",
            "label_picture",
            "panels",
            "flow_picture",
            "flow_key",
        ],
        "outcomes": ["errors", "matches", "outcomes"],
        "charts": [
            "chart",
            "curves",
            "spreads",
            "points",
            "bars",
            "intervals",
            "histories",
            "distributions",
            "dice_against_f1",
            "difference",
            "path_curves",
        ],
        "lattice": ["lattices", "code"],
        "diagrams": ["diagram", "edge", "node", "supernet", "bilevel"],
        "drawings": ["shrink_and_grow", "iou_matching"],
        "laboratory": ["lab", "lab_state"],
        "states": ["states", "states_html"],
        "live": ["live_lab", "live_replay", "live_thresholds"],
    },
)
