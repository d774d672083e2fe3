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
        nodes = [
            self._stem(d, image) if f"stems/{d}/conv/weight" in self.weights else None
            for d in depths
        ]
        for block in range(self.on.shape[1]):
            nodes = self._block(block, nodes)
        merged = None
        for d in reversed(depths):
            x = nodes[d] if merged is None or nodes[d] is None else nodes[d] + merged
            x = merged if x is None else x
            if x is not None:
                merged = self._conv(f"merges/{d}/conv/weight", F.relu(x))
                merged = _norm(merged)
                merged = merged if d == 0 else _resize(merged, 2)
        x = _norm(self._conv("final/weight", F.relu(merged)))
        logits = self._conv("head/weight", x)
        logits = (
            logits.unflatten(1, (len(self.specs), -1))
            + self.weights["head/bias"][None, :, :, None, None]
        )
        return logits.transpose(0, 1)

    def _conv(self, name, x, weight=None, stride=1):
        weight = self.weights[name] if weight is None else weight
        size = weight.shape[-1]
        padding = size // 2 if stride == 1 else 0
        return F.conv2d(
            x, weight.flatten(0, 1), stride=stride, padding=padding, groups=len(self.specs)
        )

    def _stem(self, depth, image):
        x = image if depth == 0 else _resize(image, 2.0**-depth)
        return _norm(
            F.conv2d(x, self.weights[f"stems/{depth}/conv/weight"].flatten(0, 1), padding=1)
        )

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
                kernels = [
                    F.pad(self.weights[name + "conv_1/weight"], (0, 1, 0, 1)),
                    F.pad(self.weights[name + "conv_2/weight"], (1, 0, 1, 0)),
                ]
                x = F.relu(_norm(self._conv("", x, torch.cat(kernels, 1), stride=2)))
            x = _norm(self._conv(name + "operations/3x3/weight", x))
            some = self.on[:, block, path]
            if not bool((some == 1).all()):
                x = (x.unflatten(1, (len(some), -1)) * some[None, :, None, None, None]).flatten(
                    1, 2
                )
            sums[b] = x if sums[b] is None else sums[b] + x
        return sums


def _norm(x):
    return F.instance_norm(x)


def _resize(x, factor):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)
