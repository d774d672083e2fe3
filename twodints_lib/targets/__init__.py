"""From labels to what a network draws, and back to cells.

The table: `HEADS` says what a network can be asked to draw, and `head_of` finds one by its name;
`DECODERS` says how cells come back from maps; a `Head` is made of `PARTS`.

Three classes, the challenge's target: `three_class` draws background, interior and boundary
(`BACKGROUND`, `INTERIOR`, `BOUNDARY`); `decode_three_class` and `label_interior` are the
challenge's own way back; `decode_grown` gives cells their rim again.

Other representations: `encode_distance` and `decode_distance` take the distance to a cell's rim,
`encode_flow`, `flow_cells` and `decode_flow` the direction to its middle.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "heads": ["HEADS", "DECODERS", "PARTS", "Head", "Decoder", "Part", "head_of"],
        "classes": [
            "BACKGROUND",
            "INTERIOR",
            "BOUNDARY",
            "three_class",
            "encode_three_class",
            "decode_three_class",
            "label_interior",
            "decode_grown",
        ],
        "distance": ["encode_distance", "decode_distance"],
        "flow": ["encode_flow", "decode_flow", "flow_cells"],
    },
)
