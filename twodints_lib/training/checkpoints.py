"""What a training leaves on disk to go on from, whole or taken for nothing."""

from copy import deepcopy
from pathlib import Path

import torch

from twodints_lib.errors import InputError
from twodints_lib.files import read_json, whole_file
from twodints_lib.messages import log


def save(path: Path, content) -> None:
    """torch.save, whole or not at all."""
    with whole_file(path) as made:
        torch.save(content, made)


def resume(trainer, folder: Path) -> tuple[list[dict], float, int]:
    """History, best score and its epoch of a checkpoint, read into the trainer.

    Where it, or the best weights so far, cannot be read: any error, the trainer as it was.
    """
    before = deepcopy(trainer.state_dict())
    try:
        state = torch.load(folder / "last.pt", map_location=trainer.where, weights_only=True)
        found = state["history"], state["best"], state["best_epoch"]
        if state["best"] >= 0:  # its weights are read twice: once to see that they fit
            weights = torch.load(folder / "best.pt", map_location=trainer.where, weights_only=True)
            trainer.net.load_state_dict(weights)
        trainer.load_state_dict(state["trainer"])
        trainer.check({"loss": found[0][-1]["loss"]})
    except Exception:
        trainer.load_state_dict(before)
        raise
    return found


def is_whole(folder: Path) -> bool:
    """Whether a training is there; one with a broken record or without weights is made anew."""
    if not (folder / "record.json").exists():
        return False
    try:
        record = read_json(folder / "record.json")
        if isinstance(record, dict) and "metrics" in record and (folder / "best.pt").is_file():
            return True
    except InputError:
        pass
    log.warning(f"{folder}: its record or its weights are broken; trained anew.")
    return False
