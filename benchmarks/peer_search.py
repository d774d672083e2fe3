"""The searched network of `make bench-peers`: a search on the images that peers are fitted on.

    python benchmarks/peer_search.py --share 0.3 --out code.json

It sees no validation image: weights and alphas move on the images to fit on, and the weights that
are kept are chosen on those to choose on. The file holds the decoded network and "search_seconds",
the CPU seconds of the search, as `peers.py --code` takes it.
"""

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import torch
from peer_common import used
from peers import split

from twodints_lib import files, messages
from twodints_lib.data.dataset import Dataset, open_data
from twodints_lib.errors import InputError
from twodints_lib.runs import environment, settings
from twodints_lib.runs.setup import Setup
from twodints_lib.space.specs import DerivedSpec
from twodints_lib.training.search import found_code, search_supernet
from twodints_lib.training.ways import Plan

LATTICE = {"channel_mul": 0.5, "num_blocks": 6, "num_depths": 4}
TRAINING = {"search_epochs": 30, "patch": 128, "batch": 4, "precision": "bfloat16"}


def fit_only(dataset: Dataset) -> Dataset:
    """The training images of a data set: those to fit on train, those to choose on validate."""
    part = split({i.name: i.modality for i in dataset.split("train")})
    words = {"fit": "train", "choose": "val"}
    items = tuple(
        replace(i, split=words[part[i.name]]) for i in dataset.items if i.split == "train"
    )
    name = hashlib.sha256(f"{dataset.hash} fit and choose".encode()).hexdigest()[:16]
    return replace(dataset, items=items, hash=name)


def main() -> None:
    """Search once, decode within the share, write the code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="micro4")
    parser.add_argument("--seed", type=int, default=2022)
    parser.add_argument("--share", type=float, default=0.3, help="of the full grid's MACs")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    messages.show()
    torch.set_num_threads(1)
    preset = settings.load("laptop", **LATTICE, **TRAINING)
    setup = Setup(preset, fit_only(open_data(args.data)), args.seed)
    before = used()
    folder = search_supernet(setup, Plan("dints"))
    seconds = round(used() - before, 1)
    code = found_code(folder, args.share, "macs")
    spec = DerivedSpec(preset.channel_mul, code, downsample=True)  # a stem that halves the image
    told = {"spec": spec.json(), "search_seconds": seconds, "share_of_macs": args.share}
    files.write_json(args.out, told | {"seed": args.seed} | environment.origin())


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"peer_search: {error}")
