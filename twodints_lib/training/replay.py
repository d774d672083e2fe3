"""What the history of a search tells: the alphas of its epochs, and the best of these epochs.

A history is a list of rows, one an epoch; about a hundred of them hold the alphas. No torch.
"""

import numpy as np
from scipy.special import softmax

from twodints_lib.space import topology


def snapshots(history: list[dict]) -> list[dict]:
    """The rows that hold alphas: path logits "alpha_a" (B, P), "alpha_c" (B, P, O)."""
    return [row for row in history if "alpha_a" in row]


def last_alphas(history: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """The alphas at the end of a search."""
    row = snapshots(history)[-1]
    return np.array(row["alpha_a"]), np.array(row["alpha_c"])


def best_epoch(history: list[dict], score: str) -> dict:
    """The row with alphas whose validation was best by dice or f1."""
    rows = [row for row in snapshots(history) if row[score] is not None]
    return max(rows, key=lambda row: row[score])


def path_history(history: list[dict]) -> np.ndarray:
    """(snapshots, B, P) probability of every path over a search."""
    return np.stack([topology.path_probabilities(r["alpha_a"]) for r in snapshots(history)])


def operation_history(history: list[dict]) -> np.ndarray:
    """(snapshots, B, P, O) softmax weight of every operation over a search."""
    return softmax(np.array([row["alpha_c"] for row in snapshots(history)]), axis=-1)
