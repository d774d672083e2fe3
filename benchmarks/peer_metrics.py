"""One peer's instance metric on one pair: peer_metrics.py NAME PAIR.npy. Runs in .venv-peers."""

import json
import resource
import sys
import time

import numpy as np


def stardist(truth, pred):
    """Matched pairs by stardist.matching."""
    from stardist.matching import matching

    return matching(truth, pred, thresh=0.5).tp


def cellpose(truth, pred):
    """Matched pairs by cellpose.metrics."""
    from cellpose.metrics import average_precision

    return average_precision(truth, pred, threshold=[0.5])[1][0]


name, pair = sys.argv[1], np.load(sys.argv[2])
call = {"stardist.matching": stardist, "cellpose.metrics": cellpose}[name]
call(pair[0][:256, :256], pair[1][:256, :256])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
times, start = [], time.perf_counter()
while not times or (time.perf_counter() - start < 3 and len(times) < 9):
    begun = time.process_time()
    tp = call(*pair)
    times.append(time.process_time() - begun)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
found = {"cpu_seconds": float(np.median(times)), "added_mib": peak / 1024, "tp": int(tp)}
print(json.dumps(found))
