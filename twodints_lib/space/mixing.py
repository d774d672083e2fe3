"""Instance norm and the weighed sum that enters a node, written for a CPU's caches.

A node adds up normalised convolutions and plain (skip) features, each times a weight of the
search. Stock PyTorch walks through memory for the norm, for each product and for each sum, forward
and backward. Here the weight rides along in the norm's affine scale, sums go in place, and images
stay in channels-last order, in which oneDNN's convolutions and PyTorch's bilinear resizing are
markedly faster (`make bench`). Elsewhere (GPU, half precision, compiling) PyTorch's own functions
do the same, the weight again in the norm's scale, and nothing waits for the device.
"""

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

LAST = torch.channels_last
EPS = 1e-5
_norm, _norm_backward = torch.native_batch_norm, torch.ops.aten.native_batch_norm_backward


def _fast(x) -> bool:
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # compiling, or exporting
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and not traced


def layout(x: torch.Tensor) -> torch.Tensor:
    """The memory order in which the network is fastest on this device; values do not change."""
    return x.contiguous(memory_format=LAST) if _fast(x) else x


def instance_norm(x: torch.Tensor) -> torch.Tensor:
    """Each channel of each image to mean 0 and variance 1 (no affine weights); (B, C, H, W)."""
    return _Mix.apply(None, 1, x) if _fast(x) else F.instance_norm(x)


def mix(raw: list, plain: list, weight=None) -> torch.Tensor:
    """Sum of weight * instance_norm(raw) and weight * plain terms, each (B, C, H, W).

    `weight`: len(raw) + len(plain) scalars, in that order; None: all ones.
    """
    terms = [*raw, *plain]
    if _fast(terms[0]):
        weight = None if weight is None else torch.stack(list(weight))
        return _Mix.apply(weight, len(raw), *terms)
    if weight is None:
        terms = [F.instance_norm(y) for y in raw] + list(plain)
    else:
        scales = [w.expand(y.shape[1]) for w, y in zip(weight, raw, strict=False)]
        terms = [F.instance_norm(y, weight=s) for y, s in zip(raw, scales, strict=True)]
        terms += [w.to(x.dtype) * x for w, x in zip(weight[len(raw) :], plain, strict=True)]
    return sum(terms[1:], terms[0])


def _thin(x) -> bool:
    """Fewer channels than fill a vector register: there the plain order is faster for norms."""
    return x.shape[1] < 16


def _per_image(x):
    """Views in which batch norm is instance norm: one image each, channels last, or all channels
    of all images in the plain order."""
    if _thin(x):
        return [x.contiguous().view(1, -1, *x.shape[2:])]
    return [x[i : i + 1] for i in range(len(x))]


class _Mix(torch.autograd.Function):
    """See mix(); on a CPU, channels last."""

    @staticmethod
    def forward(ctx, weight, normed, *terms):
        terms = [layout(x) for x in terms]
        scales = [1.0] * len(terms) if weight is None else weight.tolist()
        out, statistics = None, []
        for y, scale in zip(terms[:normed], scales, strict=False):
            views, kept, found = _per_image(y), [], torch.empty_like(y)
            affine = y.new_full((views[0].shape[1],), scale)
            for i, part in enumerate(views):
                to = torch.empty_like(part) if _thin(y) else found[i : i + 1]
                stats = y.new_empty((2, part.shape[1]))
                _norm(part, affine, None, None, None, True, 0.0, EPS, out=(to, stats[0], stats[1]))
                kept.append(stats)
            statistics.append(kept)
            found = to.view(y.shape) if _thin(y) else found
            out = layout(found) if out is None else out.add_(found)
        for x, scale in zip(terms[normed:], scales[normed:], strict=True):
            out = x * scale if out is None else out.add_(x, alpha=scale)
        ctx.save_for_backward(*terms)
        ctx.scales, ctx.statistics, ctx.weighed = scales, statistics, weight is not None
        return out

    @staticmethod
    @once_differentiable  # what is computed here by hand has no derivative of its own
    def backward(ctx, grad):
        terms, normed = ctx.saved_tensors, len(ctx.statistics)
        grad = layout(grad)
        grad_views = _per_image(grad)
        grads, weights = [], []
        for y, scale, kept in zip(terms[:normed], ctx.scales, ctx.statistics, strict=False):
            views, parts, of_scale = _per_image(y), [], []
            affine = y.new_full((views[0].shape[1],), scale)
            for part, g, (mean, rstd) in zip(views, grad_views, kept, strict=True):
                found = (g, part, affine, None, None, mean, rstd, True, EPS)
                part, found, _ = _norm_backward(*found, [True, ctx.weighed, False])
                parts.append(part)
                of_scale.append(found)
            grads.append(layout(parts[0].view(y.shape) if _thin(y) else torch.cat(parts)))
            if ctx.weighed:
                weights.append(torch.cat(of_scale).sum())
        flat = grad.permute(0, 2, 3, 1).reshape(-1)
        for x, scale in zip(terms[normed:], ctx.scales[normed:], strict=True):
            grads.append(grad if scale == 1.0 else grad * scale)
            if ctx.weighed:
                weights.append(flat @ x.permute(0, 2, 3, 1).reshape(-1))
        return torch.stack(weights) if ctx.weighed else None, None, *grads
