"""What paired intervals allow to say of a study: by class Dice and by F1, side by side.

Dice is what trainings are validated by, and it swings with the boundary class; F1 counts cells. A
study is {job: record}, as in `results`.
"""

import numpy as np
import pandas as pd

from twodints_lib.reproduction.results import Records, by_variant, matched_to, means
from twodints_lib.runs.records import scores_by_seed
from twodints_lib.scoring.statistics import Difference, paired_difference

SCORES = {"Dice": "dice", "F1": "f1"}


def verdict(gain: Difference, *words: str) -> str:
    """What an interval allows to say: better, worse, undecided; of one seed nothing, since its
    interval knows the images' spread and not that of trainings."""
    return gain.verdict(*words) if gain.seeds > 1 else "one seed: no verdict"


def cells(gain: Difference | None, *words: str) -> tuple[str, str]:
    """A difference and its verdict, in words; where there is no score to compare, nothing."""
    return ("no score", "") if gain is None else (str(gain), verdict(gain, *words))


def gains(study: Records, searched: str, score: str) -> dict[str, Difference]:
    """{control: searched minus it}, paired by seed and image; of codes that go together, random
    ones or those as large as what this search found, a seed's mean is taken."""
    every = {v: scores_by_seed(some, score) for v, some in by_variant(study).items()}
    own, of_its_size = every.get(searched, {}), matched_to(searched.removeprefix("searched-"))
    others = (v for v in every if not v.startswith(("searched", matched_to(""))))
    found = {
        control: paired_difference(own, every[control], least=1)
        for control in (*others, *({of_its_size} & every.keys()))
    }
    return {control: gain for control, gain in found.items() if gain}


def differences(study: Records, searched: str, score: str = "dice") -> list[tuple]:
    """Searched minus each control, (control, mean, low, high, verdict), by "dice" or "f1"."""
    found = gains(study, searched, score).items()
    return [(control, *gain[:3], verdict(gain)) for control, gain in found]


VERDICT_HEADER = ("search", "control", *(
    column for score in SCORES for column in (f"{score}, search minus control", f"by {score}")
))  # fmt: skip


def verdict_rows(study: Records) -> list[tuple]:
    """Every search against every control, under VERDICT_HEADER, and what all of them allow."""
    rows = []
    for name in (v for v in by_variant(study) if v.startswith("searched")):
        both = [gains(study, name, score) for score in SCORES.values()]
        for control in dict.fromkeys(c for found in both for c in found):
            rows.append((name, control, *(x for f in both for x in cells(f.get(control)))))
        rows.append((name, "all controls", *(x for found in both for x in _of_all(found))))
    return rows


def _of_all(found) -> tuple[str, str]:
    better = sum(verdict(gain) == "search helped" for gain in found.values())
    word = "search helped" if 0 < better == len(found) else "no evidence that search helped"
    return f"better than {better} of {len(found)}", word


FRONT_HEADER = (
    "network", "trainings", "MACs", "parameters", "Dice", "mean F1",
    "F1, minus random of its cost", "by F1",
)  # fmt: skip


def front_rows(study: Records) -> list[tuple]:
    """Score against cost, cheapest first: each network of the study of fronts, under FRONT_HEADER.

    Of a search decoded within a budget, the gain over random codes that cost as much; a seed's
    mean is taken of these.
    """
    keys = ("macs", "metrics.network_parameters", "metrics.mean_dice", "metrics.mean_f1")
    f1, rows = {v: scores_by_seed(some, "f1") for v, some in by_variant(study).items()}, []
    for name, count, macs, size, *scores in sorted(means(study, *keys), key=lambda row: row[2]):
        of_its_cost = f1.get(matched_to(name.rpartition("-")[2]))
        gain = ("", "")
        if name.startswith("searched") and of_its_cost:
            gain = cells(paired_difference(f1[name], of_its_cost, least=1))
        told = (f"{macs / 1e6:,.1f} M", f"{size:,.0f}", *(f"{x:.3f}" for x in scores))
        rows.append((name, count, *told, *gain))
    return rows


MODALITY_HEADER = (
    "modality", "seeds", "joint: Dice", "own: Dice", "joint minus own", "by Dice",
    "F1, joint minus own", "by F1",
)  # fmt: skip
MODALITY_WORDS = ("joint better", "own better", "no evidence of a difference")


def modality_gains(study: Records, score: str) -> dict[str, Difference]:
    """{modality: a joint search's topology minus one searched for the modality alone}."""
    every = {v: scores_by_seed(some, score) for v, some in by_variant(study).items()}
    names = dict.fromkeys(v.rpartition("-")[0] for v in every)
    found = {
        m: paired_difference(*(every.get(f"{m}-{w}", {}) for w in ("joint", "own")), least=1)
        for m in names
    }
    return {modality: gain for modality, gain in found.items() if gain}


def modality_rows(study: Records) -> list[tuple]:
    """A joint search's topology beside one searched for the modality alone, paired intervals."""
    f1, rows, every = modality_gains(study, "f1"), [], by_variant(study)
    for modality, gain in modality_gains(study, "dice").items():
        both = [scores_by_seed(every[f"{modality}-{which}"], "dice") for which in ("joint", "own")]
        seeds = sorted(both[0].keys() & both[1].keys())
        told = (f"{np.nanmean(pd.DataFrame(x)[seeds].astype(float)):.3f}" for x in both)
        words = (x for g in (gain, f1.get(modality)) for x in cells(g, *MODALITY_WORDS))
        rows.append((modality, gain.seeds, *told, *words))
    return rows


INSTANCE_PAIRS = {
    "chosen by F1 minus by Dice, 3-class": ("3-class-by-f1", "3-class-by-dice"),
    "chosen by F1 minus by Dice, ladder": ("ladder-by-f1", "ladder-by-dice"),
    "searched for cells minus for classes": ("ladder-by-f1", "3-class-by-dice"),
}


def instance_differences(study: Records, decoders=("distance", "flow")) -> list[tuple]:
    """Gains in F1 by each decoder, paired by seed and image: (what, mean, low, high)."""
    rows = []
    for decoder in decoders:
        f1 = {
            variant: {r["seed"]: _decoded(r, decoder) for r in some}
            for variant, some in by_variant(study).items()
        }
        for what, pair in INSTANCE_PAIRS.items():
            gain = paired_difference(*(f1.get(variant, {}) for variant in pair), least=1)
            if gain:
                rows.append((f"{what}; {decoder}", *gain[:3]))
    return rows


def _decoded(record, decoder):
    f1 = record["ladder"][decoder]["f1"]
    return dict(zip(record["metrics"]["images"], f1, strict=True))
