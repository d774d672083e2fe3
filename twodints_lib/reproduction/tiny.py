"""A space so small that all its networks are trained: does a search find the best of them?

2 resolutions, 2 blocks, topology only: 99 networks (topology.every_code). One training of a few
seconds differs by its seed about as much as by its topology, so each network is trained once for
each of several seeds, all on the same patches in the same order, and their mean is the truth.
"""

import time

import torch

from twodints_lib import files
from twodints_lib.inference import predict
from twodints_lib.messages import log
from twodints_lib.runs import store
from twodints_lib.runs.setup import Setup
from twodints_lib.space import derive, networks, topology
from twodints_lib.space.specs import DerivedSpec, SupernetSpec
from twodints_lib.training import loop, search, ways
from twodints_lib.training.patches import load_samples
from twodints_lib.training.recipes import Recipe

# Small patches and a fast rate: as many steps as 5 seconds allow for the largest network.
SCALE = {
    "patch": 32,
    "batch": 8,
    "channel_mul": 0.25,
    "num_blocks": 2,
    "num_depths": 2,
    "learning_rate": 1e-2,
    "search_epochs": 48,
    "derived_epochs": 24,
    "arch_rate": 0.02,
    "val_start": 48,
    "val_every": 48,
}
TABLES = (1, 2, 3, 4, 5)  # seeds; a training each
WINDOW = 64  # pixels a side where a network is scored


class Drawn(loop.Joint):
    """The plain way to train, on batches drawn before: all networks of a table see the same."""

    drawn = ()  # a list of batches for each epoch

    def batches(self, patches, epoch: int, count: int | None = None) -> list:
        """The batches of an epoch."""
        return self.drawn[epoch - 1]


def codes(setup: Setup) -> list[dict]:
    """All codes of the space."""
    return topology.every_code(setup.preset.num_blocks, setup.preset.num_depths)


def table(setup: Setup) -> list[dict]:
    """Train every network once: its mean class Dice on the validation images, its size, seconds.

    Batches are drawn and augmented once instead of 99 times. An interrupted table goes on with the
    next network.
    """
    inputs = {"settings": vars(setup.preset), "data": setup.dataset.hash, "seed": setup.seed}
    inputs |= {"spec": SupernetSpec.of(setup.preset).json()}
    kept = store.folder("tiny", inputs, "reproduction.tiny") / "networks.json"
    rows = files.read_json(kept) if kept.is_file() else []
    specs = [DerivedSpec(setup.preset.channel_mul, code) for code in codes(setup)]
    recipe = Recipe.of(setup.preset, setup.preset.derived_epochs, specs[0])
    samples, val = load_samples(setup.train()), load_samples(setup.val())
    plain = loop.Joint(_fresh(setup, specs[0]), samples, recipe, setup.seed)
    drawn = [list(plain.batches(plain.patches, e + 1)) for e in range(recipe.epochs)]
    for number, spec in enumerate(specs[len(rows) :], len(rows) + 1):
        net, start = _fresh(setup, spec), time.perf_counter()
        trainer = Drawn(net, samples, recipe, setup.seed)
        trainer.drawn = drawn
        for epoch in range(1, recipe.epochs + 1):
            trainer.epoch(epoch)
        trained, dice = time.perf_counter() - start, predict.mean_dice(net, val, WINDOW)
        row = {"mean_dice": dice, "network_parameters": networks.count_parameters(net)}
        seconds = time.perf_counter() - start
        rows.append(row | {"training_seconds": trained, "seconds": seconds})
        files.write_json(kept, rows)
        if number % 10 == 0 or number == len(specs):
            log.info(f"network {number} of {len(specs)}: Dice {dice:.3f}, {seconds:.1f} s")
    return rows


def _fresh(setup, spec):
    """A network, fresh from the seed, on the device."""
    torch.manual_seed(setup.seed)
    return networks.build(spec).to(predict.device())


def search_job(setup: Setup, plan: ways.Plan) -> dict:
    """Search the space; score all its networks with the weights of the supernet.

    `found` and `untouched` are the places in the table of what the searched alphas decode to and
    of what they would have before the first step.
    """
    every = codes(setup)
    places = [code["paths"] for code in every]
    folder = search.search_supernet(setup, plan)
    net, record = predict.load_network(folder)
    val, inherited = load_samples(setup.val()), []
    for number, code in enumerate(every, 1):
        copied = derive.inherit(net, code)
        inherited.append(predict.mean_dice(copied, val, WINDOW))
        if number % 33 == 0:
            log.info(f"inherited weights: {number} of {len(every)} scored")
    # The space is one of topologies: the decoded paths, all convolving, as in its table.
    found = topology.decode(*ways.alphas(net), net.names)["paths"]
    untouched = topology.decode(*search.untouched(setup), net.names)["paths"]
    origin = ("seed", "data", "data_hash", "commit", "hardware")
    return {key: record[key] for key in origin} | {
        "found": places.index(found),
        "untouched": places.index(untouched),
        "inherited": inherited,
        "seconds": record["seconds"],
    }
