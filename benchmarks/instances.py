"""`make bench-instances`: the metric, tiles and a whole prediction, timed and measured.

The metric on generated pairs, each case in a process of its own (CPU seconds, added peak memory),
beside the way the challenge's script works (dense matrix, an assignment, tiles from 25 megapixels
on) and, where .venv-peers is there, beside stardist.matching and cellpose.metrics. Then tiled
against untiled decoding of a mosaic, a 512 x 512 image from pixels to cells, and one of
10,000 x 10,000 from file to scores.
Writes records/bench-instances.json.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from measuring import high_water, measure

from twodints_lib import files
from twodints_lib.inference import predict, segment, tiles
from twodints_lib.reproduction import challenge_tree
from twodints_lib.runs import environment
from twodints_lib.scoring import folders, scores
from twodints_lib.space import networks, topology
from twodints_lib.space.specs import DerivedSpec, spec_of
from twodints_lib.targets import heads

HERE = Path(__file__).parent
PEERS_PYTHON = files.ROOT / ".venv-peers" / "bin" / "python"
LARGE_MODEL = "derived-ladder-micro4"
SIZES = {1024: 500, 2048: 3000, 8192: 40_000}


def crowd(size: int, cells: int, seed: int = 0):
    """(truth, prediction) of touching ellipses: some missed, merged, shifted or invented."""
    rng = np.random.default_rng(seed)
    truth, pred = np.zeros((2, size, size), np.int32)
    side = int(np.ceil(np.sqrt(cells)))
    step = size / side
    for i in range(cells):
        middle = (np.array(divmod(i, side)) + 0.5) * step + rng.uniform(-0.15, 0.15, 2) * step
        _ellipse(truth, middle, rng.uniform(0.4, 0.55, 2) * step, i + 1)
        luck = rng.random()
        if luck > 0.08:  # else missed
            shift = rng.normal(0, 0.06, 2) * step
            same = i if luck < 0.12 and i else i + 1  # some share the neighbour's id: merged
            _ellipse(pred, middle + shift, rng.uniform(0.33, 0.55, 2) * step, same)
    return truth, pred


def _ellipse(labels, middle, radii, value):
    y0, x0 = np.maximum(0, np.floor(middle - radii)).astype(int)
    y1, x1 = np.minimum(labels.shape, np.ceil(middle + radii) + 1).astype(int)
    y, x = np.ogrid[y0:y1, x0:x1]
    inside = ((y - middle[0]) / radii[0]) ** 2 + ((x - middle[1]) / radii[1]) ** 2 <= 1
    labels[y0:y1, x0:x1][inside] = value


def as_the_script(truth, pred) -> int:
    """Matched pairs the way the challenge's script finds them: written anew, by its behaviour."""
    from scipy.optimize import linear_sum_assignment

    found = 0
    for t, p in scores.parts(truth, pred, scores.SCRIPT):
        t, p = (_without_border(x) for x in (t, p))
        n, m = int(t.max()) + 1, int(p.max()) + 1
        overlap = np.zeros((n, m), np.uint64)
        np.add.at(overlap, (t.ravel(), p.ravel()), 1)
        union = overlap.sum(0)[None] + overlap.sum(1)[:, None] - overlap
        iou = (overlap / np.maximum(union, 1))[1:, 1:]
        if iou.size:
            rows, columns = linear_sum_assignment((iou < 0.5) - iou / (2 * min(iou.shape)))
            found += int((iou[rows, columns] >= 0.5).sum())
    return found


def _without_border(labels):
    edge = np.concatenate([labels[:2].ravel(), labels[-2:].ravel()])
    edge = np.concatenate([edge, labels[:, :2].ravel(), labels[:, -2:].ravel()])
    labels = labels.copy()
    for i in np.unique(edge[edge > 0]):
        labels = labels * (labels != i)
    ids = np.unique(labels)
    return np.searchsorted(np.concatenate([[0], ids[ids > 0]]), labels)


def by_monai(truth, pred):
    """Matched pairs by MONAI's panoptic quality."""
    import torch
    from monai.metrics.panoptic_quality import compute_panoptic_quality

    both = (torch.from_numpy(x.astype(np.int64)) for x in (pred, truth))
    found = compute_panoptic_quality(*both, remap=True, output_confusion_matrix=True)
    return int(found[0])


WAYS = {
    "ours": lambda t, p: scores.score(t, p)["tp"],
    "ours, compat neurips22": lambda t, p: scores.score(t, p, scores.SCRIPT)["tp"],
    "as the challenge's script": as_the_script,
    "MONAI's panoptic quality": by_monai,
}


def metric_cases() -> dict:
    """{size: {way: measure()}}; a peer that is not installed or runs out of memory says so."""
    found = {}
    for size, cells in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/pair.npy", np.stack(crowd(size, cells)))
            # MONAI's walks through every pair of cells: minutes and gigabytes beyond 1024 pixels.
            ways = [w for w in WAYS if size == 1024 or not w.startswith("MONAI")]
            cases = {name: [sys.executable, __file__] for name in ways}
            if PEERS_PYTHON.is_file() and size < 8192:  # dense matrices: over 13 GB at 8192
                peer = [str(PEERS_PYTHON), str(HERE / "peer_metrics.py")]
                # Matrices of cells by pixels: out of memory beyond 1024 pixels.
                slow = ("cellseg-metrics", "torchmetrics", "panoptica") if size < 2048 else ()
                names = ("stardist.matching", "cellpose.metrics", *slow)
                cases |= dict.fromkeys(names, peer)
            for name, command in cases.items():
                done = subprocess.run(
                    [*command, name, f"{folder}/pair.npy"], capture_output=True, text=True
                )
                if done.returncode:
                    sys.exit(f"{name}, {size}: {done.stderr[-500:]}")
                result = json.loads(done.stdout.splitlines()[-1])
                found.setdefault(str(size), {})[name] = result
                print(f"{size}: {name}: {result}", flush=True)
    return found


def mosaic(size: int = 4096) -> dict:
    """Every representation decoded from a mosaic in tiles and in one piece: the same partition?"""
    truth, _ = crowd(size, 20_000)
    found = {}
    for name, decoder in heads.DECODERS.items():
        maps, decode = heads.encode(truth, decoder.parts), decoder.decode
        maps += np.random.default_rng(1).normal(0, 0.05, (1, size, size)).astype(np.float32)
        seconds, labels = [], []
        for call in (lambda m, d=decode: d(m), lambda m, d=decode: tiles.decode(m, d)):
            start = time.process_time()
            labels.append(call(maps))
            seconds.append(time.process_time() - start)
        pairs = np.unique(np.stack([x.ravel() for x in labels]), axis=1)
        same = all(len(np.unique(ids)) == pairs.shape[1] for ids in pairs)
        found[name] = {"cells": int(labels[0].max()), "same_partition": same}
        found[name] |= {"cpu_seconds_whole": seconds[0], "cpu_seconds_tiled": seconds[1]}
        print(f"mosaic, {name}: {found[name]}", flush=True)
    return found


def large_image(model: str, size: int = 10_000) -> dict:
    """Minutes and peak memory of a size x size colour image, from its file to its scores."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("images", "truth", "found")]
        done = {}
        for step in ("make", "segment", "evaluate"):
            command = [
                sys.executable,
                __file__,
                "--large",
                step,
                model,
                str(size),
                *map(str, paths),
            ]
            start = time.perf_counter()
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            done[step] = json.loads(told.splitlines()[-1])
            done[step]["minutes"] = (time.perf_counter() - start) / 60
            print(f"{size} px, {step}: {done[step]}", flush=True)
    return {"pixels": size, "model": model} | {k: done[k] for k in ("segment", "evaluate")}


def _large_step(step, model, size, image, truth, found):
    if step == "make":
        for path in (image, truth):
            Path(path).mkdir()
        pixels, labels = challenge_tree.slide(7, int(size), 1000)
        tifffile.imwrite(f"{image}/slide.tif", pixels, compression="zlib")
        tifffile.imwrite(f"{truth}/slide_label.tiff", labels, compression="zlib")
        told = {"cells": int(labels.max())}
    elif step == "segment":
        segment.segment_files([image], found, model)
        told = {}
    else:
        result = folders.evaluate(found, truth, scores.SCRIPT)
        told = {"f1": result["mean_f1"]}
    print(json.dumps(told | {"peak_gib": round(high_water() / 2**20, 2)}))


def one_image(folder=None, repeats: int = 5) -> dict:
    """Seconds of a 512 x 512 image from pixels to cells: a trained network's, or a fresh one's."""
    if folder:
        net, record = predict.load_network(folder)
        told = record["parameters"]
        spec, patch = spec_of(told["spec"]), told["recipe"]["patch"]
    else:
        code = topology.known_shape("unet", 6, 4)
        spec = DerivedSpec(0.5, code, downsample=True, head="ladder")
        net, patch = networks.build(spec), 128
    image = (np.random.default_rng(0).random((512, 512)) * 255).astype(np.uint8)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        segment.segment_image(net, image, patch, spec.head)
        times.append(time.perf_counter() - start)
    return {"seconds": float(np.median(times)), "network": Path(folder).name if folder else "fresh"}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--large"]:
        _large_step(*sys.argv[2:])
    elif len(sys.argv) == 3 and sys.argv[1] in WAYS:
        pair = np.load(sys.argv[2])
        print(json.dumps(measure(WAYS[sys.argv[1]], *pair)))
    else:
        record = {"benchmark": "instances"} | environment.origin()
        record["one_image"] = one_image(*sys.argv[1:2])
        record["metric"] = metric_cases()
        record["mosaic"] = mosaic()
        record["large image"] = large_image(sys.argv[1] if sys.argv[1:] else LARGE_MODEL)
        files.write_json(files.ROOT / "records" / "bench-instances.json", record)
