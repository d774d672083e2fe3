"""`make bench`: our search against stock MONAI in the same process, as ratios of medians.

Repeats are interleaved, so that a slow spell of the machine hits both sides. Peak memory is
measured in a process of its own for each variant. Writes records/bench-search.json.
"""

import contextlib
import io
import json
import subprocess
import sys
import time
from functools import partial

import monai_weights
import numpy as np
import torch
import torch.nn.functional as F
from measuring import high_water
from monai.losses import DiceCELoss
from monai.networks.nets.dints import DiNTS, TopologySearch

from twodints_lib import files
from twodints_lib.runs import environment
from twodints_lib.space import budget, cost, cost_tables, networks, objective, operations, topology
from twodints_lib.space.lattice import Edge

COMMON = {"spatial_dims": 2, "use_downsample": False, "norm_name": "INSTANCE"}
SIZE = {"channel_mul": 0.5, "num_blocks": 8, "num_depths": 4}


def monai(channel_mul, num_blocks, num_depths):
    """Stock MONAI's supernet of the same space."""
    sizes = {"channel_mul": channel_mul, "num_blocks": num_blocks, "num_depths": num_depths}
    with contextlib.redirect_stdout(io.StringIO()):
        return DiNTS(TopologySearch(**sizes, **COMMON), 3, 3, **COMMON)


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def medians(calls: dict, repeats: int) -> dict:
    """Median seconds of each call, one after the other in turn, the first round left out."""
    found = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            found[name].append(seconds(call))
    return {name: float(np.median(values[1:])) for name, values in found.items()}


def training_step(net, patch=128, batch=2):
    """A function that makes one step: forward, backward, AdamW."""
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-4)
    image, target = (
        torch.rand(batch, 3, patch, patch),
        torch.randint(0, 3, (batch, 1, patch, patch)),
    )

    def step():
        optimiser.zero_grad()
        loss_of(net(image), target).backward()
        optimiser.step()

    return step


def convolutions_alone(net, patch=128, batch=2):
    """A function that runs every convolution of a network, forward and backward, and no more."""
    calls = []
    modules = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda m, x, y: calls.append((m, x[0]))) for m in modules]
    with torch.no_grad():
        net(torch.rand(batch, 3, patch, patch))
    for hook in hooks:
        hook.remove()
    data = [(m, torch.randn(x.shape, requires_grad=True)) for m, x in calls]
    grads = [torch.randn_like(m(x)) for m, x in data]

    def run():
        for (m, x), g in zip(data, grads, strict=True):
            torch.autograd.grad(m(x), [x, m.weight], g)

    return run


def step_times() -> dict:
    """The search step, 2 operations, mul 0.5, 8 blocks, 128 px, batch 2, fp32."""
    theirs, ours = monai(**SIZE), networks.supernet(**SIZE)
    monai_weights.from_monai(ours, theirs.state_dict())
    calls = {"monai": training_step(theirs), "ours": training_step(ours)}
    calls |= {"convolutions alone": convolutions_alone(theirs)}
    found = medians(calls, 9)
    ratios = {
        "times faster than MONAI": found["monai"] / found["ours"],
        "over its convolutions alone": found["ours"] / found["convolutions alone"],
        "MONAI over its convolutions alone": found["monai"] / found["convolutions alone"],
    }
    return {"seconds": found, "ratios": ratios}


def topology_times() -> dict:
    """The topology loss, depth 4, 12 blocks, forward and backward."""
    theirs = monai(1 / 32, 12, 4).dints_space

    def stock():
        theirs.get_topology_entropy(theirs.get_prob_a(child=True)[0]).backward()

    def ours():
        objective.topology_loss(objective.subset_probabilities(theirs.log_alpha_a)).backward()

    found = medians({"monai": stock, "ours": ours}, 15)
    return {"seconds": found, "ratios": {"times faster than MONAI": found["monai"] / found["ours"]}}


def decode_times() -> dict:
    """Decode, depth 4, 12 blocks; memory in a process of its own."""
    theirs = monai(1 / 32, 12, 4).dints_space
    alphas = theirs.log_alpha_a.detach(), theirs.log_alpha_c.detach()
    topology.decode(*alphas)
    ours = float(np.median([seconds(lambda: topology.decode(*alphas)) for _ in range(20)]))
    stock = seconds(theirs.decode)
    memory = {name: peak(f"decode {name}") for name in ("monai", "ours")}
    times = {"monai": stock, "ours": ours}
    return {"seconds": times, "added_mib": memory, "ratios": {"times faster": stock / ours}}


def budget_times() -> dict:
    """Decode under a budget, depth 4, 12 blocks, 2 and 6 operations: median and longest time over
    costs, shares and random alphas."""
    found = {}
    for names in (operations.TWO, operations.SIX):
        times = []
        for kind in cost_tables.COSTS:
            table = cost_tables.cost_table(kind, 12, 4, names, channel_mul=0.5)
            for seed in range(4):
                rng = np.random.default_rng(seed)
                alphas = rng.normal(size=(12, 10)), rng.normal(size=(12, 10, len(names)))
                for share in (0.15, 0.3, 0.5):
                    call = partial(budget.decode_within, *alphas, share, table)
                    times.append(min(seconds(call) for _ in range(5)))
        spread = {"median": float(np.median(times)), "longest": max(times)}
        found[f"{len(names)} operations"] = spread
    return {"seconds": found, "ratios": {}}


def six_operations() -> dict:
    """Peak memory of one training step, 6 operations, mul 0.5, 8 blocks, 128 px, batch 2."""
    variants = ("monai's way", "ours", "ours, checkpointed")
    memory = {name: peak(f"six {name}") for name in variants}
    net = networks.supernet(**SIZE, names=operations.SIX)
    checkpointed = networks.supernet(**SIZE, names=operations.SIX)
    checkpointed.checkpointing = True
    times = medians({"ours": training_step(net), "checkpointed": training_step(checkpointed)}, 3)
    ratio = memory["monai's way"] / memory["ours, checkpointed"]
    return {"added_mib": memory, "seconds": times, "ratios": {"times less memory": ratio}}


def monais_way(edge, x, rectified, keep):
    """An edge as MONAI writes its own: a ReLU, a convolution and a norm for every operation."""
    x = edge.resample(x, rectified)
    found = [
        x if name == "skip" else F.instance_norm(operation(F.relu(x)))
        for name, operation in edge.operations.items()
    ]
    return {}, dict(enumerate(found))


def peak(what: str) -> float:
    """MiB that a variant adds to a fresh process at its peak."""
    command = [sys.executable, __file__, "--peak", what]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def measure_peak(what: str):
    """Run one variant in this process and print the memory that it added, in MiB."""
    kind, _, name = what.partition(" ")
    if kind == "decode":
        net = monai(1 / 32, 12, 4).dints_space
        alphas = net.log_alpha_a.detach(), net.log_alpha_c.detach()
        topology.decode(np.zeros((1, 10)), np.zeros((1, 10, 2)))  # the tables of the space
        call = net.decode if name == "monai" else lambda: topology.decode(*alphas)
    else:
        if name == "monai's way":
            Edge.forward = monais_way
        net = networks.supernet(**SIZE, names=operations.SIX)
        net.checkpointing = name == "ours, checkpointed"
        small = training_step(net, 16, 1)  # optimiser state and gradients are not what is asked
        small()
        call = training_step(net)
    before = high_water()
    call()
    print((high_water() - before) / 1024)


def memory_model() -> list[dict]:
    """Estimated and measured activation memory of random derived networks (mul 0.25, 128 px)."""
    rows = []
    for seed in range(24):
        code = topology.random_code(6, 4, seed)
        net = networks.derived_network(code, 0.25)
        rows.append(
            {
                "estimated_mib": cost.estimated_bytes(code, 0.25, 128) / 2**20,
                "measured_mib": cost.activation_bytes(net, 128) / 2**20,
                "macs": cost.multiply_accumulates(net, 128),
                "parameters": networks.count_parameters(net),
                "seconds": cost.seconds_per_image(net, 128, 3),
            }
        )
    return rows


def main():
    """Measure everything and write the record."""
    torch.manual_seed(0)
    found = {}
    for name, part in {
        "search step": step_times,
        "topology loss": topology_times,
        "decode": decode_times,
        "decode under a budget": budget_times,
        "six operations": six_operations,
    }.items():
        found[name] = part()
        print(name, {k: round(v, 2) for k, v in found[name]["ratios"].items()}, flush=True)
    found["memory model"] = memory_model()
    where = environment.origin()
    where |= {"threads": torch.get_num_threads()}
    print(files.write_json(files.ROOT / "records" / "bench-search.json", where | found))


if __name__ == "__main__":
    measure_peak(sys.argv[2]) if "--peak" in sys.argv else main()
