"""Make a table of truth: `make table-of-truth`, over as many sittings as needed.

Every seed's networks are trained in portions, side by side (population.py); a portion that is
done lies among the runs and is not trained again.
"""

import copy
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from twodints_lib import files
from twodints_lib.data.dataset import Dataset
from twodints_lib.errors import InputError
from twodints_lib.inference.predict import device
from twodints_lib.messages import log
from twodints_lib.runs import environment, store
from twodints_lib.space import cost, networks
from twodints_lib.space.specs import DerivedSpec
from twodints_lib.targets.heads import HEADS
from twodints_lib.training.patches import Patches, load_samples
from twodints_lib.truth import table
from twodints_lib.truth.population import Population
from twodints_lib.truth.protocol import Protocol, dataset, pilot, protocol_of, resized
from twodints_lib.truth.scenes import MAPS, Windows, marks, windows

Batch = tuple[torch.Tensor, torch.Tensor]


def draw(samples, protocol: Protocol, seed: int) -> list[Batch]:
    """The batches that all networks of a seed see: images and maps, half precision."""
    vectors = HEADS[protocol.head].vectors
    patches, found, epoch = Patches(samples, protocol.patch, seed, vectors=vectors), [], 0
    while len(found) < protocol.drawn:
        epoch += 1
        patches.epoch = epoch
        order = np.random.default_rng([seed, epoch]).permutation(len(patches))
        for start in range(0, len(order) - protocol.batch + 1, protocol.batch):
            drawn = [patches[int(i)] for i in order[start : start + protocol.batch]]
            found.append(tuple(torch.stack(x).half() for x in zip(*drawn, strict=True)))
    return found[: protocol.drawn]


def learn(
    population: Population, batches: list[Batch], protocol: Protocol
) -> Iterator[tuple[int, Population]]:
    """Train side by side; yields (steps, the population of averaged weights) at every length."""
    where, loss_of = population.on.device, HEADS[protocol.head].loss
    average = copy.deepcopy(population).requires_grad_(False)
    own, kept = list(population.parameters()), list(average.parameters())
    optimiser = torch.optim.AdamW(own, protocol.learning_rate, fused=True)
    count, total = len(population.specs), max(protocol.steps)
    batches = [tuple(x.to(where) for x in batch) for batch in batches]
    for step in range(1, total + 1):
        for group in optimiser.param_groups:
            group["lr"] = protocol.learning_rate * factor(step, total, protocol.cosine)
        image, maps = (x.float() for x in batches[(step - 1) % len(batches)])
        logits = population(image)
        # The loss is a mean over images: times the networks it is the sum of each network's own.
        loss = count * loss_of(logits.flatten(0, 1), maps.repeat(count, 1, 1, 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay = min(protocol.averaging, (1 + step) / (10 + step))
        torch._foreach_lerp_(kept, own, 1 - decay)
        if step in protocol.steps:
            yield step, average


def factor(step: int, total: int, cosine: bool) -> float:
    """What the rate is multiplied by: a warm-up of 20 steps, then constant or a cosine to zero."""
    fall = 0.5 * (1 + np.cos(np.pi * (step - 1) / total)) if cosine else 1.0
    return float(min(1, step / 20) * fall)


@torch.no_grad()
def draw_maps(population: Population, seen: Windows, path: Path, at_once: int = 8) -> Path:
    """Write the maps (N, V, 5, S, S) float16 that all networks draw of the windows to a file."""
    image = torch.from_numpy(seen.image)
    size = (len(population.specs), len(image), MAPS, *image.shape[2:])
    kept = np.lib.format.open_memmap(path, "w+", np.float16, size)
    activate = HEADS[population.specs[0].head].activate
    for start in range(0, len(image), at_once):
        some = image[start : start + at_once].to(population.on.device)
        logits = population(some)
        drawn = activate(logits.flatten(0, 1)).unflatten(0, logits.shape[:2])[:, :, :MAPS]
        kept[:, start : start + at_once] = drawn.half().cpu().numpy()
    return path


_SEEN = []  # of a scoring process: the windows


def _begin(seen):
    torch.set_num_threads(1)
    _SEEN.append(seen)


def _marks(path, number):
    return marks(np.load(path, mmap_mode="r")[number].astype(np.float32), _SEEN[0])


def scorers(seen: Windows, processes: int) -> ProcessPoolExecutor:
    """Processes that score what networks drew while others are trained."""
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin, (seen,))


def portion(codes, protocol: Protocol, seed: int, batches, seen, pool) -> list[dict]:
    """Train and score some networks of a seed: of each {"scores": a row a length, "seconds"}."""
    specs = [DerivedSpec(protocol.channel_mul, code, head=protocol.head) for code in codes]
    population = Population(specs, seed).to(device())
    # Alone on a CPU its own seconds count, whatever else the machine is busy with.
    clock = time.perf_counter if population.on.is_cuda else time.process_time
    found, seconds, start = [], [], clock()
    with tempfile.TemporaryDirectory() as folder:
        for steps, average in learn(population, batches, protocol):
            if population.on.is_cuda:
                torch.cuda.synchronize()
            seconds.append((clock() - start) / len(codes))
            path = draw_maps(average, seen, Path(folder) / f"{steps}.npy")
            found.append([pool.submit(_marks, path, i) for i in range(len(codes))])
            start = clock() - seconds[-1] * len(codes)  # scoring is no training
        scores = [[job.result() for job in row] for row in found]
    return [{"scores": list(own), "seconds": seconds} for own in zip(*scores, strict=True)]


def place(name: str, protocol: Protocol, data: Dataset, seed: int) -> Path:
    """The folder of a seed's networks: one file each, by its number in the table."""
    told = {k: v for k, v in asdict(protocol).items() if k not in ("networks", "seeds")}
    # All networks, or some drawn at random: then a number is another network's.
    told |= {"sampled": bool(protocol.networks)}
    inputs = {"protocol": told, "data": data.hash, "seed": seed}
    return store.folder(f"truth-{name}", inputs, "truth.make")


def train(name: str, seeds: Sequence[int] = (), at_once: int = 0, processes: int = 1) -> None:
    """Train and score what a table lacks, `at_once` networks side by side, seed by seed.

    By default 100 on a GPU, and on a CPU one, which computes nothing that is then masked.
    Interrupted, it goes on with the networks that have no file yet.
    """
    protocol = protocol_of(name)
    at_once = at_once or (100 if device().type == "cuda" else 1)
    data, codes = dataset(protocol), protocol.codes()
    samples = {
        split: [resized(s, protocol) for s in load_samples(data.split(split))]
        for split in ("train", "val")
    }
    seen = windows(samples["val"], protocol.window, protocol.windows)
    with scorers(seen, processes) as pool:
        for seed in seeds or protocol.seeds:
            folder = place(name, protocol, data, seed)
            open_ = [i for i in range(len(codes)) if not (folder / f"{i}.json").is_file()]
            batches = draw(samples["train"], protocol, seed) if open_ else []
            for start in range(0, len(open_), at_once):
                some = open_[start : start + at_once]
                rows = portion([codes[i] for i in some], protocol, seed, batches, seen, pool)
                made = {"commit": environment.commit(), "hardware": environment.hardware()}
                for i, row in zip(some, rows, strict=True):
                    files.write_json(folder / f"{i}.json", row | made, indent=None)
                log.info(f"{name}, seed {seed}: {start + len(some)} of {len(open_)} networks")


def assemble(name: str) -> table.Table:
    """The table of what is trained; InputError where a network is missing."""
    protocol = protocol_of(name)
    data, codes = dataset(protocol), protocol.codes()
    rows = [
        [_row(place(name, protocol, data, seed) / f"{i}.json", name) for seed in protocol.seeds]
        for i in range(len(codes))
    ]
    keys = rows[0][0]["scores"][0]
    scores = {
        key: np.array([[[s[key] for s in r["scores"]] for r in row] for row in rows], np.float32)
        for key in keys
    }
    seconds = np.array([[r["seconds"] for r in row] for row in rows], np.float32)
    found = [r for row in rows for r in row]
    made = {
        "protocol": asdict(protocol),
        "data": data.name,
        "data_hash": data.hash,
        "commit": " ".join(sorted({r["commit"] for r in found})),
        "hardware": found[0]["hardware"],
        "scored_on": "validation windows",
        "not_in_pilot": [code not in pilot(protocol) for code in codes],
    }
    return table.Table(
        name, codes, protocol.seeds, protocol.steps, scores, costs(codes, protocol), seconds, made
    )


def keep(name: str) -> Path:
    """Write the table to the repository; its path."""
    return table.save(assemble(name))


def _row(path, name):
    if not path.is_file():
        raise InputError(f"table {name}: {path} is missing; go on with `make table-of-truth`.")
    return files.read_json(path)


def costs(codes: list[dict], protocol: Protocol) -> dict[str, np.ndarray]:
    """Parameters, multiply-accumulates and activation memory of one patch, of every network."""
    nets = [networks.build(DerivedSpec(protocol.channel_mul, c, head=protocol.head)) for c in codes]
    patch = protocol.patch
    return {
        "parameters": np.array([networks.count_parameters(net) for net in nets]),
        "macs": np.array([cost.multiply_accumulates(net, patch) for net in nets]),
        "activation_bytes": np.array([cost.activation_bytes(net, patch) for net in nets]),
    }
