"""The networks: the paper's baselines, built by MONAI, and those of the DiNTS lattice.

A network is described by a spec, a plain dict that JSON can hold, for example
{"kind": "unet"}, {"kind": "segresnet", "upsample": "deconv"} or
{"kind": "supernet", "channel_mul": 0.5, "num_blocks": 8, "num_depths": 4} or
{"kind": "derived", "channel_mul": 0.5, "code": a code of topology.py}.
Every network maps (B, 3, H, W) to logits (B, 3, H, W): background, interior, boundary.
"""

from monai.networks.nets import SegResNet, UNet
from torch import nn

from twodints_lib.errors import InputError
from twodints_lib.space import operations, topology
from twodints_lib.space.lattice import Lattice, Supernet

CHANNELS, CLASSES = 3, 3
# What a network draws, and the channels of its last layer: the rest of it does not care.
HEADS = {"3-class": CLASSES, "distance": 2, "flow": 3, "ladder": 7}
UPSAMPLERS = ("nontrainable", "deconv", "pixelshuffle")


def unet(classes: int = CLASSES) -> nn.Module:
    """The challenge baseline's U-Net, 1,626,072 parameters (paper, Table 3; MONAI UNet)."""
    return UNet(
        spatial_dims=2,
        in_channels=CHANNELS,
        out_channels=classes,
        channels=(16, 32, 64, 128, 256),
        strides=(2, 2, 2, 2),
        num_res_units=2,
    )


def segresnet(upsample: str = "deconv", classes: int = CLASSES) -> nn.Module:
    """SegResNet with one of three upsampling modes (paper, Table 3; MONAI SegResNet)."""
    if upsample not in UPSAMPLERS:
        raise InputError(f"upsample={upsample!r} is not known; take one of {UPSAMPLERS}.")
    return SegResNet(
        spatial_dims=2, in_channels=CHANNELS, out_channels=classes, upsample_mode=upsample
    )


def supernet(
    channel_mul: float = 0.5,
    num_blocks: int = 8,
    num_depths: int = 4,
    names=operations.TWO,
    classes: int = CLASSES,
) -> Supernet:
    """The DiNTS supernet: every path and every operation at once (paper, 2.2; MONAI DiNTS).

    `num_blocks` layers over `num_depths` resolutions (1, 1/2, 1/4, ...), `32 * channel_mul`
    channels at the finest and twice as many at each coarser one; `names` of its operations.
    """
    check_size(channel_mul, num_blocks, num_depths)
    names = operations.check(names)
    return Supernet(channel_mul, num_blocks, num_depths, names, out_channels=classes)


def derived_network(
    code, channel_mul: float, downsample: bool = False, classes: int = CLASSES
) -> Lattice:
    """The network of one code, its weights fresh (MONAI TopologyInstance in a DiNTS stem).

    `downsample`: the stem halves the image first and the last layer doubles it again, at about a
    quarter of the cost a channel (MONAI's use_downsample).
    """
    if not topology.is_feasible(code):
        raise InputError("code: a block consumes nodes that none produces; decode it again.")
    check_size(channel_mul, len(code["paths"]), topology.depths_of(code["paths"]))
    operations.check(code.get("names", operations.TWO))
    depths = topology.depths_of(code["paths"])
    edges = topology.edges(code)
    return Lattice(edges, channel_mul, depths, out_channels=classes, downsample=downsample)


def build(spec) -> nn.Module:
    """The network that a spec describes."""
    builders = {
        "unet": unet,
        "segresnet": segresnet,
        "supernet": supernet,
        "derived": derived_network,
    }
    if spec["kind"] not in builders:
        raise InputError(f"network {spec['kind']!r} is not known; take one of {tuple(builders)}.")
    head = spec.get("head", "3-class")
    if head not in HEADS:
        raise InputError(f"head={head!r} is not known; take one of {', '.join(HEADS)}.")
    options = {k: v for k, v in spec.items() if k not in ("kind", "head")}
    return builders[spec["kind"]](**options, classes=HEADS[head])


def check_size(channel_mul: float, num_blocks: int, num_depths: int):
    """Raise InputError for a lattice that is too small or too large to build."""
    if not 1 / 32 <= channel_mul <= 8:
        raise InputError(f"channel_mul={channel_mul} is out of range; take 0.03125 to 8.")
    if not 1 <= num_blocks <= 64:
        raise InputError(f"num_blocks={num_blocks} is out of range; take 1 to 64.")
    if not 1 <= num_depths <= 5:
        raise InputError(f"num_depths={num_depths} is out of range; take 1 to 5.")


def arch_parameters(net) -> list[nn.Parameter]:
    """A supernet's architecture parameters: path logits, operation logits; else nothing."""
    return [net.log_alpha_a, net.log_alpha_c] if isinstance(net, Supernet) else []


def weight_parameters(net) -> list[nn.Parameter]:
    """All the other parameters (MONAI's DiNTS.weight_parameters returns the alphas among them)."""
    alphas = {id(p) for p in arch_parameters(net)}
    return [p for p in net.parameters() if id(p) not in alphas]


def count_parameters(net) -> int:
    """Every parameter, architecture parameters included, as Table 3 counts."""
    return sum(p.numel() for p in net.parameters())


def divisor(spec) -> int:
    """What a patch size must be divisible by for this network."""
    if spec["kind"] == "unet":
        return 16
    if spec["kind"] == "segresnet":
        return 8
    return 2 ** (spec.get("num_depths", 4) - 1 + spec.get("downsample", False))


def check_patch(patch: int, spec):
    """Raise InputError unless the network of this spec takes patches of this size."""
    step = divisor(spec)
    if patch < 2 * step or patch % step:
        near = max(2 * step, round(patch / step) * step)
        raise InputError(
            f"patch={patch} does not suit {spec['kind']}, which halves its input "
            f"{step.bit_length() - 1} times; take a multiple of {step}, for example {near}."
        )


def take_weights(net: nn.Module, other: nn.Module) -> list[str]:
    """Copy every weight of `other` that has the same name and shape; the names of those left."""
    own, theirs = net.state_dict(), other.state_dict()
    fits = {k: v for k, v in theirs.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict(own | fits)
    return [name for name in own if name not in fits]
