"""The search space: which networks there are, how they are built, weighed and counted.

Modules to read as a whole: `topology` knows codes (which paths are on, which operation each takes):
it counts, decodes, samples and writes them; `budget` decodes within a share of the full grid's
cost, which `cost_tables` knows without building a network; `random_codes` draws codes of a given
cost; `objective` has what a search adds to the segmentation loss; `cost` counts what a network
needs; `derive` cuts one network out of a supernet.

Descriptions: `UNetSpec`, `SegResNetSpec`, `SupernetSpec` and `DerivedSpec` say which network;
`spec_of` reads one from a record; `UPSAMPLERS` are the choices of SegResNet.

Operations: `OPERATIONS` is the table that an edge chooses from, `Operation` one entry of it, `TWO`
and `SIX` the paper's choices.

Networks: `build` makes the network of a description; `supernet` and `derived_network` are short
for the two kinds of the lattice; `arch_parameters` are the alphas, `weight_parameters` the rest,
`count_parameters` counts both; `mix` is the weighed sum that enters a node.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["topology", "budget", "cost_tables", "random_codes", "objective", "cost", "derive"],
    submod_attrs={
        "specs": [
            "UNetSpec",
            "SegResNetSpec",
            "SupernetSpec",
            "DerivedSpec",
            "spec_of",
            "UPSAMPLERS",
        ],
        "operations": ["OPERATIONS", "Operation", "TWO", "SIX"],
        "networks": [
            "build",
            "supernet",
            "derived_network",
            "arch_parameters",
            "weight_parameters",
            "count_parameters",
        ],
        "mixing": ["mix"],
    },
)
