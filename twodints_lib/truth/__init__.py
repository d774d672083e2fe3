"""A table of truth: every network of a small space, trained from scratch with several seeds.

It answers in no time what a training would have said, so a search is replayed in milliseconds and
its answer compared with the best there is.

The table: `load` reads one by its name, `names` lists those that there are, `save` writes one;
`Table.query` asks for a network's scores; `convolving` turns any code into one of the space.

How far it can be trusted: `reliability.reliability` of a score, for one seed and for their mean.

Searches on it: `random_search`, `regularised_evolution`, `successive_halving` and `tpe` return a
`History`; `replay` repeats one, and `curves` are the regrets of its repeats.

What is known before a training: `proxies` computes zero-cost proxies and one-shot scores (torch),
`ranking` lays them beside a table.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["table", "reliability", "searches", "regret", "proxies", "ranking"],
    submod_attrs={
        "table": ["Table", "load", "names", "save", "convolving"],
        "searches": [
            "History",
            "random_search",
            "regularised_evolution",
            "successive_halving",
            "tpe",
        ],
        "regret": ["replay", "curves"],
    },
)
