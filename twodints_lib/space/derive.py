"""From a searched supernet to one network: copy its weights, export it as a plain module."""

from pathlib import Path

import torch

from twodints_lib.files import whole_file
from twodints_lib.space import topology
from twodints_lib.space.lattice import Lattice, Supernet


def inherit(supernet: Supernet, code: dict) -> Lattice:
    """The network of a code with the weights, the sizes and the head that it has in the supernet.

    Its paths are summed without the alphas' weights, as MONAI's TopologyInstance does: what the
    supernet had learned to weigh, it now adds up plainly. That is the discretisation gap.
    InputError where the code is none of this supernet's.
    """
    supernet.mask(code)
    net = Lattice(topology.edges(code), **supernet.sizes).to(supernet.log_alpha_a.device)
    found = supernet.state_dict()
    net.load_state_dict({name: found[name] for name in net.state_dict()})
    return net


def export(net: Lattice, path: Path, patch: int) -> torch.export.ExportedProgram:
    """Write a derived network as one plain module (torch.export), for any batch size.

    Read it with torch.export.load(path).module(); no code of this library is needed then.
    """
    example = torch.zeros(2, 3, patch, patch, device=next(net.parameters()).device)
    batch = {0: torch.export.Dim("batch", min=1)}
    with torch.no_grad():
        program = torch.export.export(net.eval(), (example,), dynamic_shapes=(batch,))
    with whole_file(path) as made:
        torch.export.save(program, made)
    return program


def describe(code: dict) -> list[str]:
    """One line a block: the operation of each path that is on, a dot where it is off."""
    rows = zip(topology.edges(code), code["paths"], strict=True)
    return [
        " ".join(edges[p][0] if p in edges else "·" for p in range(len(on))) for edges, on in rows
    ]
