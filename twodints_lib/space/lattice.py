"""The lattice of DiNTS in 2D: one module for the supernet and for every network derived from it.

Blocks stand in a row, resolutions 1, 1/2, 1/4 ... below each other. An edge (path) of a block goes
up, stays or goes down by one resolution: it resamples, then applies one or more operations. What
is summed in a node feeds the next block. The arithmetic is MONAI's DiNTS to the last digit
(tests/test_parity.py); what is evaluated twice there is evaluated once here.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from twodints_lib.errors import InputError
from twodints_lib.space.mixing import instance_norm, layout, mix
from twodints_lib.space.operations import OPERATIONS, TWO
from twodints_lib.space.specs import widths
from twodints_lib.space.topology import path_ends


def _conv(c_in, c_out, kernel, stride=1):
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)


def _resize(x, factor):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)


class Edge(nn.Module):
    """Resample, then operations: (B, C_in, H, W) to terms of (B, C_out, H', W') (MONAI Cell)."""

    def __init__(self, c_in: int, c_out: int, start: int, end: int, names):
        super().__init__()
        self.start, self.end = start, end
        if end < start:  # to the finer resolution
            self.conv = _conv(c_in, c_out, 1)
        elif end > start:  # two 1x1 convolutions with stride 2, on grids one pixel apart
            self.conv_1 = _conv(c_in, c_out // 2, 1)
            self.conv_2 = _conv(c_in, c_out - c_out // 2, 1)
        self.operations = nn.ModuleDict({name: OPERATIONS[name].build(c_out) for name in names})

    def resample(self, x, rectified) -> torch.Tensor:
        """The node's features at the resolution where the edge ends."""
        if self.end < self.start:
            return instance_norm(self.conv(F.relu_(_resize(x, 2))))
        if self.end > self.start:
            # As one 2x2 convolution: strided 1x1 ones in channels-last order crash oneDNN.
            kernels = [
                F.pad(self.conv_1.weight, (0, 1, 0, 1)),
                F.pad(self.conv_2.weight, (1, 0, 1, 0)),
            ]
            return instance_norm(F.conv2d(rectified, torch.cat(kernels), stride=2))
        return x

    def forward(self, x, rectified, keep) -> tuple[dict, dict]:
        """The kept operations' results by index: ({not yet normalised}, {as they are})."""
        x = self.resample(x, rectified)
        if self.end != self.start:
            rectified = None
        raw, plain = {}, {}
        for i, (name, operation) in enumerate(self.operations.items()):
            if not keep[i]:
                continue
            if name == "skip":
                plain[i] = x
                continue
            if rectified is None:
                rectified = F.relu(x)
            raw[i] = operation(rectified)
        return raw, plain


class Block(nn.ModuleDict):
    """The edges between two columns of nodes, by path number."""

    def forward(self, nodes: list, weight, keep) -> list[torch.Tensor | None]:
        """`nodes`: one (B, C, H, W) or None a resolution; `weight` (P, O) or None: all ones."""
        rectified = [None if x is None else F.relu(x) for x in nodes]
        terms = [([], []) for _ in nodes]  # of each node produced: [(path, operation, features)]
        for path, edge in self.items():
            kept = [True] * len(edge.operations) if keep is None else keep[int(path)]
            if nodes[edge.start] is None or not any(kept):
                continue
            found = edge(nodes[edge.start], rectified[edge.start], kept)
            for some, known in zip(found, terms[edge.end], strict=True):
                known += [(int(path), i, x) for i, x in some.items()]
        # Taken apart by unbind, not by lists of indices, which a GPU would have to wait for.
        weight = None if weight is None else [row.unbind() for row in weight.unbind()]
        return [_sum_up(raw, plain, weight) for raw, plain in terms]


def _sum_up(raw, plain, weight):
    if not raw and not plain:
        return None
    if weight is not None:
        weight = [weight[path][i] for path, i, _ in (*raw, *plain)]
    return mix([t[2] for t in raw], [t[2] for t in plain], weight)


class Stem(nn.Module):
    """The image at one resolution, convolved and normalised (MONAI DiNTS, stem_down)."""

    def __init__(self, depth: int, channels: list[int], downsample: bool):
        super().__init__()
        self.factor = 2.0**-depth
        self.conv = _conv(3, channels[depth], 3)
        self.strided = _conv(channels[depth], channels[depth + 1], 3, 2) if downsample else None

    def forward(self, image) -> torch.Tensor:
        """(B, 3, H, W) to the features of this stem's node."""
        x = image if self.factor == 1 else _resize(image, self.factor)
        x = instance_norm(self.conv(x))
        return x if self.strided is None else instance_norm(self.strided(F.relu(x)))


class Merge(nn.Module):
    """Two columns of the decoder's way up: convolve, normalise, enlarge (MONAI, stem_up)."""

    def __init__(self, depth: int, channels: list[int], downsample: bool):
        super().__init__()
        self.enlarge = downsample or depth > 0
        above = channels[depth] if downsample else channels[max(depth - 1, 0)]
        self.conv = _conv(channels[depth + downsample], above, 3)

    def forward(self, x) -> torch.Tensor:
        """The features of a node to those of the next finer one."""
        x = instance_norm(self.conv(F.relu(x)))
        return _resize(x, 2) if self.enlarge else x


class Lattice(nn.Module):
    """A network over the lattice: (B, 3, H, W) to logits (B, C_out, H, W).

    `edges` has a dict for each block: path number to the names of its operations. Only what they
    reach is built: a derived network holds no dead weights (MONAI keeps unused stems).
    """

    def __init__(
        self,
        edges: list[dict[int, tuple[str, ...]]],
        channel_mul: float,
        num_depths: int,
        out_channels: int = 3,
        downsample: bool = False,
    ):
        super().__init__()
        start, end = (x.tolist() for x in path_ends(num_depths))
        self.sizes = {"channel_mul": channel_mul, "num_depths": num_depths}
        self.sizes |= {"out_channels": out_channels, "downsample": downsample}
        channels = widths(channel_mul, num_depths, downsample)
        at = channels[1:] if downsample else channels
        self.num_depths, self.checkpointing = num_depths, False
        self.blocks = nn.ModuleList(
            Block(
                {
                    str(p): Edge(at[start[p]], at[end[p]], start[p], end[p], names)
                    for p, names in sorted(block.items())
                }
            )
            for block in edges
        )
        first, last = {start[p] for p in edges[0]}, {end[p] for p in edges[-1]}
        self.stems = nn.ModuleDict({str(d): Stem(d, channels, downsample) for d in sorted(first)})
        self.merges = nn.ModuleDict(
            {str(d): Merge(d, channels, downsample) for d in range(max(last) + 1)}
        )
        self.final = _conv(channels[0], channels[0], 3)
        self.head = nn.Conv2d(channels[0], out_channels, 1)

    def forward(self, image, weights=None, keep=None) -> torch.Tensor:
        """Logits with edge and operation weights (blocks, P, O), a supernet's; None: all ones.

        `keep`, a boolean array of the same shape, names the operations to evaluate; the others
        count as zero and cost nothing.
        """
        depths, image = range(self.num_depths), layout(image)
        nodes = [self.stems[str(d)](image) if str(d) in self.stems else None for d in depths]
        for b, block in enumerate(self.blocks):
            kept = None if keep is None else keep[b]
            of_block = (nodes, None if weights is None else weights[b], kept)
            if self.checkpointing and torch.is_grad_enabled():
                nodes = checkpoint(block, *of_block, use_reentrant=False)
            else:
                nodes = block(*of_block)
        merged = None
        for d in reversed(depths):
            x = nodes[d] if merged is None or nodes[d] is None else nodes[d] + merged
            x = merged if x is None else x
            if x is not None:
                merged = self.merges[str(d)](x)
        return self.head(instance_norm(self.final(F.relu(merged))))


class Supernet(Lattice):
    """Every path and every operation at once, weighed by architecture parameters (MONAI DiNTS).

    `log_alpha_a` (B, P): a sigmoid each, the chance that a path is on. `log_alpha_c` (B, P, O): a
    softmax over the operations of a path. Initialised as MONAI's: N(0, 0.01) and N(1, 0.01).
    """

    def __init__(self, channel_mul: float, num_blocks: int, num_depths: int, names=TWO, **options):
        paths = 3 * num_depths - 2
        edges = [dict.fromkeys(range(paths), tuple(names)) for _ in range(num_blocks)]
        super().__init__(edges, channel_mul, num_depths, **options)
        self.names = tuple(names)
        self.log_alpha_a = nn.Parameter(torch.randn(num_blocks, paths) * 0.01)
        self.log_alpha_c = nn.Parameter(torch.randn(num_blocks, paths, len(names)) * 0.01 + 1)
        self.keep = None  # boolean (B, P, O): evaluate these alone, see only()

    def path_probabilities(self) -> torch.Tensor:
        """P(path on), given that its block has at least one on; (B, P), differentiable."""
        return self._log_path_probabilities().exp()

    def _log_path_probabilities(self):
        """Without a division of zeros, whatever the logits."""
        logits = self.log_alpha_a
        off = F.logsigmoid(-logits).sum(-1, keepdim=True)  # the logarithm of P(none on)
        some = torch.log((-torch.expm1(off)).clamp_min(1e-18))
        unlikely = logits.amax(-1, keepdim=True) < -40  # then no two are on at once
        return torch.where(unlikely, logits.log_softmax(-1), F.logsigmoid(logits) - some)

    def log_mixture(self) -> torch.Tensor:
        """Logarithm of each operation's weight in the sum that reaches a node, (B, P, O)."""
        return self._log_path_probabilities()[..., None] + self.log_alpha_c.log_softmax(-1)

    def mask(self, code: dict) -> np.ndarray:
        """(B, P, O) bool: what a code takes of this supernet; InputError where it is not its."""
        names, shape = code.get("names", TWO), np.shape(code["paths"])
        if shape != self.log_alpha_a.shape or not set(names) <= set(self.names):
            raise InputError(
                f"code: its paths {shape} and operations {list(names)} are not those of this "
                f"supernet, {tuple(self.log_alpha_a.shape)} and {list(self.names)}; decode its own."
            )
        place = np.array([self.names.index(name) for name in names])
        chosen = np.eye(len(self.names), dtype=bool)[place[np.array(code["operations"])]]
        return chosen & np.array(code["paths"], bool)[..., None]

    def only(self, code: dict | None) -> None:
        """Evaluate the one network of a code from now on; None: the whole mixture again.

        Its edges then count fully, as in the derived network, and still pass a gradient to the
        alphas: that of the logarithm of their weight (straight through).
        """
        self.keep = None if code is None else self.mask(code)

    def forward(self, image) -> torch.Tensor:
        """Logits of the weighed sum of all networks of the space, or of the one kept."""
        weight = self.log_mixture()
        if self.keep is not None:
            weight = weight - weight.detach()
        return super().forward(image, weight.exp(), self.keep)
