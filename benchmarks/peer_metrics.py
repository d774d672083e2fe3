"""One peer's instance metric on one pair: peer_metrics.py NAME PAIR.npy. Runs in .venv-peers."""

import json
import sys

import numpy as np
from measuring import measure


def stardist(truth, pred):
    """Matched pairs by stardist.matching."""
    from stardist.matching import matching

    return matching(truth, pred, thresh=0.5).tp


def cellpose(truth, pred):
    """Matched pairs by cellpose.metrics."""
    from cellpose.metrics import average_precision

    return average_precision(truth, pred, threshold=[0.5])[1][0]


def cellseg(truth, pred):
    """Matched pairs by cellseg-metrics, from its detection quality 2 TP / (true + found)."""
    from cellseg_metrics import panoptic_quality

    return round(panoptic_quality(truth, pred)["dq"] * (truth.max() + len(np.unique(pred)) - 1) / 2)


def torchmetrics(truth, pred):
    """Matched pairs by torchmetrics' panoptic quality, from its recognition quality."""
    import torch
    from torchmetrics.functional.detection import panoptic_quality

    def pairs(labels):  # (1, H, W, 2): category and instance of each pixel
        both = np.stack([(labels > 0).astype(np.int64), labels.astype(np.int64)], -1)
        return torch.from_numpy(both)[None]

    told = {"things": {1}, "stuffs": {0}, "return_sq_and_rq": True, "return_per_class": True}
    quality = panoptic_quality(pairs(pred), pairs(truth), **told)[0, 2]
    return round(float(quality) * (len(np.unique(truth)) + len(np.unique(pred)) - 2) / 2)


def panoptica(truth, pred):
    """Matched pairs by panoptica."""
    from panoptica import InputType, NaiveThresholdMatching, Panoptica_Evaluator

    evaluator = Panoptica_Evaluator(
        expected_input=InputType.UNMATCHED_INSTANCE, instance_matcher=NaiveThresholdMatching()
    )
    found = evaluator.evaluate(pred.astype(np.uint32), truth.astype(np.uint32))
    return next(iter(found.values())).tp


WAYS = {
    "stardist.matching": stardist,
    "cellpose.metrics": cellpose,
    "cellseg-metrics": cellseg,
    "torchmetrics": torchmetrics,
    "panoptica": panoptica,
}
name, pair = sys.argv[1], np.load(sys.argv[2])
print(json.dumps(measure(WAYS[name], *pair)))
