"""The claims ledger: every claim of the paper, what answers it, and how it stands.

records/claims.toml says where a claim stands in the paper and which check of this module answers
it; a check computes its answer from the networks, the paper's own tables or the records.
"""

import tomllib
from functools import lru_cache

import numpy as np

from twodints_lib import files
from twodints_lib.data import manifest
from twodints_lib.errors import InputError
from twodints_lib.reproduction import results, table4
from twodints_lib.runs import paper
from twodints_lib.space import networks

LEDGER = files.shipped("records") / "claims.toml"
SCALE = table4.RECORDS / "quarter-micro4"  # the rows that stand in for the paper's
EXACT = "reproduced exactly"
SMALLER = "reproduced at smaller scale"
UNDECIDED = "tested at smaller scale, not decided"
AGAINST = "contradicted at smaller scale"
INCONSISTENT = "inconsistent within the paper"
NOT = "not attempted"
STATUSES = (EXACT, SMALLER, UNDECIDED, AGAINST, INCONSISTENT, NOT)
HEADER = ("where", "what the paper says", "answer", "status")


@lru_cache(maxsize=16)
def _records(folder) -> dict:
    return table4.load(folder)


def parameters(claim):
    """Equal to the last digit, or not."""
    row = paper.row(claim["row"])
    ours = networks.count_parameters(networks.build(row.spec))
    if ours == claim["number"]:
        return EXACT, f"{ours:,}"
    return INCONSISTENT, f"{ours:,}; the printed number is that of two operations"


def counted_network(claim):
    """Are the printed sizes those of supernets, architecture parameters in the count?"""
    net = networks.build(paper.row(claim["row"]).spec)
    alphas = sum(p.numel() for p in networks.arch_parameters(net))
    whole = networks.count_parameters(net)
    good = whole == claim["number"] and alphas > 0
    return (
        EXACT if good else INCONSISTENT,
        f"the supernet has {whole:,}, {alphas} of them architecture parameters; no derived "
        f"network holds these, not even one with every path",
    )


def value(claim):
    """A row's printed Dice or F1: full scale needs the challenge's images and days of a GPU."""
    some = _records(SCALE)[claim["row"]]
    key = {"dice": "mean_dice", "f1": "mean_f1"}[claim["score"]]
    words = "needs the challenge's images and days of a GPU"
    if some:
        ours = np.mean([r["metrics"][key] for r in some])
        words += f"; at the quarter preset's scale on micro4: {ours:.3f}, {_seeds(some)}"
    return NOT, words


def gain(claim):
    """Does `first` beat `second` in our rows at smaller scale, as the paper says it does?"""
    every = _records(SCALE)
    score = ("dice", "f1").index(claim["score"])
    found = table4.difference(every[claim["first"]], every[claim["second"]], score)
    if found is None:
        return NOT, "fewer than two seeds of both rows: no interval"
    mean, low, high = found
    words = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}], {_seeds(every[claim['first']])}"
    sign = np.sign(claim["number"])
    if low <= 0 <= high:
        return UNDECIDED, words
    return (SMALLER if mean * sign > 0 else AGAINST), words


def _seeds(records) -> str:
    return f"{len(records)} seed{'s' * (len(records) > 1)}"


def order(claim):
    """How our Dice of the rows ranks beside the paper's (Spearman), means over seeds."""
    from scipy.stats import spearmanr

    every = _records(SCALE)
    both = [(r.dice, np.mean([x["metrics"]["mean_dice"] for x in every[r.name]]))
            for r in paper.ROWS if every[r.name]]  # fmt: skip
    if len(both) < 5:
        return NOT, f"{len(both)} of 9 rows run"
    rho, p = spearmanr(*zip(*both, strict=True))
    words = f"rank correlation {rho:+.2f} (p = {p:.2f}) over {len(both)} rows"
    if p > 0.05:
        return UNDECIDED, words
    return (SMALLER if rho > 0 else AGAINST), words


def abstract_gain(claim):
    """Is any difference of Table 5 what the abstract says?"""
    f1 = sorted(r.f1 for r in paper.TABLE_5)
    steps = sorted({round(b - a, 3) for a in f1 for b in f1 if b > a})
    if any(abs(s - claim["number"]) < claim["tolerance"] for s in steps):
        return EXACT, "a difference of Table 5"
    return INCONSISTENT, f"Table 5's rows differ by {', '.join(f'{s:.3f}' for s in steps)}"


def printed_difference(claim):
    """Is the number the difference of two Dice values of Table 4?"""
    found = paper.row(claim["first"]).dice - paper.row(claim["second"]).dice
    good = abs(found - claim["number"]) <= claim["tolerance"]
    return (EXACT if good else INCONSISTENT), f"{found:.3f} between the two rows of Table 4"


def patches(claim):
    """Table 2's patch sizes beside Table 4's."""
    sizes = sorted({r.patch for r in paper.ROWS})
    return (
        EXACT if sizes == claim["sizes"] else INCONSISTENT,
        f"Table 4 says {' and '.join(map(str, sizes))} pixels, row by row",
    )


def slower(claim):
    """Is a step of a DiNTS row slower than UNet's on the same machine?"""
    every = _records(SCALE)
    first, second = every[claim["first"]], every[claim["second"]]
    if not first or not second:
        return NOT, "the rows have not been run"
    ratio = np.median([r["step_seconds"] / r["settings"]["batch"] for r in first]) / np.median(
        [r["step_seconds"] / r["settings"]["batch"] for r in second]
    )
    theirs = paper.row(claim["first"]).minutes / paper.row(claim["second"]).minutes
    words = f"{ratio:.1f} times UNet's time an image; {theirs:.1f} times its hours in Table 3"
    return (SMALLER if ratio > 1 else AGAINST), words


def over_segmentation(claim):
    """Are more cells split than merged? Counted on the 3-class networks of our rows.

    A second piece of a cell that was found counts as spurious, so the truth of "split" lies
    between the cells named so and those and the spurious together.
    """
    path = files.shipped("records") / "bench-errors.json"
    if not path.is_file():
        return NOT, "no record of the errors' kinds"
    counts = [r["errors"] for r in files.read_json(path)["rows"] if r["row"].startswith("dints")]
    total = {k: sum(c[k] for c in counts) for k in ("split", "merged", "spurious")}
    words = "{merged:,} cells merged, {split:,} split, {spurious:,} predictions spurious, some of "
    words = words.format(**total) + f"them second pieces; over {len(counts)} runs"
    if total["split"] > total["merged"]:
        return SMALLER, words
    either = total["split"] + total["spurious"]
    return (AGAINST if either < total["merged"] else UNDECIDED), words


def images_counted(claim):
    """The modalities' numbers, from the ids of the manifest."""
    told = manifest.load_manifest("neurips2022")
    counts = told["counts"]["training"]
    noted = [r for r in told["ranges"] if r.get("note", "").startswith("disputed")]
    disputed = sum(r["last"] - r["first"] + 1 for r in noted)
    good = [counts["brightfield"] + disputed, counts["phase-contrast"] - disputed] == claim["sizes"]
    words = f"with the {disputed} disputed images (ids 142-144) counted as brightfield"
    return (EXACT if good and sum(counts.values()) == claim["number"] else INCONSISTENT), words


def told(claim):
    """What no code can compute: status and answer stand in the ledger itself."""
    return claim["status"], claim["answer"]


def leads(claim):
    """Is `first` ahead of each of `others` in our rows at smaller scale?"""
    every = _records(SCALE)
    gains = {o: table4.difference(every[claim["first"]], every[o]) for o in claim["others"]}
    if None in gains.values():
        return NOT, "fewer than two seeds of a row: no interval"
    words = "; ".join(f"over {o} {m:+.3f} [{a:+.3f}, {b:+.3f}]" for o, (m, a, b) in gains.items())
    if any(high < 0 for *_, high in gains.values()):
        return AGAINST, words
    return (SMALLER if all(low > 0 for _, low, _ in gains.values()) else UNDECIDED), words


def controls(claim):
    """Does the paper's kind of search beat every network that nobody searched? (make study)"""
    found = results.differences(results.load("controls"), "searched-paper")
    if not found:
        return NOT, "no record of the study"
    helped, hurt = (
        [name for name, *_, word in found if word == f"search {how}"] for how in ("helped", "hurt")
    )
    words = f"the paper has no random or fixed topology beside it; ours: of {len(found)} that "
    words += f"nobody searched, Dice below the search's for {_names(helped)}, above it for "
    words += f"{_names(hurt)}, not decided for the rest"
    status = SMALLER if len(helped) == len(found) else AGAINST if hurt else UNDECIDED
    return status, words


def one_topology(claim):
    """Is a search for one modality alone no better than the search for all? (make study)"""
    found = results.modality_rows(results.load("modalities"))
    if not found:
        return NOT, "no record of the study"
    own, joint = (
        [name for name, *_, word in found if word == f"{which} better"]
        for which in ("own", "joint")
    )
    words = f"a topology searched for one modality alone beats the joint one for {_names(own)}, "
    words += f"loses for {_names(joint)}, not decided for the rest; {found[0][1]} seeds"
    status = AGAINST if own else SMALLER if len(joint) == len(found) else UNDECIDED
    return status, words


def _names(names) -> str:
    return ", ".join(name.replace("-", " ") for name in names) or "none"


CHECKS = {
    f.__name__: f
    for f in (
        parameters, counted_network, value, gain, order, abstract_gain, printed_difference,
        patches, slower, over_segmentation, images_counted, told, leads, controls, one_topology,
    )
}  # fmt: skip


def load(path=LEDGER) -> list[dict]:
    """The claims as written down; InputError names a claim whose check is not known."""
    claims = tomllib.loads(path.read_text())["claims"]
    for claim in claims:
        if claim["check"] not in CHECKS:
            raise InputError(f"{path}: claim {claim['id']}: no check {claim['check']!r}.")
    return claims


def settled(claims=None) -> list[dict]:
    """Every claim with its status and answer, in the ledger's order."""
    found = []
    for claim in load() if claims is None else claims:
        status, answer = CHECKS[claim["check"]](claim)
        found.append(claim | {"status": status, "answer": answer})
    return found


def table(found: list[dict], statuses=STATUSES) -> list[tuple]:
    """Rows under HEADER, of the given statuses."""
    return [
        (c["where"], c["says"], c["answer"], c["status"]) for c in found if c["status"] in statuses
    ]
