"""StarDist from scratch for some CPU seconds, with its example's settings. Runs in .venv-peers.

peer_stardist.py JOB.json
"""

import numpy as np
import tensorflow as tf
from csbdeep.utils import normalize
from peer_common import Clock, choose, finish, load, read_job
from stardist import fill_label_holes
from stardist.models import Config2D, StarDist2D

# What its optimize_thresholds tries, in the order of its defaults, and less: after a short training
# its probabilities are still low.
GRID = {"prob_thresh": (0.5, 0.3, 0.4, 0.6, 0.7, 0.2, 0.1), "nms_thresh": (0.4, 0.3, 0.5)}
SIDE, STEPS, LEAST = 256, 100, min(GRID["prob_thresh"])


def augment(x, y):
    """Flips, quarter turns, brightness and noise: what the StarDist example uses."""
    turns, flip = np.random.randint(4), np.random.rand() < 0.5
    x, y = np.rot90(x, turns), np.rot90(y, turns)
    x, y = (x[::-1], y[::-1]) if flip else (x, y)
    x = x * np.random.uniform(0.6, 2) + np.random.uniform(-0.2, 0.2)
    return x + 0.02 * np.random.rand() * np.random.normal(size=x.shape), y


class Stop(tf.keras.callbacks.Callback):
    """Ends the training when its time is over; the clock stands still while it is validated."""

    def __init__(self, clock: Clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_end(self, batch, logs=None):
        """Stop after this step."""
        if self.clock.share() >= 1:
            self.model.stop_training = True

    def on_test_begin(self, logs=None):
        """A validation begins."""
        self.away = self.clock.stopped()
        self.away.__enter__()

    def on_test_end(self, logs=None):
        """A validation ends."""
        self.away.__exit__(None, None, None)


def image_of(picture) -> np.ndarray:
    """(H, W, 3) float32, each channel by its own percentiles."""
    return normalize(picture.image, 1, 99.8, axis=(0, 1))


def main():
    """Train, keep the weights with its best validation loss, choose thresholds, predict."""
    job = read_job()
    tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(job.seed)
    held = load(job.data, "choose")
    crops = (
        [image_of(p)[:SIDE, :SIDE] for p in held],
        [fill_label_holes(p.labels)[:SIDE, :SIDE] for p in held],
    )
    clock = Clock(job.cpu_seconds)
    fit = load(job.data, "fit")
    x, y = [image_of(p) for p in fit], [fill_label_holes(p.labels) for p in fit]
    config = Config2D(
        n_rays=32, grid=(job.settings["grid"],) * 2, n_channel_in=3, train_epochs=100_000,
        train_learning_rate=job.settings["learning_rate"], train_steps_per_epoch=STEPS,
        train_patch_size=(SIDE, SIDE), train_batch_size=4,
        train_tensorboard=False, train_reduce_lr={"factor": 0.5, "patience": 6, "min_delta": 0},
    )  # fmt: skip
    model = StarDist2D(config, name="stardist", basedir=str(job.out))
    model.prepare_for_training()
    model.callbacks.append(Stop(clock))
    model.train(x, y, validation_data=crops, augmenter=augment)  # ends with its best weights
    spent = clock.seconds()
    maps = {}

    def decoder(pictures, split):
        """A decode for `choose`: the network runs once an image."""

        def decode(i, setting):
            if (split, i) not in maps:
                maps[split, i] = model.predict_sparse(image_of(pictures[i]), prob_thresh=LEAST)
            prob, *rest = maps[split, i]
            prob, dist, points = (a[prob > setting["prob_thresh"]] for a in (prob, *rest))
            shape = pictures[i].labels.shape
            return model._instances_from_prediction(shape, prob, dist, points=points, **setting)[0]

        return decode

    chosen = choose(held, GRID, decoder(held, "choose"))
    size = {"parameters": int(model.keras_model.count_params())}
    size |= {"epochs": len(model.keras_model.history.epoch)}
    finish(job, spent, chosen, decoder(load(job.data, "val"), "val"), **size)


if __name__ == "__main__":
    main()
