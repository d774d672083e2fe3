"""Weights to and from MONAI's DiNTS: the same tensors under other names."""

import re

from twodints_lib.errors import InputError
from twodints_lib.space.lattice import Lattice, Supernet


def monai_name(net: Lattice, name: str) -> str:
    """What MONAI's DiNTS (TopologySearch or TopologyInstance inside) calls a parameter of ours."""
    if name.startswith("log_alpha"):
        return f"dints_space.{name}"
    if edge := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(conv\w*)\.weight", name):
        return "dints_space.cell_tree.({}, {}).preprocess.{}.weight".format(*edge.groups())
    if edge := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.operations\.(.+)\.weight", name):
        block, path, operation = edge.groups()
        index = net.names.index(operation) if isinstance(net, Supernet) else 0
        return f"dints_space.cell_tree.({block}, {path}).op.ops.{index}.conv.weight"
    if stem := re.fullmatch(r"stems\.(\d+)\.(conv|strided)\.weight", name):
        return f"stem_down.{stem[1]}.mod.{1 if stem[2] == 'conv' else 4}.weight"
    if merge := re.fullmatch(r"merges\.(\d+)\.conv\.weight", name):
        return f"stem_up.{merge[1]}.mod.1.weight"
    known = {
        "final.weight": "stem_finals.0.conv.weight",
        "head.weight": "stem_finals.1.weight",
        "head.bias": "stem_finals.1.bias",
    }
    if name not in known:
        raise InputError(
            f"{name}: MONAI's DiNTS has no such parameter; its operations are one conv."
        )
    return known[name]


def to_monai(net: Lattice) -> dict:
    """Our weights under MONAI's names. A derived network lacks MONAI's dead stems: strict=False."""
    return {monai_name(net, name): value for name, value in net.state_dict().items()}


def from_monai(net: Lattice, state: dict):
    """Load a state dict of MONAI's DiNTS into `net`; weights that we do not build are left out."""
    names = {name: monai_name(net, name) for name in net.state_dict()}
    missing = sorted(theirs for theirs in names.values() if theirs not in state)
    if missing:
        raise InputError(f"state dict: {missing[0]} is missing; take that of the same space.")
    net.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})
