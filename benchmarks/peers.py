"""`make bench-peers`: ours, StarDist, Cellpose 3 and Otsu, each trained on the same images for the
same wall time with the same number of threads, scored on the same validation images.

    python benchmarks/peers.py --data micro4 [--only stardist] [--seconds 1200] [--threads 2]

Each peer runs in a process of its own with its own recommended settings, leaves its labels in
runs/peers-.../<peer>/ and is not run again once they are there. The scores go to
records/bench-peers.json, with other than 2 threads to records/bench-peers-N-threads.json; `--score`
alone writes it anew. The peers' environment is .venv-peers.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage
from skimage import color, feature, filters, segmentation

from twodints_lib import files
from twodints_lib.data import images
from twodints_lib.data.dataset import open_data
from twodints_lib.runs import environment, store
from twodints_lib.runs.setup import begin
from twodints_lib.scoring.scores import CHALLENGE, score, summarise
from twodints_lib.scoring.statistics import paired_difference
from twodints_lib.space import networks
from twodints_lib.space.specs import UNetSpec
from twodints_lib.training import loop
from twodints_lib.training.patches import load_samples
from twodints_lib.training.recipes import Recipe

HERE = Path(__file__).parent
PEERS_PYTHON = files.ROOT / ".venv-peers" / "bin" / "python"
# The course's U-Net; what differs from the laptop preset was chosen on these same images.
SPEC = UNetSpec(head="ladder")
OURS = {"learning_rate": 2e-3, "batch": 4, "patch": 192, "precision": "bfloat16"}


def prepare(dataset, folder: Path):
    """Images as 8 bit (H, W, 3) and labels, one .npz each, where every peer can read them."""
    for item in dataset.items:
        path = folder / "data" / item.split / f"{item.name}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            image, labels = images.read_pair(item)
            np.savez(path, image=images.to_8_bit(image).transpose(1, 2, 0), labels=labels)


def otsu(folder: Path, out: Path):
    """Otsu's threshold and a watershed of the distance, dark or bright cells; nothing learned."""
    for path in sorted((folder / "data" / "val").glob("*.npz")):
        grey = color.rgb2gray(np.load(path)["image"])
        mask = grey > filters.threshold_otsu(grey)
        mask = ~mask if mask.mean() > 0.5 else mask
        distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
        seeds = np.zeros(grey.shape, np.int32)
        peaks = feature.peak_local_max(distance, min_distance=5, labels=mask.astype(int))
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        save(out / f"{path.stem}.tif", segmentation.watershed(-distance, seeds, mask=mask))


def save(path: Path, labels):
    """Labels as an integer TIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, labels.astype(np.int32), compression="zlib")


def ours(data: str, out: Path, seconds: float, seed: int):
    """The U-Net with the ladder head, as many epochs as fit into the time."""
    start = time.perf_counter()
    epoch = _epoch_seconds(begin("laptop", data, seed, **OURS))
    # What is left of the time is for three validations and the choice of thresholds.
    epochs = int((0.92 * seconds - (time.perf_counter() - start)) / epoch)
    later = {"val_start": int(0.7 * epochs), "val_every": max(1, int(0.15 * epochs))}
    setup = begin("laptop", data, seed, patience=epochs, **OURS, **later)
    folder = loop.train_network(setup, SPEC, epochs)
    record = files.read_json(folder / "record.json")
    m = record["metrics"]
    files.write_json(out / "scores.json", {"ladder": m["representations"], "dice": m["mean_dice"]})
    size = {"parameters": m["network_parameters"], "epochs": epochs, "run": folder.name}
    # As for the peers: the training, without reading, scoring and the choice of thresholds.
    write_job(out, record["seconds"], whole_seconds=time.perf_counter() - start, **size)


def _epoch_seconds(setup) -> float:
    """Seconds of a training epoch on all images, from a few epochs on every third of them."""
    few = load_samples(setup.train()[::3], "ladder")
    recipe = Recipe.of(setup.preset, 3, SPEC)
    trainer = loop.Joint(networks.build(SPEC), few, recipe, setup.seed)
    times = []
    for epoch in (1, 2, 3):
        start = time.perf_counter()
        trainer.epoch(epoch)
        times.append(time.perf_counter() - start)
    return min(times) * len(setup.train()) / len(few)


def write_job(out: Path, seconds: float, **more):
    """What a peer's run says of itself, beside its labels."""
    what = {"seconds": round(seconds, 1), "threads": int(os.environ["OMP_NUM_THREADS"])}
    files.write_json(out / "job.json", what | {"hardware": environment.hardware()} | more)


def scored(data: str, folder: Path) -> dict:
    """Every peer's F1, and ours minus theirs with a paired interval."""
    val = [i for i in open_data(data).items if i.split == "val"]
    truth = {i.name: images.read_labels(i.label) for i in val}
    found = {}
    for job in sorted(folder.glob("*/job.json")):
        name, rows = job.parent.name, []
        if (job.parent / "scores.json").is_file():  # ours: one score for each representation
            ladder = files.read_json(job.parent / "scores.json")["ladder"]
            for way, scores in ladder.items():
                found[f"{name}: {way}"] = {k: v for k, v in scores.items() if k != "f1"}
                found[f"{name}: {way}"] |= {"f1": scores["f1"]} | files.read_json(job)
            continue
        for item in val:
            pred = tifffile.imread(job.parent / f"{item.name}.tif")
            rows.append({"modality": item.modality} | score(truth[item.name], pred, CHALLENGE))
        found[name] = summarise(rows) | {"f1": [r["f1"] for r in rows]} | files.read_json(job)
    best = found.get("ours: distance, tuned")
    for name, other in found.items():  # ours as shipped is the same network's: another decoder
        if best and (not name.startswith("ours") or name.endswith("as shipped")):
            by_name = ({0: dict(zip(truth, some["f1"], strict=True))} for some in (best, other))
            other["ours_minus_this"] = paired_difference(*by_name, least=1)[:3]
    return found


def main():
    """Run what has not been run, then score all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="micro4")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2022)
    parser.add_argument("--score", action="store_true", help="run nothing")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    dataset = open_data(args.data)
    folder = store.runs_dir() / f"peers-{dataset.name}-{args.seconds:.0f}s-{args.threads}t"
    prepare(dataset, folder)
    for name in () if args.score else args.only or ("otsu", "ours", "stardist", "cellpose"):
        out = folder / name
        if (out / "job.json").is_file():
            continue
        out.mkdir(parents=True, exist_ok=True)
        print(f"{name} ...", flush=True)
        if name == "otsu":
            otsu(folder, out)
            write_job(out, 0)
        elif name == "ours":
            import torch

            torch.set_num_threads(args.threads)
            ours(args.data, out, args.seconds, args.seed)
        else:
            command = [PEERS_PYTHON, HERE / f"peer_{name}.py", folder / "data", out]
            done = subprocess.run([*map(str, command), str(args.seconds), str(args.seed)])
            if done.returncode:
                sys.exit(f"{name}: failed; its messages are above.")
            write_job(out, **json.loads((out / "facts.json").read_text()))
    record = {"benchmark": "peers", "data": dataset.name, "data_hash": dataset.hash}
    record |= {"seconds_each": args.seconds, "threads": args.threads, "seed": args.seed}
    record |= {"commit": environment.commit(), "hardware": environment.hardware()}
    found = scored(args.data, folder)
    suffix = "" if args.threads == 2 else f"-{args.threads}-threads"
    path = files.ROOT / "records" / f"bench-peers{suffix}.json"
    files.write_json(path, record | {"peers": found})
    for name, s in sorted(found.items(), key=lambda kv: -kv[1]["modality_mean_f1"]):
        print(f"{name:32} F1 over modalities {s['modality_mean_f1']:.3f}, {s['seconds']:.0f} s")


if __name__ == "__main__":
    main()
