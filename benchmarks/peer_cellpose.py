"""Cellpose 3's network from scratch for a fixed wall time. Runs in .venv-peers.

peer_cellpose.py DATA OUT SECONDS SEED
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import tifffile
import torch
from cellpose import metrics, models, train

data, out, seconds, seed = (
    Path(sys.argv[1]),
    Path(sys.argv[2]),
    float(sys.argv[3]),
    int(sys.argv[4]),
)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
torch.manual_seed(seed)
np.random.seed(seed)


def load(split):
    names = sorted((data / split).glob("*.npz"))
    loaded = [np.load(p) for p in names]
    grey = [f["image"].astype(np.float32).mean(-1) for f in loaded]  # channels [0, 0]
    return [p.stem for p in names], grey, [f["labels"].astype(np.int32) for f in loaded]


_, x, y = load("train")
names, vx, vy = load("val")
settings = {"channels": [0, 0], "learning_rate": 0.1, "SGD": True, "weight_decay": 1e-4}
settings |= {"batch_size": 8, "min_train_masks": 1, "save_path": str(out)}
start = time.perf_counter()
probe = models.CellposeModel(gpu=False, pretrained_model=None)
few = slice(0, 16)
train.train_seg(probe.net, x[few], y[few], n_epochs=1, nimg_per_epoch=8, **settings)
begun = time.perf_counter()  # a second epoch: without what comes once
train.train_seg(probe.net, x[few], y[few], n_epochs=1, nimg_per_epoch=8, **settings)
once = time.perf_counter() - begun
begun = time.perf_counter()
train.train_seg(probe.net, x[few], y[few], n_epochs=1, nimg_per_epoch=16, **settings)
an_image = (time.perf_counter() - begun - once) / 8
flows = len(x) / 16 * max(once - 8 * an_image, 0)  # computing the flows of all images
left = 0.95 * seconds - (time.perf_counter() - start) - flows
# Its schedule is made for a hundred epochs (ten to warm up), so an epoch is what has to be short.
epochs, images = 100, max(8, int(left / an_image / 100))
model = models.CellposeModel(gpu=False, pretrained_model=None)
train.train_seg(model.net, x, y, n_epochs=epochs, nimg_per_epoch=images, **settings)
spent = time.perf_counter() - start
facts = {"parameters": sum(p.numel() for p in model.net.parameters()), "epochs": epochs}
diameter = float(model.net.diam_labels.item())
found = [model.eval(i, channels=[0, 0], diameter=diameter)[0].astype(np.int32) for i in vx]
for name, labels in zip(names, found, strict=True):
    tifffile.imwrite(out / f"{name}.tif", labels, compression="zlib")
own = metrics.average_precision(vy, found, threshold=[0.5])[0][:, 0]
facts |= {"images_per_epoch": images, "own_metric_mean_ap": float(np.nanmean(own))}
facts |= {"seconds": spent}
(out / "facts.json").write_text(json.dumps(facts))
