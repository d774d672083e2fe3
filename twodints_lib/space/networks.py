"""The networks: the paper's baselines, built by MONAI, and those of the DiNTS lattice.

Every network maps (B, 3, H, W) to logits (B, C, H, W); C is 3 for background, interior and
boundary, or what another head draws. Which network is said by a spec (specs.py).
"""

from monai.networks.nets import SegResNet, UNet
from torch import nn

from twodints_lib.space import operations, topology
from twodints_lib.space.lattice import Lattice, Supernet
from twodints_lib.space.specs import DerivedSpec, SegResNetSpec, Spec, SupernetSpec
from twodints_lib.targets.heads import head_of

CHANNELS = 3


def build(spec: Spec) -> nn.Module:
    """The network that a spec describes, its weights fresh (MONAI UNet, SegResNet, DiNTS)."""
    maps = head_of(spec.head).channels
    if isinstance(spec, SupernetSpec):
        return Supernet(
            spec.channel_mul, spec.num_blocks, spec.num_depths, spec.names, out_channels=maps
        )
    if isinstance(spec, DerivedSpec):
        edges, depths = topology.edges(spec.code), spec.num_depths
        return Lattice(
            edges, spec.channel_mul, depths, out_channels=maps, downsample=spec.downsample
        )
    common = {"spatial_dims": 2, "in_channels": CHANNELS, "out_channels": maps}
    if isinstance(spec, SegResNetSpec):
        return SegResNet(**common, upsample_mode=spec.upsample)
    channels = [spec.width * 2**level for level in range(5)]
    return UNet(**common, channels=channels, strides=(2, 2, 2, 2), num_res_units=2)


def supernet(
    channel_mul: float = 0.5, num_blocks: int = 8, num_depths: int = 4, names=operations.TWO
) -> Supernet:
    """A supernet of these sizes that draws the three classes; see SupernetSpec."""
    return build(SupernetSpec(channel_mul, num_blocks, num_depths, names))


def derived_network(code: dict, channel_mul: float, downsample: bool = False) -> Lattice:
    """The network of one code that draws the three classes; see DerivedSpec."""
    return build(DerivedSpec(channel_mul, code, downsample))


def arch_parameters(net: nn.Module) -> list[nn.Parameter]:
    """A supernet's architecture parameters: path logits, operation logits; else nothing."""
    return [net.log_alpha_a, net.log_alpha_c] if isinstance(net, Supernet) else []


def weight_parameters(net: nn.Module) -> list[nn.Parameter]:
    """All the other parameters (MONAI's DiNTS.weight_parameters returns the alphas among them)."""
    alphas = {id(p) for p in arch_parameters(net)}
    return [p for p in net.parameters() if id(p) not in alphas]


def count_parameters(net: nn.Module) -> int:
    """Every parameter, architecture parameters included, as Table 3 counts."""
    return sum(p.numel() for p in net.parameters())


def take_weights(net: nn.Module, other: nn.Module) -> list[str]:
    """Copy every weight of `other` that has the same name and shape; the names of those left."""
    own, theirs = net.state_dict(), other.state_dict()
    fits = {k: v for k, v in theirs.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict(own | fits)
    return [name for name in own if name not in fits]
