"""Training: patches in, a run's folder out; searches, and what is to be seen in them.

Networks: `train_network` trains any network and records it, or finds it; `train_ladder` trains one
on with every representation; `Recipe` says how, for one network, `rate_factor` its learning rate in
an epoch.

Searches: `Plan` says how a supernet is searched; `search_supernet` searches it; `found_code` is
what it decodes to, `decoded` what a supernet does, under a budget where one is given, for which
`cost_table` knows the costs; `train_code` trains the network of a code, `train_derived` that of a
search; `three_scores` tells supernet, copied and retrained network apart; `alphas` and `untouched`
are the logits of a supernet and those that a search starts from; `SingleLevel` and `BiLevel` are
the two ways to train one.

The course of a search: `last_alphas`, `best_epoch`, `path_history` and `operation_history` read it.

Modules to read as a whole: `diagnose` has alarms with limits; `distributed` shares the work among
processes.

Images: `load_samples` reads them for a network; `Patches` draws augmented crops of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["diagnose", "distributed"],
    submod_attrs={
        "loop": ["train_network", "train_ladder"],
        "recipes": ["Recipe", "rate_factor"],
        "search": [
            "search_supernet",
            "found_code",
            "train_code",
            "train_derived",
            "three_scores",
            "untouched",
        ],
        "ways": ["Plan", "SingleLevel", "BiLevel", "alphas", "decoded", "cost_table"],
        "replay": ["last_alphas", "best_epoch", "path_history", "operation_history"],
        "patches": ["load_samples", "Patches"],
    },
)
