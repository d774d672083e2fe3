"""How good labels are: which cells were found, scores of images and folders, and intervals.

Scores: `score` counts one image by `Rules`; `CHALLENGE` are those of trainings, `SCRIPT` those of
the challenge's own script, `DEFAULT` what `twodints evaluate` takes; `summarise` takes the scores
of many images together; `ERRORS` are the kinds of error that `name_errors` tells apart; `evaluate`
scores a folder of label files and `save_csv` writes its rows.

Matching: `overlaps` finds which cells meet and `pair` which are the same; `matched_ids` and
`frame_ids` give ids for pictures.

Statistics: `paired_difference` compares two trainings by seed and image and gives a `Difference`;
`crossed_interval` is the interval under it, over images alone where there is one seed;
`score_interval` is that of a mean score. `spearman_brown` and `agreement_ceiling` say how far
anything can agree with scores that are noisy.

The ceiling: `ceilings` is what each representation reaches with a perfect network, `ceiling_rows`
its table.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "scores": [
            "Rules",
            "DEFAULT",
            "CHALLENGE",
            "SCRIPT",
            "ERRORS",
            "score",
            "summarise",
            "name_errors",
        ],
        "folders": ["evaluate", "save_csv"],
        "matching": ["overlaps", "pair", "matched_ids", "frame_ids"],
        "statistics": [
            "Difference",
            "paired_difference",
            "crossed_interval",
            "score_interval",
            "spearman_brown",
            "agreement_ceiling",
        ],
        "ceiling": ["ceilings", "ceiling_rows"],
    },
)
