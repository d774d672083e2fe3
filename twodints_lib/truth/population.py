"""Many networks of one lattice, trained side by side as one grouped network.

The networks of a small space are too small to keep a processor busy one at a time. Here N of them
lie next to each other in the channels, (B, N * C, H, W): every convolution has N groups, a path
that a network lacks is multiplied by zero. Each keeps its own weights, gradients and optimiser
state, so that it learns what it would learn alone (tests/test_truth.py holds both side by side).
"""

import torch
import torch.nn.functional as F
from torch import nn

from twodints_lib.space import networks, topology
from twodints_lib.space.specs import DerivedSpec


class Population(nn.Module):
    """The networks of N specs: images (B, 3, H, W) to logits (N, B, C_out, H, W).

    The specs share their width, head, depth and blocks, all with 3x3 on every path. Each starts
    from the weights that `networks.build` draws for it after `torch.manual_seed(seed)`.
    """

    def __init__(self, specs: list[DerivedSpec], seed: int):
        super().__init__()
        self.specs, self.num_depths = specs, specs[0].num_depths
        on = torch.tensor([spec.code["paths"] for spec in specs], dtype=torch.float32)
        self.register_buffer("on", on)  # (N, blocks, P)
        self.shared = (on == 1).all(0).tolist()  # paths that all have need no product
        self.weights = nn.ParameterDict()
        for number, spec in enumerate(specs):
            torch.manual_seed(seed)
            for name, value in networks.build(spec).state_dict().items():
                name = name.replace(".", "/")
                if name not in self.weights:
                    self.weights[name] = nn.Parameter(torch.zeros(len(specs), *value.shape))
                self.weights[name].data[number] = value

    def network(self, number: int) -> nn.Module:
        """One of them as the module that it is alone."""
        net = networks.build(self.specs[number])
        own = {k: self.weights[k.replace(".", "/")][number] for k in net.state_dict()}
        net.load_state_dict(own)
        return net

    def forward(self, image) -> torch.Tensor:
        """What all the networks draw of the same images."""
        depths = range(self.num_depths)
        nodes = [self._stem(d, image) for d in depths]
        for block in range(self.on.shape[1]):
            nodes = self._block(block, nodes)
        merged = None
        for d in reversed(depths):
            x = nodes[d] if merged is None or nodes[d] is None else nodes[d] + merged
            x = merged if x is None else x
            if x is not None:
                merged = _norm(self._conv(f"merges/{d}/conv/weight", F.relu(x)))
                merged = merged if d == 0 else _resize(merged, 2)
        x = _norm(self._conv("final/weight", F.relu(merged)))
        logits = self._conv("head/weight", x).unflatten(1, (len(self.specs), -1))
        return (logits + self.weights["head/bias"][..., None, None]).transpose(0, 1)

    def _conv(self, name, x):
        weight = self.weights[name]
        pad = weight.shape[-1] // 2
        return F.conv2d(x, weight.flatten(0, 1), padding=pad, groups=len(self.specs))

    def _halve(self, name, x):
        """Two strided 1x1 convolutions on grids one pixel apart, as one of 2x2 (lattice.Edge)."""
        one, two = self.weights[name + "conv_1/weight"], self.weights[name + "conv_2/weight"]
        kernels = torch.cat([F.pad(one, (0, 1, 0, 1)), F.pad(two, (1, 0, 1, 0))], 1)
        return F.conv2d(x, kernels.flatten(0, 1), stride=2, groups=len(self.specs))

    def _stem(self, depth, image):
        name = f"stems/{depth}/conv/weight"
        if name not in self.weights:
            return None
        x = image if depth == 0 else _resize(image, 2.0**-depth)
        return _norm(F.conv2d(x, self.weights[name].flatten(0, 1), padding=1))

    def _block(self, block, nodes):
        start, end = (x.tolist() for x in topology.path_ends(self.num_depths))
        rectified = [None if x is None else F.relu(x) for x in nodes]
        sums = [None] * self.num_depths
        for path, (a, b) in enumerate(zip(start, end, strict=True)):
            name = f"blocks/{block}/{path}/"
            if name + "operations/3x3/weight" not in self.weights:
                continue
            x = rectified[a]
            if b < a:
                x = F.relu(_norm(self._conv(name + "conv/weight", F.relu(_resize(nodes[a], 2)))))
            elif b > a:
                x = F.relu(_norm(self._halve(name, x)))
            x = _norm(self._conv(name + "operations/3x3/weight", x))
            if not self.shared[block][path]:
                own = self.on[:, block, path, None, None, None]
                x = (x.unflatten(1, (len(own), -1)) * own).flatten(1, 2)
            sums[b] = x if sums[b] is None else sums[b] + x
        return sums


def _norm(x):
    return F.instance_norm(x)


def _resize(x, factor):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)
