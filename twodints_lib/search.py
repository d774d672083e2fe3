"""Search in the paper's way: one optimiser trains weights and alphas together, on all the data."""

from pathlib import Path

import numpy as np
import torch

from twodints_lib import derive, predict, runs, space, train


def alphas(net) -> tuple[np.ndarray, np.ndarray]:
    """Path logits (B, P) and operation logits (B, P, O) of a supernet, as arrays."""
    a, c = space.arch_parameters(net)
    return a.detach().cpu().double().numpy(), c.detach().cpu().double().numpy()


def snapshot(net) -> dict:
    """The alphas after an epoch, rounded to keep a long history small."""
    a, c = alphas(net)
    return {"alpha_a": a.round(4).tolist(), "alpha_c": c.round(4).tolist()}


def supernet_spec(preset) -> dict:
    """The spec of a preset's supernet."""
    return {
        "kind": "supernet",
        "channel_mul": preset.channel_mul,
        "num_blocks": preset.num_blocks,
        "num_depths": preset.num_depths,
    }


def search_supernet(setup: runs.Setup, say=print) -> Path:
    """The run folder of a supernet, trained as the paper tells it; found by its key or made now.

    The paper keeps the supernet itself for inference ("the model with the best performance is
    saved and used for inference after the search is complete"), so record.json scores that.
    history.json has the alphas of every epoch.
    """
    spec = supernet_spec(setup.preset)
    return train.train_network(setup, spec, setup.preset.search_epochs, watch=snapshot, say=say)


def found_code(folder) -> dict:
    """The code decoded from the alphas of a searched supernet's best weights."""
    net, _ = predict.load_network(folder)
    return derive.decode(*alphas(net))


def train_derived(setup: runs.Setup, say=print) -> Path:
    """Search (or find) the supernet, decode it and train the derived network from scratch."""
    code = found_code(search_supernet(setup, say))
    spec = {"kind": "derived", "channel_mul": setup.preset.channel_mul, "code": code}
    return train.train_network(setup, spec, setup.preset.derived_epochs, say=say)


def path_history(history: list[dict]) -> np.ndarray:
    """(epochs, B, P) probability of every path over a search."""
    return np.stack([derive.path_probabilities(row["alpha_a"]) for row in history])


def operation_history(history: list[dict]) -> np.ndarray:
    """(epochs, B, P, O) softmax weight of every operation over a search."""
    logits = torch.tensor([row["alpha_c"] for row in history], dtype=torch.float64)
    return logits.softmax(-1).numpy()
