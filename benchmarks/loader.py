"""`make bench-loader`: patches a second of the loader alone, as the `paper` preset draws them.

The challenge-shaped images, prepared once in files and mapped to memory, 256 x 256 with all
augmentations, in one epoch of the challenge's length; beside it the same patches with every image
decoded anew. Writes records/bench-loader.json.
"""

import tempfile
import time

import torch

from twodints_lib import files
from twodints_lib.data.dataset import open_data
from twodints_lib.runs import environment
from twodints_lib.training import patches

PATCH, BATCH = 256, 16
EPOCH = 900  # patches: the images that the challenge gives to train on


class Anew(patches.Patches):
    """The same patches, each image read, normalised and encoded whenever one is drawn."""

    def __init__(self, items):
        super().__init__([None] * len(items), PATCH, seed=1)
        self.items = items

    def __getitem__(self, index):
        self.samples[index] = patches.load_samples(self.items[index : index + 1])[0]
        return super().__getitem__(index)


def rate(dataset, workers: int) -> float:
    """Patches a second of one epoch, its workers started for it as training does."""
    order = [i % len(dataset) for i in range(EPOCH)]
    batches = [order[i : i + BATCH] for i in range(0, EPOCH, BATCH)]
    start = time.perf_counter()
    count = sum(len(image) for image, _ in patches.loader(dataset, batches, workers))
    return count / (time.perf_counter() - start)


def main():
    """Measure, print, write the record."""
    torch.set_num_threads(1)
    data = open_data("neurips-shaped")
    items = data.split("train")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        samples = patches.load_samples(items, folder=folder)
        prepared = (time.perf_counter() - start) / len(items)
        found = {"images": len(items), "seconds to prepare an image": prepared}
        for workers in (0, 2):
            kept = rate(patches.Patches(samples, PATCH, seed=1), workers)
            anew = rate(Anew(items), workers)
            found[f"{workers} workers"] = {"prepared": kept, "decoded anew": anew}
            print(f"{workers} workers: {kept:.0f} patches a second, decoded anew {anew:.0f}")
    record = {
        "benchmark": "loader",
        "patch": PATCH,
        "batch": BATCH,
        "epoch": EPOCH,
        "data_hash": data.hash,
    }
    record |= {"commit": environment.commit(), "hardware": environment.hardware(), "rates": found}
    files.write_json(files.ROOT / "records" / "bench-loader.json", record)


if __name__ == "__main__":
    main()
