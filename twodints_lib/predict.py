"""Apply a network: probability maps, instance labels, and the scores of a set of images."""

import os
from pathlib import Path

import numpy as np
import tifffile
import torch
from monai.inferers import sliding_window_inference
from monai.metrics import compute_dice
from torch.nn.functional import one_hot

from twodints_lib import runs, space
from twodints_lib.errors import InputError
from twodints_lib.images import normalise, read_pages
from twodints_lib.instances import decode_three_class
from twodints_lib.metrics import score_image, summarise
from twodints_lib.representations import HEADS, decode_grown


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.no_grad()
def probabilities(net, image, patch: int, head: str = "3-class") -> np.ndarray:
    """Class probabilities (3, H, W) float32 of a normalised image (3, H, W); or a head's maps.

    Sliding window of the training patch's size (paper, 3.2), a quarter overlapping, by MONAI.
    """
    net.eval()
    where = next(net.parameters()).device
    batch = torch.as_tensor(image)[None].float().to(where)
    logits = sliding_window_inference(batch, (patch, patch), 4, net, overlap=0.25)
    return HEADS[head].activate(logits)[0].float().cpu().numpy()


def class_dice(probability, target) -> list[float]:
    """Dice of interior and of boundary as the challenge validates: softmax thresholded at 0.5.

    `probability` (3, H, W), `target` (1, H, W). A class absent from the target gives nan.
    """
    truth = one_hot(torch.as_tensor(target).long()[0], 3).permute(2, 0, 1)[None]
    predicted = (torch.as_tensor(probability) > 0.5).float()[None]
    return compute_dice(predicted, truth, include_background=False)[0].tolist()


def validation_score(net, samples, patch: int, head: str = "3-class") -> float:
    """What training is steered by: class Dice, or for another head the mean F1 of its cells."""
    if head == "3-class":
        return mean_class_dice(net, samples, patch)
    decode = HEADS[head].decode
    found = [decode(probabilities(net, s.image, patch, head)) for s in samples]
    return float(
        np.mean([score_image(s.labels, f)["f1"] for s, f in zip(samples, found, strict=True)])
    )


def mean_class_dice(net, samples, patch: int) -> float:
    """The Dice that training is steered by and that Table 4 most likely reports.

    Mean over interior and boundary of each image, then over images.
    """
    scores = [class_dice(probabilities(net, s.image, patch), s.target) for s in samples]
    found = [d for pair in scores for d in [np.array(pair)[~np.isnan(pair)]] if d.size]
    return float(np.mean([d.mean() for d in found])) if found else 0.0


def score_samples(net, samples, patch: int, head: str = "3-class") -> list[dict]:
    """One row an image: class Dice, and the challenge's instance scores of the decoded labels.

    Another head than 3-class draws no classes: its Dice values are None.
    """
    rows = []
    for s in samples:
        probability = probabilities(net, s.image, patch, head)
        if head != "3-class":
            row = {"name": s.name, "modality": s.modality, "dice": None}
            rows.append(row | score_image(s.labels, HEADS[head].decode(probability)))
            continue
        interior, boundary = class_dice(probability, s.target)
        both = [d for d in (interior, boundary) if d == d]
        rows.append(
            {
                "name": s.name,
                "modality": s.modality,
                "dice_interior": interior if interior == interior else None,
                "dice_boundary": boundary if boundary == boundary else None,
                "dice": float(np.mean(both)) if both else None,
            }
            | score_image(s.labels, decode_three_class(probability))
        )
    return rows


def summary(rows) -> dict:
    """Scores over images: the instance metrics' summary, the mean class Dice, and the rows."""
    dice = [r["dice"] for r in rows if r["dice"] is not None]
    return summarise(rows) | {"mean_dice": float(np.mean(dice or [0])), "per_image": rows}


def load_network(folder) -> tuple[torch.nn.Module, dict]:
    """The trained network of a run's folder, on the device, and the run's record."""
    record = runs.read_json(Path(folder) / "record.json")
    if "spec" not in record["parameters"]:
        raise InputError(f"{folder}: holds no network; give the folder of a training run.")
    if not (Path(folder) / "best.pt").is_file():
        raise InputError(f"{folder}: its best.pt is missing; delete the folder and train again.")
    net = space.build(record["parameters"]["spec"])
    weights = torch.load(Path(folder) / "best.pt", map_location="cpu", weights_only=True)
    net.load_state_dict(weights)
    return net.to(device()), record


def best_run() -> Path:
    """The folder of the trained network with the highest mean F1; real runs before smoke runs."""
    found = []
    for path in sorted((runs_dir := runs.runs_dir() / "store").glob("*/record.json")):
        record = runs.read_json(path)
        if "mean_f1" in record["metrics"]:
            found.append((record["is_result"], record["metrics"]["mean_f1"], path.parent))
    if not found:
        raise InputError(
            f"{runs_dir}: holds no trained network; run `make course` or give --model."
        )
    return max(found, key=lambda f: f[:2])[2]


def segment_files(paths, out, model=None, grow=False, say=print) -> list[Path]:
    """Write <name>_label.tiff for each image: instance ids, one label page an image page.

    `model` is a run's folder, the best trained network by default. `grow`: each cell of a 3-class
    network gets back the rim that the challenge's recipe leaves out. Every input is read before
    anything is written; nothing is overwritten.
    """
    out = Path(out)
    sources = list_images(paths)
    targets = [out / f"{p.stem}_label.tiff" for p in sources]
    for target in targets:
        if target.exists():
            raise InputError(f"{target}: exists already; move it away or choose another folder.")
    repeated = sorted({t.name for t in targets if targets.count(t) > 1})
    if repeated:
        raise InputError(f"{repeated[0]}: two images would write it; rename one of them.")
    for path in sources:
        read_pages(path)
    folder = Path(model) if model else best_run()
    net, record = load_network(folder)
    note = "" if record["is_result"] else " (a smoke run: no result)"
    say(f"network: {folder.name}{note}")
    patch = record["parameters"]["recipe"]["patch"]
    space.check_patch(patch, record["parameters"]["spec"])
    head = record["parameters"]["spec"].get("head", "3-class")
    decode = decode_grown if grow and head == "3-class" else HEADS[head].decode
    out.mkdir(parents=True, exist_ok=True)
    for i, (path, target) in enumerate(zip(sources, targets, strict=True), 1):
        pages = [decode(probabilities(net, normalise(p), patch, head)) for p in read_pages(path)]
        stack = pages[0] if len(pages) == 1 else np.stack(pages)
        stack = stack.astype(np.uint16 if stack.max() < 2**16 else np.uint32)
        temporary = target.with_suffix(".tmp")
        tifffile.imwrite(temporary, stack, compression="zlib", photometric="minisblack")
        os.replace(temporary, target)
        say(f"{i}/{len(sources)} {target.name}: {sum(int(p.max()) for p in pages)} cells")
    return targets


def list_images(paths) -> list[Path]:
    """Image files, with every folder replaced by the images in it."""
    from twodints_lib.images import IMAGE_SUFFIXES

    found = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not inside:
                raise InputError(f"{path}: holds no images; give image files or their folder.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: no such image or folder; check the path.")
    return found
