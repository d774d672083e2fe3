"""Fine-tuning: a trained network goes on with a few labelled images, of a kind it may not know.

What is scored is never trained on, and chooses nothing: the weights of the last epoch are kept.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from twodints_lib.data.dataset import Item, subset
from twodints_lib.errors import InputError
from twodints_lib.files import read_json
from twodints_lib.inference import predict
from twodints_lib.inference.segment import decoder_of
from twodints_lib.runs import pretrained
from twodints_lib.runs.setup import Setup
from twodints_lib.space.specs import spec_of
from twodints_lib.training.loop import train_network
from twodints_lib.training.patches import load_samples

STEPS = 200  # weight updates, whatever the number of images
RATE = 1e-3  # learning rate at the start; it falls to zero as a cosine


def with_items(setup: Setup, items: Iterable[Item]) -> Setup:
    """The set-up with these items of its data alone."""
    return replace(setup, dataset=subset(setup.dataset, items))


def without(setup: Setup, modality: str) -> Setup:
    """The set-up without the images of one modality; InputError where nothing else is left."""
    items = [i for i in setup.dataset.items if i.modality != modality]
    if not any(i.split == "train" for i in items):
        raise InputError(f"modality={modality!r}: nothing else is here to train on; take another.")
    return with_items(setup, items)


def few(setup: Setup, modality: str, count: int, most: int) -> Setup:
    """The set-up of `count` labelled images of a modality; all but the first `most` are scored.

    Those scored are the same for every seed and for every count up to `most`. Of the others the
    seed draws an order, and fewer images are the first of more. InputError where too few are there.
    """
    items = [i for i in setup.dataset.items if i.modality == modality and i.label]
    if not 0 <= count <= most < len(items):
        raise InputError(
            f"{setup.dataset.root}: has {len(items)} labelled {modality} images; {most} to train "
            "on leave none to score, take fewer."
        )
    drawn = np.random.default_rng(most).permutation(len(items))
    pool = np.random.default_rng([setup.seed, most]).permutation(drawn[:most])
    taken = [replace(items[i], split="train") for i in pool[:count]]
    return with_items(setup, taken + [replace(items[i], split="val") for i in drawn[most:]])


def fine_tune(setup: Setup, model: Path | str, steps: int = STEPS, rate: float = RATE) -> Path:
    """The run folder of a network trained on from a run's or a shipped one's weights.

    `setup` has the images; network, head and patch are the model's. Found by its key or made now.
    """
    start = pretrained.folder(model)
    told = read_json(start / "record.json")["parameters"]
    preset = replace(
        setup.preset, patch=told["recipe"]["patch"], learning_rate=rate, schedule="cosine",
        max_steps=steps, val_start=steps, patience=steps,
    )  # fmt: skip
    setup = replace(setup, preset=preset)
    return train_network(setup, spec_of(told["spec"]), steps, start=start)


def scores(setup: Setup, model: Path | str) -> list[dict]:
    """One row an image of the validation split: the F1 of a network as it is, and its counts."""
    net, record = predict.load_network(model)
    told = record["parameters"]
    patch, head = told["recipe"]["patch"], spec_of(told["spec"]).head
    samples = load_samples(setup.val())
    return predict.score_samples(net, samples, patch, head, decode=decoder_of(record))
