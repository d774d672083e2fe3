"""The table of peers, from records/peers/ alone: other methods beside ours, pooled over seeds.

Each budget of CPU time has a folder, and each of its methods a record a seed; methods are compared
within a budget only.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twodints_lib.runs import records
from twodints_lib.runs.records import scores_by_seed
from twodints_lib.scoring.statistics import paired_difference

HOME = records.HOME / "peers"
TITLES = {
    "unet": "UNet, ladder head",
    "searched": "searched network, ladder head",
    "cellpose": "Cellpose 3",
    "stardist": "StarDist",
    "instanseg": "InstanSeg",
    "otsu": "Otsu and watershed, not trained",
}
OURS = ("unet", "searched")
HEADER = (
    "method", "budget, CPU seconds", "seeds", "CPU minutes, trained", "CPU minutes, searched",
    "F1 over modalities", "seed by seed", "UNet minus this, 95 %", "searched minus this, 95 %",
)  # fmt: skip


def load_peers(folder: Path) -> dict[str, list[dict]]:
    """{method: its records over seeds, in their order} of one budget's folder."""
    found = {}
    for record in records.load_records(folder, "*-seed-*.json").values():
        found.setdefault(record["method"], []).append(record)
    return {m: sorted(some, key=lambda r: r["seed"]) for m, some in found.items()}


def minutes(records: Sequence[dict]) -> str:
    """Mean CPU minutes of trainings."""
    return f"{np.mean([r['seconds']['cpu'] for r in records]) / 60:.1f}"


def gain(ours: Sequence[dict], theirs: Sequence[dict]) -> str:
    """Mean F1 of ours minus theirs with its interval, paired by seed and image; of what has no
    seeds, since nothing in it is random, the same labels stand beside each of ours."""
    if not ours or ours is theirs:
        return ""
    some = scores_by_seed(theirs, "f1")
    own = scores_by_seed(ours, "f1")
    if some.keys() == {0}:
        some = dict.fromkeys(own, some[0])
    found = paired_difference(own, some, least=1)
    return "no seed in common" if found is None else str(found)


def rows(home: Path = HOME) -> list[tuple]:
    """One row a budget and method under HEADER: the longest budget and the best F1 first."""
    every = [load_peers(folder) for folder in sorted(home.glob("*s")) if folder.is_dir()]
    lines = [line for peers in every for line in budget_rows(peers)]
    return sorted(lines, key=lambda line: (-line[1], -float(line[5])))


def budget_rows(peers: dict[str, list[dict]]) -> list[tuple]:
    """The rows of one budget, by method, each beside ours of the same budget."""
    lines = []
    for method, some in peers.items():
        scores = [r["metrics"]["modality_mean_f1"] for r in some]
        searched = some[0].get("search_seconds")
        lines.append((
            TITLES[method],
            round(some[0]["cpu_seconds_each"]),
            len(some),
            minutes(some),
            "" if searched is None else f"{searched / 60:.1f}",
            f"{np.mean(scores):.3f}",
            ", ".join(f"{s:.3f}" for s in scores),
            *(gain(peers.get(name, ()), some) for name in OURS),
        ))  # fmt: skip
    return lines
