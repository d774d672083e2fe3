"""Trained networks at work: maps, cells, scores.

Networks: `load_network` reads the one of a run's folder or a shipped one; `device` is where it
computes.

One image: `probabilities` gives the maps that a network draws, `segment_image` the cells, of an
image of any size.

Files: `segment_files` writes the labels of images, by the decoder that `decoder_of` finds in a
network's record.

Scores: `score_samples` gives a row for each image and `summary` what they say together;
`class_dice` and `mean_dice` are the challenge's Dice of classes.

Thresholds: `try_decoders` scores what every decoder makes of the same maps, its thresholds chosen
on other images, and `best_decoder` names the one that goes with a network.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "predict": [
            "load_network",
            "device",
            "probabilities",
            "score_samples",
            "summary",
            "class_dice",
            "mean_dice",
        ],
        "segment": ["segment_image", "segment_files", "decoder_of"],
        "thresholds": ["try_decoders", "best_decoder"],
    },
)
