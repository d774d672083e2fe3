"""`make bench-gpu`: the search step on a GPU against stock MONAI, in every way that may be faster.

2 operations, mul 1.0, 8 blocks, 256 px, batch 8; forward, backward and AdamW. Repeats are
interleaved. What each way costs in memory, and whether a step makes the host wait for the GPU, is
written beside its time. Writes records/bench-gpu.json; without a GPU there is nothing to measure.
"""

import sys
import time

import monai_weights
import torch
from monai.losses import DiceCELoss
from search import medians, monai

from twodints_lib import files
from twodints_lib.runs import environment
from twodints_lib.space import networks

SECONDS = 240  # of first steps: compiling takes minutes, and ways that come later are left out
SIZE = {"channel_mul": 1.0, "num_blocks": 8, "num_depths": 4}
# name: precision, channels-last, how it is compiled (graphs: CUDA graphs of compiled code)
WAYS = {
    "monai, float32": ("float32", False, None),
    "monai, bfloat16": ("bfloat16", False, None),
    "ours, float32": ("float32", False, None),
    "ours, bfloat16": ("bfloat16", False, None),
    "ours, bfloat16, channels-last": ("bfloat16", True, None),
    "ours, bfloat16, compiled": ("bfloat16", False, "default"),
    "ours, bfloat16, compiled, channels-last": ("bfloat16", True, "default"),
    "ours, bfloat16, compiled, graphs": ("bfloat16", False, "reduce-overhead"),
}


def step_of(net, way, where: str, patch: int, batch: int):
    """A function that makes one step with a network, its loss returned, not read."""
    precision, last, mode = way
    order = torch.channels_last if last else torch.contiguous_format
    net.to(where, memory_format=order)
    if mode:
        net.compile(mode=mode, dynamic=False)
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-4)
    image = torch.rand(batch, 3, patch, patch).to(where, memory_format=order)
    target = torch.randint(0, 3, (batch, 1, patch, patch)).to(where)

    def step():
        optimiser.zero_grad()
        low = precision != "float32"
        with torch.autocast(where, getattr(torch, precision), enabled=low):
            logits = net(image)
        loss = loss_of(logits.float(), target)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def waits(step) -> bool:
    """Whether a step reads something back from the GPU before it is done."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError:
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def measure(where: str, size: dict, patch: int, batch: int, ways: dict, repeats: int) -> dict:
    """Median seconds of a step by each way and, on a GPU, its memory and whether it waits."""
    steps, found, begun = {}, {}, time.perf_counter()
    start = monai(**size).state_dict()
    for name, way in ways.items():
        if time.perf_counter() - begun > SECONDS:
            print(f"{name}: left out, {SECONDS} seconds are over", flush=True)
            continue
        net = monai(**size) if name.startswith("monai") else networks.supernet(**size)
        if isinstance(net, networks.Supernet):
            monai_weights.from_monai(net, start)
        else:
            net.load_state_dict(start)
        torch.manual_seed(0)
        steps[name] = step_of(net, way, where, patch, batch)
        if where == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        found[name] = {"loss": float(steps[name]())}  # of the first step: all must agree
        if where == "cuda":
            added = torch.cuda.max_memory_allocated() - before
            found[name] |= {"added_gib": added / 2**30, "waits": waits(steps[name])}
        print(name, found[name], flush=True)
    seconds = medians({name: lambda s=step: float(s()) for name, step in steps.items()}, repeats)
    for name, value in seconds.items():  # reading the loss waits until the step is done
        found[name]["seconds"] = value
    return found


def main() -> int:
    """Measure, compare and write the record; 2 without a GPU."""
    if not torch.cuda.is_available():
        print("bench-gpu: PyTorch finds no CUDA GPU here; run it where one is.", file=sys.stderr)
        return 2
    found = measure("cuda", SIZE, 256, 8, WAYS, 9)
    ours = {name: f["seconds"] for name, f in found.items() if name.startswith("ours")}
    best = min(ours, key=ours.get)
    ratios = {n: found[n]["seconds"] / ours[best] for n in ("monai, float32", "monai, bfloat16")}
    print(f"fastest: {best}", {f"over {name}": round(r, 2) for name, r in ratios.items()})
    where = environment.origin()
    where |= {"size": SIZE | {"patch": 256, "batch": 8}, "fastest": best, "ratios": ratios}
    print(files.write_json(files.ROOT / "records" / "bench-gpu.json", where | {"ways": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
