"""StarDist from scratch for a fixed wall time, with its example's settings. Runs in .venv-peers.

peer_stardist.py DATA OUT SECONDS SEED
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
import tifffile
from csbdeep.utils import normalize
from stardist import fill_label_holes
from stardist.matching import matching_dataset
from stardist.models import Config2D, StarDist2D

data, out, seconds, seed = (
    Path(sys.argv[1]),
    Path(sys.argv[2]),
    float(sys.argv[3]),
    int(sys.argv[4]),
)
threads = int(os.environ.get("OMP_NUM_THREADS", 1))
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.keras.utils.set_random_seed(seed)
np.random.seed(seed)


def load(split):
    names = sorted((data / split).glob("*.npz"))
    loaded = [np.load(p) for p in names]
    x = [normalize(f["image"], 1, 99.8, axis=(0, 1)) for f in loaded]
    return (
        [p.stem for p in names],
        x,
        [fill_label_holes(f["labels"].astype(np.int32)) for f in loaded],
    )


def augment(x, y):
    """Flips, quarter turns, brightness and noise: what the StarDist example uses."""
    turns, flip = np.random.randint(4), np.random.rand() < 0.5
    x, y = np.rot90(x, turns), np.rot90(y, turns)
    x, y = (x[::-1], y[::-1]) if flip else (x, y)
    x = x * np.random.uniform(0.6, 2) + np.random.uniform(-0.2, 0.2)
    return x + 0.02 * np.random.rand() * np.random.normal(size=x.shape), y


class Stop(tf.keras.callbacks.Callback):
    """Ends the training when the time is over."""

    def on_train_batch_end(self, batch, logs=None):
        if time.perf_counter() - start > 0.97 * seconds:
            self.model.stop_training = True


_, x, y = load("train")
names, vx, vy = load("val")
config = Config2D(
    n_rays=32, grid=(2, 2), n_channel_in=3, train_epochs=100_000, train_steps_per_epoch=100,
    train_patch_size=(256, 256), train_batch_size=4, train_tensorboard=False,
    train_reduce_lr={"factor": 0.5, "patience": 6, "min_delta": 0},
)  # fmt: skip
model = StarDist2D(config, name="stardist", basedir=str(out))
start = time.perf_counter()
model.prepare_for_training()
model.callbacks.append(Stop())
first = ([a[:256, :256] for a in vx], [b[:256, :256] for b in vy])  # for its own validation loss
model.train(x, y, validation_data=first, augmenter=augment)  # ends with its best weights
spent = time.perf_counter() - start
model.load_weights()
model.optimize_thresholds(vx, vy)  # on the validation images, as its example does
found = [model.predict_instances(image)[0] for image in vx]
for name, labels in zip(names, found, strict=True):
    tifffile.imwrite(out / f"{name}.tif", labels.astype(np.int32), compression="zlib")
own = matching_dataset(vy, found, thresh=0.5, by_image=True, show_progress=False)
facts = {"parameters": int(model.keras_model.count_params()), "own_metric_mean_f1": float(own.f1)}
steps = len(model.keras_model.history.epoch) * 100
(out / "facts.json").write_text(json.dumps(facts | {"seconds": spent, "steps": steps}))
