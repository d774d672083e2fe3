"""Search a topology, in four named modes, two of them with all paths or with sampled ones.

`paper`: one optimiser trains weights and alphas on all the data, and the supernet is what is kept
for inference. `dints`: two halves of the training data; SGD steps the weights on one and, after a
warm-up, Adam steps the alphas on the other, with the entropy, topology and memory terms of
objective.py; the decoded network is then trained from scratch. `shrinking`: all paths are trained,
then taken out by measurement until what is left fits the budget. `trying`: the same, but what is
left is chosen by a short training of many candidates. A score always says which network it belongs
to: supernet, derived with copied weights, or derived and retrained.
"""

from pathlib import Path

import numpy as np
import torch

from twodints_lib import files
from twodints_lib.inference import predict
from twodints_lib.runs.setup import Setup
from twodints_lib.space import derive, networks
from twodints_lib.space.operations import TWO
from twodints_lib.space.specs import DerivedSpec, SupernetSpec
from twodints_lib.training import loop
from twodints_lib.training.patches import load_samples
from twodints_lib.training.shrinking import Shrinking, Trying
from twodints_lib.training.ways import BiLevel, Plan, SingleLevel, alphas, decoded

SNAPSHOTS = 32_000  # numbers of a replay; each takes about nine bytes
WAYS = {"paper": SingleLevel, "dints": BiLevel, "shrinking": Shrinking, "trying": Trying}


def search_supernet(
    setup: Setup, plan: Plan | None = None, names=TWO, head: str = "3-class", select: str = ""
) -> Path:
    """The run folder of a searched supernet, found by its key or made now.

    record.json scores the supernet itself, as the paper does; history.json has the alphas of at
    most about a hundred epochs, rounded, to replay the search: under 300 KB of them.
    """
    plan, epochs = plan or Plan(), setup.preset.search_epochs

    def snapshot(net, epoch, recipe):
        a, c = alphas(net)
        kept = min(100, max(2, SNAPSHOTS // (a.size + c.size)))
        if epoch % -(-recipe.epochs // kept) and epoch != recipe.epochs:
            return {}
        return {"alpha_a": a.round(4).tolist(), "alpha_c": c.round(4).tolist()}

    spec, way = SupernetSpec.of(setup.preset, names, head), WAYS[plan.mode]
    return loop.train_network(setup, spec, epochs, way, plan.json(), snapshot, select)


def untouched(setup: Setup, names=TWO) -> tuple[np.ndarray, np.ndarray]:
    """The alphas that a search of this setup starts from."""
    torch.manual_seed(setup.seed)
    return alphas(networks.build(SupernetSpec.of(setup.preset, names)))


def found_code(folder: Path, share: float | None = None, cost: str = "memory") -> dict:
    """The code decoded from the alphas of a searched supernet's best weights.

    It costs at most `share` of the full grid's memory, macs or parameters; by default as the plan
    of the search says.
    """
    net, record = predict.load_network(folder)
    plan = Plan(**record["parameters"].get("search", {}))
    own = (plan.decode_share, plan.decode_cost) if share is None else (share, cost)
    return decoded(net, *own)


def train_code(setup: Setup, code: dict, head: str = "3-class") -> Path:
    """Train the network of a code from scratch, on all the training data."""
    spec = DerivedSpec(setup.preset.channel_mul, code, head=head)
    return loop.train_network(setup, spec, setup.preset.derived_epochs)


def train_derived(setup: Setup, plan: Plan | None = None) -> Path:
    """Search (or find) the supernet, decode it and train the derived network from scratch."""
    return train_code(setup, found_code(search_supernet(setup, plan)))


def three_scores(setup: Setup, plan: Plan | None = None) -> dict[str, dict]:
    """The scores of a search's three networks by name, each with its metrics and parameters.

    "supernet": the mixture that was trained. "derived, copied weights": what the decode keeps of
    it, without training. "derived, retrained": the same topology trained from scratch.
    """
    folder = search_supernet(setup, plan)
    net, record = predict.load_network(folder)
    code = found_code(folder)
    copied = derive.inherit(net, code)
    rows = predict.score_samples(copied, load_samples(setup.val()), setup.preset.patch)
    retrained = files.read_json(train_code(setup, code) / "record.json")["metrics"]
    size = {"network_parameters": networks.count_parameters(copied), "epochs": 0}
    return {
        "supernet": record["metrics"],
        "derived, copied weights": predict.summary(rows) | size,
        "derived, retrained": retrained,
    }
