"""What the studies' records say: rows for tables and figures, from records alone."""

from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, spearmanr

from twodints_lib import files
from twodints_lib.reproduction.study import RECORDS
from twodints_lib.scoring.statistics import Difference, paired_bootstrap


def load(study: str, folder=None) -> dict[str, dict]:
    """The records of a study by job name; empty where it was not run yet."""
    folder = Path(folder or RECORDS) / study
    return {p.stem: files.read_json(p) for p in sorted(folder.glob("*.json"))}


def by_variant(records: dict[str, dict]) -> dict[str, list[dict]]:
    """Records of the control study, a list over seeds for each variant; random codes together."""
    found = {}
    for job, record in records.items():
        variant = job.rpartition("-seed-")[0]
        found.setdefault("random codes" if variant.startswith("random") else variant, []).append(
            record
        )
    return found


def control_rows(records: dict[str, dict]) -> list[tuple]:
    """(variant, trainings, Dice, F1, parameters), means over seeds, best Dice first."""
    rows = []
    for variant, some in by_variant(records).items():
        mean = {
            key: np.mean([r["metrics"][key] for r in some])
            for key in ("mean_dice", "mean_f1", "network_parameters")
        }
        rows.append((variant, len(some), *(f"{mean[k]:.3f}" for k in ("mean_dice", "mean_f1"))))
        rows[-1] += (f"{mean['network_parameters']:,.0f}",)
    return sorted(rows, key=lambda row: row[2], reverse=True)


CONTROL_HEADER = ("topology", "trainings", "Dice", "mean F1", "parameters")


def differences(records: dict[str, dict], searched: str, score: int = 0) -> list[tuple]:
    """Searched minus each control, (control, mean, low, high, verdict), paired by seed and image.

    `score` 0: Dice, 1: F1. Of the random codes a seed's mean is taken. One seed gives no verdict:
    its interval knows the images' spread, not that of trainings.
    """
    every = by_variant(records)
    if searched not in every:
        return []
    own = _scores(every[searched], score)
    rows = []
    for name, some in every.items():
        if name.startswith("searched"):
            continue
        other = _scores(some, score)
        seeds = sorted(own.keys() & other.keys())
        found = paired_bootstrap([own[s] for s in seeds], [other[s] for s in seeds])
        word = Difference(*found, 0, 0).verdict() if len(seeds) > 1 else "one seed: no verdict"
        rows.append((name, *found, word))
    return rows


def verdict_rows(records: dict[str, dict], score: int = 0) -> list[tuple]:
    """Every search against every control, under VERDICT_HEADER, and what all of them allow."""
    rows = []
    for name in by_variant(records):
        if not name.startswith("searched"):
            continue
        found = differences(records, name, score)
        rows += [(name, c, f"{m:+.3f} [{a:+.3f}, {b:+.3f}]", word) for c, m, a, b, word in found]
        better = sum(word == "search helped" for *_, word in found)
        all_of_them = better == len(found)
        word = "search helped" if all_of_them else "no evidence that search helped"
        rows.append((name, "all controls", f"better than {better} of {len(found)}", word))
    return rows


VERDICT_HEADER = ("search", "control", "Dice, search minus control", "verdict")


def _scores(records, score):
    """{seed: scores of the images (n,)}, the mean over records of the same seed."""
    found = {}
    for record in records:
        values = [
            np.nan if v[score] is None else v[score] for v in record["metrics"]["images"].values()
        ]
        found.setdefault(record["seed"], []).append(np.nan_to_num(values))
    return {seed: np.mean(values, axis=0) for seed, values in found.items()}


def rank_agreement(first, second) -> tuple[float, float]:
    """Kendall's tau and Spearman's rho of two lists of scores."""
    return float(kendalltau(first, second)[0]), float(spearmanr(first, second)[0])


def caption(records: dict[str, dict]) -> str:
    """What a table of these records must say: scale, data, seeds, commit."""
    some = [r for r in records.values() if "settings" in r]
    if not some:
        return "no record yet: make study"
    s, seeds = some[0]["settings"], sorted({r["seed"] for r in some})
    return (
        f"Small study: {s['patch']} px, mul {s['channel_mul']}, {s['num_blocks']} blocks, "
        f"{s['search_epochs']} + {s['derived_epochs']} epochs, {some[0]['data']}, "
        f"seeds {', '.join(map(str, seeds))}, {', '.join(sorted({r['commit'] for r in some}))}"
    )


THREE_HEADER = ("search", "seconds", "supernet", "copied weights", "retrained", "logits moved")


def three_rows(records: dict[str, dict]) -> list[tuple]:
    """The Dice of each search's three networks, means over seeds, and how far its alphas went."""
    rows = []
    for name, some in by_variant(records).items():
        if "three" in some[0]:
            dice = [
                np.mean([r["three"][network]["mean_dice"] for r in some])
                for network in some[0]["three"]
            ]
            seconds = np.mean([r["search_seconds"] for r in some])
            far = np.mean([r["moved"][0] for r in some])
            rows.append((name, f"{seconds:.0f}", *(f"{d:.3f}" for d in dice), f"{far:.0f} sigma"))
    return rows


SAMPLING_HEADER = ("seed", "all paths: seconds, Dice", "sampled: seconds, Dice", "times faster")


def sampling_rows(records: dict[str, dict]) -> list[tuple]:
    """Searches that evaluate all paths or one sampled network a step, seed by seed."""
    pairs = {}
    for job, record in records.items():
        pairs.setdefault(record["seed"], {})[job.partition("-seed")[0]] = record
    rows = []
    for seed, pair in sorted(pairs.items()):
        if len(pair) == 2:
            both = [pair[plan] for plan in ("paper", "sampled")]
            seconds = [r["search_seconds"] for r in both]
            words = [f"{r['search_seconds']:.0f}, {r['metrics']['mean_dice']:.3f}" for r in both]
            rows.append((seed, *words, f"{seconds[0] / seconds[1]:.1f}"))
    return rows


def _tables(records):
    return [r for job, r in records.items() if job.startswith("table")]


def tiny_lines(records: dict[str, dict]) -> list[str]:
    """What the tiny space says: how well its table ranks, what the searches found in it."""
    tables = [table["networks"] for table in _tables(records)]
    if not tables:
        return ["no record yet: make study"]
    dice, seconds = (
        np.array([[n[k] for n in t] for t in tables]) for k in ("mean_dice", "training_seconds")
    )
    truth, (times, count) = dice.mean(0), dice.shape
    lines = [
        f"{count} networks trained {times} times, for {np.median(seconds):.1f} s each and at most "
        f"{seconds.max():.1f} s: mean Dice {truth.min():.3f} to {truth.max():.3f}"
    ]
    if times > 1:
        tau, rho = np.mean([rank_agreement(*pair) for pair in combinations(dice, 2)], axis=0)
        whole = times * max(rho, 0) / (1 + (times - 1) * max(rho, 0))
        lines.append(
            f"one training's ranking by another's: tau {tau:.2f}, rho {rho:.2f}; by this, that of "
            f"the mean over {times} by such another mean: rho {whole:.2f}"
        )
        if whole < 0.5:
            lines.append("so this table does not rank the networks: no verdict on any search")
    for job, record in records.items():
        if "found" in record:
            tau, rho = rank_agreement(truth, record["inherited"])
            ranks = [1 + int((truth > truth[record[k]]).sum()) for k in ("found", "untouched")]
            lines.append(
                f"{job}: found rank {ranks[0]} of {count}, untouched alphas {ranks[1]}; "
                f"inherited tau {tau:.2f}, rho {rho:.2f}"
            )
    return lines


def tiny_points(records: dict[str, dict]) -> dict:
    """{search: (Dice trained alone, Dice with inherited weights)} of the tiny space."""
    tables = [[n["mean_dice"] for n in table["networks"]] for table in _tables(records)]
    found = {job: r for job, r in records.items() if "found" in r and job.endswith("-1")}
    if not tables or not found:
        return {"no record yet": ([0], [0])}
    truth = np.mean(tables, axis=0)
    return {job: (truth, r["inherited"]) for job, r in found.items()}


MODALITY_HEADER = ("modality", "seeds", "joint: Dice", "own: Dice", "joint minus own", "verdict")


def modality_rows(records: dict[str, dict]) -> list[tuple]:
    """A joint search's topology beside one searched for the modality alone, paired intervals."""
    groups = {}
    for job, record in records.items():
        modality, which = job.rpartition("-seed-")[0].rsplit("-", 1)
        groups.setdefault(modality, {}).setdefault(which, []).append(record)
    rows = []
    for modality, pair in groups.items():
        joint, own = (_scores(pair.get(which, []), 0) for which in ("joint", "own"))
        seeds = sorted(joint.keys() & own.keys())
        if not seeds:
            continue
        a, b = (np.array([x[s] for s in seeds]) for x in (joint, own))
        mean, low, high = paired_bootstrap(a, b)
        word = "no evidence of a difference"
        word = "joint better" if low > 0 else "own better" if high < 0 else word
        word = word if len(seeds) > 1 else "one seed: no verdict"
        interval = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append((modality, len(seeds), f"{a.mean():.3f}", f"{b.mean():.3f}", interval, word))
    return rows


INSTANCE_HEADER = (
    "searched with", "epoch chosen by", "seeds", "class Dice", "F1, official recipe", "F1, distance"
)  # fmt: skip


def instance_rows(records: dict[str, dict]) -> list[tuple]:
    """Searches for classes or for cells, chosen by Dice or F1; each code trained as a ladder."""
    groups = {}
    for job, record in records.items():
        groups.setdefault(job.rpartition("-seed-")[0], []).append(record)
    rows = []
    for name, some in groups.items():
        head, _, score = name.partition("-by-")
        means = [np.mean([r["metrics"]["mean_dice"] for r in some])]
        for way in ("3-class, as shipped", "distance"):
            means.append(np.mean([r["ladder"][way]["mean_f1"] for r in some]))
        words = {"dice": "Dice", "f1": "F1"}[score]
        rows.append((f"{head} head", words, len(some), *(f"{m:.3f}" for m in means)))
    return rows


def instance_differences(records: dict[str, dict]) -> list[tuple]:
    """Gains in F1 (distance), paired by seed and image: (what, mean, low, high)."""
    f1 = {job: np.array(record["ladder"]["distance"]["f1"]) for job, record in records.items()}
    seeds = sorted({job.rpartition("-seed-")[2] for job in f1})
    pairs = {
        "chosen by F1 minus by Dice, 3-class": ("3-class-by-f1", "3-class-by-dice"),
        "chosen by F1 minus by Dice, ladder": ("ladder-by-f1", "ladder-by-dice"),
        "searched for cells minus for classes": ("ladder-by-f1", "3-class-by-dice"),
    }
    rows = []
    for what, (a, b) in pairs.items():
        both = [s for s in seeds if f"{a}-seed-{s}" in f1 and f"{b}-seed-{s}" in f1]
        if both:
            ours, theirs = ([f1[f"{x}-seed-{s}"] for s in both] for x in (a, b))
            rows.append((what, *paired_bootstrap(ours, theirs)))
    return rows
