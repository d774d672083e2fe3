"""What the records of rows and of studies say: rows for tables and figures, from records alone.

Most functions take the records of a study, {job: record}; a job is "<variant>-seed-<seed>". What
intervals allow to say stands in `verdicts`.
"""

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from twodints_lib.runs import paper, records
from twodints_lib.runs.records import mean_score, scores_by_seed
from twodints_lib.scoring.statistics import (
    Difference,
    agreement_ceiling,
    paired_difference,
    spearman_brown,
)

Records = dict[str, dict]
SCALE = ("patch", "channel_mul", "num_blocks", "search_epochs", "derived_epochs")
# Settings of a preset that no study uses; records that differ in these alone go together.
UNUSED = ("minutes", "baseline_epochs", "ladder_epochs")


def load_rows(folder: Path) -> dict[str, list[dict]]:
    """{row name: its records over seeds} of one scale, for every row of the paper."""
    found = {row.name: [] for row in paper.ROWS}
    for record in records.load_records(folder, "*-seed-*.json").values():
        found[record["row"]].append(record)
    return found


def row_difference(
    ours: list[dict], theirs: list[dict], score: str = "dice", part: str = "metrics"
) -> Difference | None:
    """Mean difference of two rows' scores with its interval, paired by seed and image."""
    return paired_difference(*(scores_by_seed(r, score, part) for r in (ours, theirs)))


def place(study: str, data: str) -> Path:
    """The folder of a study's records: those of other data sets than `simulated` lie apart."""
    return records.STUDIES / (study if data == "simulated" else f"{study}-{data}")


def load_study(study: str, data: str = "simulated") -> Records:
    """The records of a study on a data set; empty where it was not run yet."""
    return records.load_records(place(study, data))


def by_variant(study: Records) -> dict[str, list[dict]]:
    """The records of each variant, a list over its seeds; random codes together, and together
    those that are as large as what a search found."""
    found = {}
    for job, record in study.items():
        variant = job.rpartition("-seed-")[0]
        kind, _, number = variant.rpartition("-")
        if kind.startswith(("random", "matched")) and number.isdigit():
            of = kind.removeprefix("matched-")
            variant = "random codes" if kind == "random" else matched_to(of)
        found.setdefault(variant, []).append(record)
    return found


def matched_to(search: str) -> str:
    """What the random codes with as many multiply-accumulates as a search's are called."""
    return f"random, size of {search}"


def means(study: Records, *keys: str) -> list[tuple]:
    """(variant, trainings, means): for each variant the means of numbers of its records, whose
    keys are dotted: "metrics.mean_dice"."""
    return [
        (variant, len(some), *pd.json_normalize(some)[list(keys)].mean())
        for variant, some in by_variant(study).items()
    ]


CONTROL_HEADER = (
    "topology", "trainings", "Dice", "of interior", "of boundary", "mean F1", "parameters"
)  # fmt: skip
NOT_KEPT = "not kept"  # by the oldest records, which have one Dice for both classes


def control_rows(study: Records) -> list[tuple]:
    """Every topology of the study of controls, means over seeds, best Dice first.

    Class Dice is the mean of its two parts, and swings with the boundary's.
    """
    keys = ("metrics.mean_dice", "metrics.mean_f1", "metrics.network_parameters")
    rows = sorted(means(study, *keys), key=lambda row: row[2], reverse=True)
    every = by_variant(study)
    return [
        (v, n, f"{dice:.3f}", *class_dice(every[v]), f"{f1:.3f}", f"{size:,.0f}")
        for v, n, dice, f1, size in rows
    ]


def class_dice(some: Iterable[dict]) -> tuple[str, str]:
    """The mean Dice of interior and of boundary over records, where they keep them apart."""
    found = [mean_score(some, f"dice_{part}") for part in ("interior", "boundary")]
    return tuple(NOT_KEPT if dice is None else f"{dice:.3f}" for dice in found)


def mixture(*groups: Iterable[dict], unused: Iterable[str] = ("minutes",)) -> str:
    """A warning that names the settings, or data, in which records differ that are shown as one;
    empty where they agree in all but what is `unused`."""
    found = set()
    for some in groups:
        table = pd.json_normalize([{"data": r.get("data_hash")} | r["settings"] for r in some])
        found |= {k for k in table.columns.difference(unused) if table[k].nunique() > 1}
    return f"; of several settings: {', '.join(sorted(found))}" if found else ""


def caption(study: Records) -> str:
    """What a table of these records must say: scale, data, seeds, commits, and what is mixed."""
    some = [r for r in study.values() if "settings" in r]
    if not some:
        return "no record yet: make study"

    def each(values):
        return ", ".join(map(str, sorted(set(values))))

    s = {key: each(r["settings"][key] for r in some) for key in SCALE}
    words = (
        f"Small study: {s['patch']} px, mul {s['channel_mul']}, {s['num_blocks']} blocks, "
        f"{s['search_epochs']} + {s['derived_epochs']} epochs, {each(r['data'] for r in some)}, "
        f"seeds {each(r['seed'] for r in some)}, {each(r['commit'] for r in some)}"
    )
    return words + mixture(some, unused=UNUSED)


THREE_HEADER = (
    "search", "seconds of search", "and of training", "supernet", "copied weights", "retrained",
    "logits moved",
)  # fmt: skip


def three_rows(study: Records) -> list[tuple]:
    """The Dice of each search's three networks, means over seeds, what search and final training
    took, and how far the alphas went."""
    networks = ("supernet", "derived, copied weights", "derived, retrained")
    keys = ("search_seconds", "seconds", *(f"three.{n}.mean_dice" for n in networks), "moved")
    searched = {job: r | {"moved": r["moved"][0]} for job, r in study.items() if "three" in r}
    return [
        (name, f"{search:.0f}", f"{whole:.0f}", *(f"{d:.3f}" for d in dice), f"{far:.0f} sigma")
        for name, _, search, whole, *dice, far in means(searched, *keys)
    ]


SAMPLING_HEADER = ("seed", "all paths: seconds, Dice", "sampled: seconds, Dice", "times faster")


def sampling_rows(study: Records) -> list[tuple]:
    """Searches that evaluate all paths or one sampled network a step, seed by seed."""
    every = {v: {r["seed"]: r for r in some} for v, some in by_variant(study).items()}
    whole, sampled = every.get("paper", {}), every.get("sampled", {})
    pairs = [(s, whole[s], sampled[s]) for s in sorted(whole.keys() & sampled.keys())]
    return [
        (
            seed,
            *(f"{r['search_seconds']:.0f}, {r['metrics']['mean_dice']:.3f}" for r in pair),
            f"{pair[0]['search_seconds'] / pair[1]['search_seconds']:.1f}",
        )
        for seed, *pair in pairs
    ]


def rank_agreement(first, second) -> tuple[float, float]:
    """Kendall's tau and Spearman's rho of two lists of scores."""
    from scipy.stats import kendalltau, spearmanr  # takes half a second

    return float(kendalltau(first, second)[0]), float(spearmanr(first, second)[0])


def tiny_tables(study: Records, key: str) -> np.ndarray:
    """(tables, networks) of the tiny space: "mean_dice" or "training_seconds" of each network."""
    tables = by_variant(study).get("table", [])
    return np.array([[network[key] for network in table["networks"]] for table in tables])


def tiny_lines(study: Records) -> list[str]:
    """What the tiny space says: how well its table ranks, what the searches found in it."""
    dice, seconds = (tiny_tables(study, key) for key in ("mean_dice", "training_seconds"))
    if not len(dice):
        return ["no record yet: make study"]
    truth, (times, count) = dice.mean(0), dice.shape
    lines = [
        f"{count} networks trained {times} times, for {np.median(seconds):.1f} s each and at most "
        f"{seconds.max():.1f} s: mean Dice {truth.min():.3f} to {truth.max():.3f}"
    ]
    if times > 1:
        tau, rho = np.mean([rank_agreement(*pair) for pair in combinations(dice, 2)], axis=0)
        whole = spearman_brown(rho, times)
        lines.append(
            f"one training's ranking by another's: tau {tau:.2f}, rho {rho:.2f}; by this, that of "
            f"the mean over {times} by such another mean: rho {whole:.2f}"
        )
        lines.append(
            f"so a ranking without any noise would agree with the mean by rho "
            f"{agreement_ceiling(whole):.2f}, and nothing by more"
        )
        if whole < 0.5:
            lines.append("so this table does not rank the networks: no verdict on any search")
    for job, record in study.items():
        if "found" in record:
            tau, rho = rank_agreement(truth, record["inherited"])
            ranks = [1 + int((truth > truth[record[k]]).sum()) for k in ("found", "untouched")]
            lines.append(
                f"{job}: found rank {ranks[0]} of {count}, untouched alphas {ranks[1]}; "
                f"inherited tau {tau:.2f}, rho {rho:.2f}"
            )
    return lines


def tiny_points(study: Records) -> dict:
    """{search: (Dice trained alone, Dice with inherited weights)} of the tiny space, seed 1."""
    dice = tiny_tables(study, "mean_dice")
    found = {job: r for job, r in study.items() if "found" in r and job.endswith("-1")}
    if not len(dice) or not found:
        return {"no record yet": ([0], [0])}
    return {job: (dice.mean(0), r["inherited"]) for job, r in found.items()}


INSTANCE_HEADER = (
    "searched with", "epoch chosen by", "seeds", "class Dice", "F1, official recipe",
    "F1, distance", "F1, flow",
)  # fmt: skip


def instance_rows(study: Records) -> list[tuple]:
    """Searches for classes or for cells, chosen by Dice or F1; each code trained as a ladder."""
    ways = (f"ladder.{way}.mean_f1" for way in ("3-class, as shipped", "distance", "flow"))
    rows = []
    for name, seeds, *scores in means(study, "metrics.mean_dice", *ways):
        head, _, score = name.partition("-by-")
        words = {"dice": "Dice", "f1": "F1"}[score]
        rows.append((f"{head} head", words, seeds, *(f"{x:.3f}" for x in scores)))
    return rows
