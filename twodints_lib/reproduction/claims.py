"""The claims ledger: every claim of the paper, what answers it, and how it stands.

records/claims.toml says where a claim stands in the paper and which check of this module answers
it; a check computes its answer, (status, words), from the networks, the paper's own tables or the
records.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.reproduction import results, verdicts
from twodints_lib.runs import paper, records
from twodints_lib.space.operations import TWO
from twodints_lib.space.specs import Spec

LEDGER = records.HOME / "claims.toml"
SCALE = records.ROWS / "quarter-micro4"  # the rows that stand in for the paper's
EXACT = "reproduced exactly"
SMALLER = "reproduced at smaller scale"
UNDECIDED = "tested at smaller scale, not decided"
AGAINST = "contradicted at smaller scale"
INCONSISTENT = "inconsistent within the paper"
OURS = "ours differs"  # from a number that the paper has right, as far as it can be told
NOT = "not attempted"
STATUSES = (EXACT, SMALLER, UNDECIDED, AGAINST, INCONSISTENT, OURS, NOT)
HEADER = ("where", "what the paper says", "answer", "status")
Answer = tuple[str, str]


@lru_cache(maxsize=16)
def _rows(folder) -> dict[str, list[dict]]:
    return results.load_rows(folder)


def decide(for_it: bool, against_it: bool) -> str:
    """The status of a claim that records of a smaller scale speak for, against, or neither."""
    return AGAINST if against_it else SMALLER if for_it else UNDECIDED


def count(spec: Spec) -> tuple[int, int]:
    """A network's parameters, and how many of them are of the architecture."""
    from twodints_lib.space import networks  # torch

    net = networks.build(spec)
    return networks.count_parameters(net), sum(p.numel() for p in networks.arch_parameters(net))


def parameters(claim: dict) -> Answer:
    """Equal to the last digit; or the number of two operations, printed for six; or ours is off."""
    spec = paper.row(claim["row"]).spec
    ours, _ = count(spec)
    if ours == claim["number"]:
        return EXACT, f"{ours:,}"
    if getattr(spec, "names", TWO) != TWO and count(replace(spec, names=TWO))[0] == claim["number"]:
        return INCONSISTENT, f"{ours:,}; the printed number is that of two operations"
    return OURS, f"{ours:,}"


def counted_network(claim: dict) -> Answer:
    """Are the printed sizes those of supernets, architecture parameters in the count?"""
    whole, alphas = count(paper.row(claim["row"]).spec)
    words = (
        f"the supernet has {whole:,}, {alphas} of them architecture parameters; no derived network "
        "holds these, not even one with every path"
    )
    return (EXACT if whole == claim["number"] and alphas else OURS), words


def value(claim: dict) -> Answer:
    """A row's printed Dice or F1: full scale needs the challenge's images and days of a GPU."""
    some = _rows(SCALE)[claim["row"]]
    words = "needs the challenge's images and days of a GPU"
    if some:
        ours = np.mean([r["metrics"][f"mean_{claim['score']}"] for r in some])
        words += f"; at the quarter preset's scale on micro4: {ours:.3f}, {_seeds(some)}"
    return NOT, words


def gain(claim: dict) -> Answer:
    """Does `first` beat `second`, or each of a list, in our rows at smaller scale?

    A negative `number` turns the claim round: the paper says that `first` is worse.
    """
    ours, others = _rows(SCALE)[claim["first"]], np.atleast_1d(claim["second"]).tolist()
    gains = [results.row_difference(ours, _rows(SCALE)[o], claim["score"]) for o in others]
    if None in gains:
        return NOT, "fewer than two seeds of a row: no interval"
    ends = [(g.low, g.high) if claim["number"] > 0 else (-g.high, -g.low) for g in gains]
    words = "; ".join(f"{g} over {other}" for g, other in zip(gains, others, strict=True))
    words += _beside(claim, others)
    status = decide(all(low > 0 for low, _ in ends), any(high < 0 for _, high in ends))
    return status, f"{words}; {_seeds(ours)}"


def _beside(claim, others) -> str:
    """The same differences by the other score, which decides nothing here."""
    score, title = ("f1", "F1") if claim["score"] == "dice" else ("dice", "Dice")
    ours = _rows(SCALE)[claim["first"]]
    found = (results.row_difference(ours, _rows(SCALE)[other], score) for other in others)
    words = ", ".join(str(gain) for gain in found if gain)
    return f" ({title} {words})" if words else ""


def _seeds(some) -> str:
    return f"{len(some)} seed{'s' * (len(some) > 1)}"


def order(claim: dict) -> Answer:
    """How our Dice of the rows ranks beside the paper's (Spearman), means over seeds."""
    from scipy.stats import spearmanr

    both = [
        (row.dice, np.mean([r["metrics"]["mean_dice"] for r in some]))
        for row, some in zip(paper.ROWS, _rows(SCALE).values(), strict=True)
        if some
    ]
    if len(both) < 5:
        return NOT, f"{len(both)} of 9 rows run"
    rho, p = spearmanr(*zip(*both, strict=True))
    words = f"rank correlation {rho:+.2f} (p = {p:.2f}) over {len(both)} rows"
    return decide(p <= 0.05 and rho > 0, p <= 0.05 and rho < 0), words


def abstract_gain(claim: dict) -> Answer:
    """Is any difference of Table 5 what the abstract says?"""
    f1 = sorted(r.f1 for r in paper.TABLE_5)
    steps = sorted({round(b - a, 3) for a in f1 for b in f1 if b > a})
    if any(abs(s - claim["number"]) < claim["tolerance"] for s in steps):
        return EXACT, "a difference of Table 5"
    return INCONSISTENT, f"Table 5's rows differ by {', '.join(f'{s:.3f}' for s in steps)}"


def printed_difference(claim: dict) -> Answer:
    """Is the number the difference of two Dice values of Table 4?"""
    found = paper.row(claim["first"]).dice - paper.row(claim["second"]).dice
    good = abs(found - claim["number"]) <= claim["tolerance"]
    return (EXACT if good else INCONSISTENT), f"{found:.3f} between the two rows of Table 4"


def patches(claim: dict) -> Answer:
    """Table 2's patch sizes beside Table 4's."""
    sizes = sorted({r.patch for r in paper.ROWS})
    words = f"Table 4 says {' and '.join(map(str, sizes))} pixels, row by row"
    return (EXACT if sizes == claim["sizes"] else INCONSISTENT), words


def slower(claim: dict) -> Answer:
    """Is a step of a DiNTS row slower than UNet's on the same machine?"""
    both = [_rows(SCALE)[claim[k]] for k in ("first", "second")]
    if not all(both):
        return NOT, "the rows have not been run"
    ours, unet = (
        np.median([r["step_seconds"] / r["settings"]["batch"] for r in some]) for some in both
    )
    theirs = paper.row(claim["first"]).minutes / paper.row(claim["second"]).minutes
    words = f"{ours / unet:.1f} times UNet's time an image; {theirs:.1f} times its hours in Table 3"
    return decide(ours > unet, ours <= unet), words


def over_segmentation(claim: dict) -> Answer:
    """Are more cells split than merged? Counted on the 3-class networks of our rows.

    A second piece of a cell that was found counts as spurious, so the truth of "split" lies
    between the cells named so and those and the spurious together.
    """
    path = records.HOME / "bench-errors.json"
    if not path.is_file():
        return NOT, "no record of the errors' kinds"
    counts = [r["errors"] for r in files.read_json(path)["rows"] if r["row"].startswith("dints")]
    split, merged, spurious = (
        sum(c[kind] for c in counts) for kind in ("split", "merged", "spurious")
    )
    words = (
        f"{merged:,} cells merged, {split:,} split, {spurious:,} predictions spurious, some of "
        f"them second pieces; over {len(counts)} runs"
    )
    return decide(split > merged, split + spurious < merged), words


def images_counted(claim: dict) -> Answer:
    """The modalities' numbers, from the ids of the manifest."""
    from twodints_lib.data import manifest

    told = manifest.load_manifest("neurips2022")
    counts = told["counts"]["training"]
    noted = [r for r in told["ranges"] if r.get("note", "").startswith("disputed")]
    disputed = sum(r["last"] - r["first"] + 1 for r in noted)
    sizes = [counts["brightfield"] + disputed, counts["phase-contrast"] - disputed]
    good = sizes == claim["sizes"] and sum(counts.values()) == claim["number"]
    words = f"with the {disputed} disputed images (ids 142-144) counted as brightfield"
    return (EXACT if good else OURS), words


def told(claim: dict) -> Answer:
    """What no code can compute: status and answer stand in the ledger itself."""
    return claim["status"], claim["answer"]


def controls(claim: dict) -> Answer:
    """Does the paper's kind of search beat every network that nobody searched? (make study)"""
    study = results.load_study("controls")
    found, by_f1 = (verdicts.differences(study, "searched-paper", s) for s in ("dice", "f1"))
    if not found:
        return NOT, "no record of the study"
    (helped, hurt), f1 = ([_named(some, f"search {how}") for how in ("helped", "hurt")]
                          for some in (found, by_f1))  # fmt: skip
    words = (
        f"the paper has no random or fixed topology beside it; ours: of {len(found)} that nobody "
        f"searched, Dice below the search's for {_names(helped)}, above it for {_names(hurt)}, not "
        f"decided for the rest; F1 below it for {_names(f1[0])}, above for {_names(f1[1])}"
    )
    return decide(len(helped) == len(found), bool(hurt)), words


def one_topology(claim: dict) -> Answer:
    """Is a search for one modality alone no better than the search for all? (make study)"""
    found = verdicts.modality_rows(results.load_study("modalities"))
    if not found:
        return NOT, "no record of the study"
    by = [verdicts.MODALITY_HEADER.index(f"by {score}") for score in ("Dice", "F1")]
    (own, joint), f1 = ([_named(found, f"{w} better", k) for w in ("own", "joint")] for k in by)
    words = (
        f"a topology searched for one modality alone beats the joint one for {_names(own)}, loses "
        f"for {_names(joint)}, not decided for the rest; by F1 it beats it for {_names(f1[0])}, "
        f"loses for {_names(f1[1])}; {found[0][1]} seeds"
    )
    return decide(len(joint) == len(found), bool(own)), words


def searched_for_cells(claim: dict) -> Answer:
    """Is a topology better at cells when it was searched with a head that draws them?"""
    found = verdicts.instance_differences(results.load_study("instances"))
    gains = [gain for gain in found if gain[0].startswith("searched for cells")]
    if not gains:
        return NOT, "no record of the study"
    told = ", ".join(
        f"by {what.rpartition('; ')[2]} {mean:+.3f} [{low:+.3f}, {high:+.3f}]"
        for what, mean, low, high in gains
    )
    status = decide(all(low > 0 for *_, low, _ in gains), any(high < 0 for *_, high in gains))
    return status, f"F1 of what was searched for cells minus for classes: {told} (notebook 08)"


def _named(rows, verdict, column=-1) -> list[str]:
    return [row[0] for row in rows if row[column] == verdict]


def _names(names) -> str:
    return ", ".join(name.replace("-", " ") for name in names) or "none"


CHECKS = {
    f.__name__: f
    for f in (
        parameters, counted_network, value, gain, order, abstract_gain, printed_difference,
        patches, slower, over_segmentation, images_counted, told, controls, one_topology,
        searched_for_cells,
    )
}  # fmt: skip


def read_ledger(path: Path = LEDGER) -> list[dict]:
    """The claims as written down; InputError names a claim whose check is not known."""
    claims = tomllib.loads(path.read_text(encoding="utf-8"))["claims"]
    for claim in claims:
        if claim["check"] not in CHECKS:
            raise InputError(f"{path}: claim {claim['id']}: no check {claim['check']!r}.")
    return claims


def settled(claims: Sequence[dict] | None = None) -> list[dict]:
    """Every claim, of the ledger by default, with its status and answer, in order."""
    every = read_ledger() if claims is None else claims
    answers = (CHECKS[claim["check"]](claim) for claim in every)
    return [c | {"status": s, "answer": a} for c, (s, a) in zip(every, answers, strict=True)]


def table(found: Iterable[dict]) -> list[tuple]:
    """Settled claims as rows under HEADER."""
    return [(c["where"], c["says"], c["answer"], c["status"]) for c in found]
