"""What a few labelled images of a modality are worth that a network has never seen.

A network is trained without one modality, then on with 0, 5, 10 or 20 of its labelled images, and
scored on the modality's other images, the same ones every time.
"""

from twodints_lib import files
from twodints_lib.inference import predict
from twodints_lib.runs import records
from twodints_lib.runs.setup import Setup
from twodints_lib.space import topology
from twodints_lib.training import finetune, search

COUNTS = (5, 10, 20)  # labelled images
SCALE = {"channel_mul": 0.25, "val_start": 40}  # nothing is chosen by a score
SHAPE = "unet"  # of the network: nothing is searched here


def job(setup: Setup, modality: str, count: int) -> dict:
    """The record of a network trained without a modality, then on `count` images of it."""
    preset = setup.preset
    code = topology.known_shape(SHAPE, preset.num_blocks, preset.num_depths)
    folder = search.train_code(finetune.without(setup, modality), code)
    some = finetune.few(setup, modality, count, max(COUNTS))
    if count:
        folder = finetune.fine_tune(some, folder)
    record = files.read_json(folder / "record.json")
    size = {k: record["metrics"][k] for k in ("network_parameters", "epochs")}
    rows = finetune.scores(some, folder)
    made = records.slim(record | {"metrics": predict.summary(rows) | size})
    # The record is the study's: what the last training had of its own is told beside it.
    own = {k: made.pop(k) for k in ("settings", "data_hash")}
    return made | {"last_training": own}
