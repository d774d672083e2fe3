"""`make bench-peers`: UNet, a searched network, Cellpose 3, StarDist and InstanSeg, each trained
from scratch on the same images for the same CPU time, scored on the same validation images.

    python benchmarks/peers.py [--method unet] [--seeds 1 2 3] [--cpu-seconds 2400]

A fifth of the training images of each modality is kept apart, the same for all: settings, weights
and thresholds are chosen on it, and nobody trains on it. Settings are tried once a method, for a
quarter of the time, and kept in records/peers/<time>/<method>-choice.json. Each training is one job
with a record of its own beside it, <method>-seed-<n>.json: a job that has one is not run again. The
peers' environment is .venv-peers. `twodints table peers` shows what there is.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from peer_common import Job, f1, load
from scipy import ndimage
from skimage import color, feature, filters, segmentation

from twodints_lib import files
from twodints_lib.data import images
from twodints_lib.data.dataset import Dataset, open_data
from twodints_lib.errors import InputError
from twodints_lib.runs import environment, records, store
from twodints_lib.space.specs import UNetSpec, spec_of

HERE = Path(__file__).parent
PEERS_PYTHON = files.ROOT / ".venv-peers" / "bin" / "python"
SPLIT_SEED, KEPT_APART = 2022, 0.2
OURS = {"batch": 4, "precision": "bfloat16"}


@dataclass(frozen=True)
class Method:
    """How a method is run: its program, and the settings to choose from, its usual ones first."""

    program: str
    settings: tuple[dict, ...]


NETWORK = Method(
    "peer_ours.py",
    (
        OURS | {"patch": 192, "learning_rate": 2e-3},
        OURS | {"patch": 192, "learning_rate": 4e-3},
        OURS | {"patch": 256, "learning_rate": 2e-3},
    ),
)
METHODS = {
    "unet": NETWORK,
    "searched": NETWORK,
    "cellpose": Method(
        "peer_cellpose.py",
        (
            {"rescale": True, "optimiser": "adamw"},
            {"rescale": False, "optimiser": "adamw"},
            {"rescale": True, "optimiser": "sgd"},
        ),
    ),
    "stardist": Method(
        "peer_stardist.py",
        (
            {"grid": 2, "learning_rate": 3e-4},
            {"grid": 4, "learning_rate": 3e-4},
            {"grid": 4, "learning_rate": 1e-3},
        ),
    ),
    "instanseg": Method(
        "peer_instanseg.py", ({"binary_loss": "lovasz_hinge"}, {"binary_loss": "dice_loss"})
    ),
}


def split(modalities: dict[str, str]) -> dict[str, str]:
    """{name: "fit" or "choose"} of the training images {name: modality}; a fifth of each modality,
    at least one, is to choose on, drawn with a seed of its own."""
    rng, found = np.random.default_rng(SPLIT_SEED), dict.fromkeys(sorted(modalities), "fit")
    for kind in sorted(set(modalities.values())):
        names = sorted(n for n in modalities if modalities[n] == kind)
        count = max(1, round(KEPT_APART * len(names)))
        found |= dict.fromkeys(rng.permutation(names)[:count].tolist(), "choose")
    return found


def prepare(dataset: Dataset, folder: Path) -> None:
    """Images as 8 bit (H, W, 3), labels and modality, one .npz each, where every method can read
    them: fit, choose and val."""
    part = split({i.name: i.modality for i in dataset.split("train")})
    for item in dataset.split("train") + dataset.split("val"):
        path = folder / part.get(item.name, "val") / f"{item.name}.npz"
        if not path.is_file():
            image, labels = images.read_pair(item)
            image = images.to_8_bit(image).transpose(1, 2, 0)
            with files.whole_file(path) as made:
                np.savez(made, image=image, labels=labels, modality=item.modality)


def run(job: Job, program: str) -> dict:
    """Run a method's program on a job, in its own process and environment; its facts."""
    python = sys.executable if program == "peer_ours.py" else PEERS_PYTHON
    if not Path(python).is_file():
        raise InputError(f"{python}: the peers' environment is missing; run make bench-peers.")
    job.out.mkdir(parents=True, exist_ok=True)
    told = asdict(job) | {"data": str(job.data), "out": str(job.out)}
    path = files.write_json(job.out / "job.json", told)
    if subprocess.run([str(python), str(HERE / program), str(path)]).returncode:
        raise InputError(f"{path}: {program} failed on it; its messages are above.")
    return files.read_json(job.out / "facts.json")


def once(path: Path, decides: dict, make) -> dict:
    """The record at `path`: read where it exists and the same things decided it, else made."""
    if path.is_file():
        found = files.read_json(path)
        records.check_made(path, found, decides)
        return found
    print(f"{path.stem} ...", flush=True)
    return files.read_json(files.write_json(path, decides | make()))


def chosen(name: str, decides: dict, job: Job, home: Path) -> dict:
    """The settings of a method with the best F1 on the images to choose on, after a quarter of the
    time with seed 0; every try is kept in the record."""

    def make() -> dict:
        tries = []
        for number, settings in enumerate(METHODS[name].settings):
            told = {"settings": settings, "seed": 0, "cpu_seconds": job.cpu_seconds / 4}
            told |= {"out": job.out.parent / f"{name}-try-{number}", "final": False}
            facts = run(Job(job.data, spec=job.spec, **told), METHODS[name].program)
            tries.append({"settings": settings} | facts)
        best = max(tries, key=lambda one: one["choose_f1"])
        return {"tries": tries, "settings": best["settings"]} | environment.origin()

    return once(home / f"{name}-choice.json", decides, make)["settings"]


def trained(name: str, seed: int, decides: dict, job: Job, home: Path, more: dict) -> dict:
    """The record of one method and seed: trained with the settings that were chosen, and scored."""
    settings = chosen(name, decides, job, home)

    def make() -> dict:
        told = {"out": job.out.parent / f"{name}-seed-{seed}", "seed": seed, "settings": settings}
        now = Job(job.data, cpu_seconds=job.cpu_seconds, spec=job.spec, **told)
        facts = run(now, METHODS[name].program)
        return {"settings": settings, **facts, **scored(now)} | more | environment.origin()

    return once(home / f"{name}-seed-{seed}.json", decides | {"seed": seed}, make)


def scored(job: Job) -> dict:
    """The challenge's scores of the labels that a job left for the validation images."""
    import tifffile

    val = load(job.data, "val")
    found = f1(val, [tifffile.imread(job.out / f"{p.name}.tif") for p in val])
    found["images"] = {name: [None, score] for name, score in found["images"].items()}
    return {"metrics": found}


def otsu(decides: dict, job: Job, home: Path) -> dict:
    """The record of Otsu's threshold and a watershed of the distance; nothing is learned."""

    def make() -> dict:
        val = load(job.data, "val")
        found = f1(val, [_otsu(p.image) for p in val])
        found["images"] = {name: [None, score] for name, score in found["images"].items()}
        return {"metrics": found, "seconds": {"cpu": 0, "wall": 0}} | environment.origin()

    return once(home / "otsu-seed-0.json", decides | {"seed": 0}, make)


def _otsu(image) -> np.ndarray:
    grey = color.rgb2gray(image)
    mask = grey > filters.threshold_otsu(grey)
    mask = ~mask if mask.mean() > 0.5 else mask  # dark or bright cells
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
    seeds = np.zeros(grey.shape, np.int32)
    peaks = feature.peak_local_max(distance, min_distance=5, labels=mask.astype(int))
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return segmentation.watershed(-distance, seeds, mask=mask)


def read_code(path: Path) -> tuple[dict, dict]:
    """The searched network of a file, with the ladder head, and what is told of its search.

    The file is a derived network's description, {"kind": "derived", "channel_mul", "code", ...},
    alone, under "spec", or in the record of a run; beside it may stand "search_seconds", the CPU
    seconds of the search.
    """
    told = files.read_json(path)
    spec = told.get("spec") or told.get("parameters", {}).get("spec") or told
    spec = {k: v for k, v in spec.items() if k != "search_seconds"} | {"head": "ladder"}
    spec = spec_of(spec)
    if spec.kind != "derived":
        raise InputError(f"--code {path}: holds a {spec.kind}; give a derived network's code.")
    return spec.json(), {k: told[k] for k in ("search_seconds",) if k in told}


def spec_for(name: str, code: str | None) -> tuple[dict | None, dict]:
    """The network that a method trains, as records hold it, and what is told of its search."""
    if name == "unet":
        return UNetSpec(head="ladder").json(), {}
    if name != "searched":
        return None, {}
    if code is None:
        raise InputError("--method searched: needs --code FILE, the network that a search found.")
    return read_code(Path(code))


def main() -> None:
    """Run what has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = ("otsu", *METHODS)
    parser.add_argument("--data", default="micro4")
    parser.add_argument("--methods", nargs="+", choices=every, help="by default all but searched")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--cpu-seconds", type=float, default=2400)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--code", help="for searched: a file with the code")
    parser.add_argument("--records", type=Path, help="by default records/peers/<CPU seconds>s")
    args = parser.parse_args()
    home = args.records or files.ROOT / "records" / "peers" / f"{args.cpu_seconds:.0f}s"
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(args.threads)
    dataset = open_data(args.data)
    folder = store.runs_dir() / f"peers-{dataset.name}-{args.cpu_seconds:.0f}s"
    prepare(dataset, folder / "data")
    default = [m for m in every if m != "searched" or args.code]
    for seed in args.seeds:
        for name in args.methods or default:
            spec, more = spec_for(name, args.code)
            job = Job(folder / "data", folder / name, args.cpu_seconds, seed, {}, spec=spec)
            decides = {"benchmark": "peers", "method": name, "data": dataset.name}
            decides |= {"data_hash": dataset.hash, "cpu_seconds_each": args.cpu_seconds}
            decides |= {"spec": spec} if spec else {}
            if name == "otsu":
                record = otsu(decides, job, home)
            else:
                record = trained(name, seed, decides, job, home, more)
            f1_over, spent = record["metrics"]["modality_mean_f1"], json.dumps(record["seconds"])
            print(f"{name}, seed {seed}: F1 over modalities {f1_over:.3f}, seconds {spent}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"peers: {error}")
