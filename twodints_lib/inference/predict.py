"""Apply a network: probability maps, instance labels, and the scores of a set of images."""

from pathlib import Path

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.metrics import compute_dice
from torch.nn.functional import one_hot

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.runs import pretrained
from twodints_lib.scoring.scores import CHALLENGE, score, summarise
from twodints_lib.space import networks
from twodints_lib.space.specs import spec_of
from twodints_lib.targets.heads import HEADS

OVERLAP = 0.25  # of neighbouring windows


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.no_grad()
def probabilities(
    net: torch.nn.Module, image, patch: int, head: str = "3-class", flips: bool = False
) -> np.ndarray:
    """Class probabilities (3, H, W) float32 of a normalised image (3, H, W); or a head's maps.

    Sliding window of the training patch's size (paper, 3.2), a quarter overlapping, by MONAI.
    `flips`: the mean over the image and its mirror images, at four times the cost.
    """
    net.eval()
    where = next(net.parameters()).device
    batch = torch.as_tensor(image)[None].float().to(where)
    predictor = (lambda x: mean_of_flips(net, x, HEADS[head].vectors)) if flips else net
    logits = sliding_window_inference(batch, (patch, patch), 4, predictor, overlap=OVERLAP)
    return HEADS[head].activate(logits)[0].float().cpu().numpy()


def mean_of_flips(net, batch: torch.Tensor, vectors: bool = False) -> torch.Tensor:
    """Mean logits of (B, 3, H, W) over its four mirror images, each turned back.

    `vectors`: the last two maps are (y, x) directions and change their sign with the image.
    """
    total = 0
    for axes in ((), (2,), (3,), (2, 3)):
        logits = net(batch.flip(axes)).flip(axes)
        if vectors:
            sign = [-1.0 if axis in axes else 1.0 for axis in (2, 3)]
            turned = logits[:, -2:] * logits.new_tensor(sign)[:, None, None]
            logits = torch.cat([logits[:, :-2], turned], 1)
        total = total + logits
    return total / 4


def class_dice(probability, target) -> list[float]:
    """Dice of interior and of boundary as the challenge validates: softmax thresholded at 0.5.

    `probability` (3, H, W), `target` (1, H, W). A class absent from the target gives nan.
    """
    truth = one_hot(torch.as_tensor(target).long()[0], 3).permute(2, 0, 1)[None]
    predicted = (torch.as_tensor(probability) > 0.5).float()[None]
    return compute_dice(predicted, truth, include_background=False)[0].tolist()


def score_samples(
    net, samples, patch: int, head: str = "3-class", keep=None, decode=None
) -> list[dict]:
    """One row an image: class Dice, and the challenge's instance scores of the decoded labels.

    `decode(maps)` replaces the head's own. A head that draws no classes has no class Dice: None.
    The maps are added to the list `keep`.
    """
    rows = []
    for s in samples:
        maps = probabilities(net, s.image, patch, head)
        dice = _dice_row(maps, s) if HEADS[head].draws_classes else {"dice": None}
        row = {"name": s.name, "modality": s.modality} | dice
        rows.append(row | score(s.labels, (decode or HEADS[head].decode)(maps), CHALLENGE))
        if keep is not None:
            keep.append(maps)
    return rows


def _dice_row(maps, sample) -> dict:
    interior, boundary = (d if d == d else None for d in class_dice(maps[:3], sample.target))
    mean = _mean((interior, boundary))
    return {"dice_interior": interior, "dice_boundary": boundary, "dice": mean}


def mean_dice(net, samples, patch: int) -> float | None:
    """The mean class Dice alone, without the time that decoding cells takes."""
    return _mean([_dice_row(probabilities(net, s.image, patch), s)["dice"] for s in samples])


def summary(rows: list[dict]) -> dict:
    """Scores over images: the instance metrics' summary, the mean class Dice, and the rows."""
    return summarise(rows) | {"mean_dice": _mean([r["dice"] for r in rows]), "per_image": rows}


def _mean(scores) -> float | None:
    """The mean of those that there are; None where there are none."""
    found = [v for v in scores if v is not None]
    return float(np.mean(found)) if found else None


def load_network(model: Path | str) -> tuple[torch.nn.Module, dict]:
    """The trained network of a run's folder or a pretrained one, on the device; its record.

    Raises InputError, one sentence that names the file, where the record holds no network, or
    best.pt is missing, cut, another network's or holds weights that are no numbers.
    """
    folder = pretrained.folder(model)
    record, path = files.read_json(folder / "record.json"), folder / "best.pt"
    try:
        spec = spec_of(record["parameters"]["spec"])
    except (KeyError, TypeError, InputError) as error:
        raise InputError(
            f"{folder / 'record.json'}: holds no network ({error}); give the folder of a training "
            "run."
        ) from error
    if not path.is_file():
        raise InputError(f"{folder}: its best.pt is missing; delete the folder and train again.")
    pretrained.check(path, record)
    net = networks.build(spec)
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a cut file has many errors: of zip, of pickle, of the end of file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path}: does not hold the weights of its record's network ({reason}); delete the "
            "folder and train again."
        ) from error
    if not all(weights.isfinite().all() for weights in net.state_dict().values()):
        raise InputError(f"{path}: holds weights that are no numbers; delete it and train again.")
    return net.to(device()), record
