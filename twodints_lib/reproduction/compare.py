"""Lay two runs beside each other: what differs in their settings, scores, topology, images.

A run is its folder (record.json, history.json), or any record file, for example one of
records/rows/ or records/study/. Differences are always B minus A.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.runs import report, shelf
from twodints_lib.runs.records import flat, image_scores
from twodints_lib.scoring.statistics import Difference, paired_difference
from twodints_lib.space import topology
from twodints_lib.space.specs import DerivedSpec, SupernetSpec, spec_of
from twodints_lib.training.replay import last_alphas

SCORES = {
    "Dice": "dice",
    "Dice of interior": "dice_interior",
    "Dice of boundary": "dice_boundary",
    "F1": "f1",
}
KEYS = ("preset", "seed", "data", "data_hash", "commit", "processes", "row")
NESTED = ("parameters", "settings", "versions", "hardware")
WORDS = ("B better on these images", "A better on these images", "no evidence of a difference")


def read_run(run: str | Path) -> dict:
    """A run's record; with its path, its short name, and the history where there is one.

    A name that is no path is looked for in the store, as `twodints runs list` shows it.
    """
    path = Path(run)
    path = path if path.exists() or path.name != str(run) else shelf.find(str(run))
    path = path / "record.json" if path.is_dir() else path
    record = files.read_json(path)
    if not isinstance(record, dict) or "metrics" not in record:
        raise InputError(f"{path}: is no record of a run; give a run's folder or its record.")
    name = path.parent.name if path.name == "record.json" else path.stem
    history = path.parent / "history.json"
    rows = files.read_json(history)["history"] if path.name == "record.json" else None
    return record | {"path": str(path), "name": name, "history": rows}


def settings(a: dict, b: dict) -> list[tuple]:
    """(key, A's value, B's value) of everything written down that differs; "-" where absent."""
    one, two = (
        {k: r[k] for k in KEYS if k in r} | flat({k: r[k] for k in NESTED if k in r})
        for r in (a, b)
    )
    rows = [(k, one.get(k, "-"), two.get(k, "-")) for k in one | two]
    return [row for row in rows if row[1] != row[2]]


def found_code(record: dict) -> dict | None:
    """The topology of a derived network, or decoded from a supernet's last alphas; else None."""
    told = record.get("parameters", {}).get("spec")
    spec = spec_of(told) if told else None
    if isinstance(spec, DerivedSpec):
        return spec.code
    if isinstance(spec, SupernetSpec) and record["history"]:
        return topology.decode(*last_alphas(record["history"]), spec.names)
    return record.get("code")


def topologies(a: dict, b: dict) -> dict | None:
    """How far two topologies of the same size are apart; None where there are no such two.

    `paths`: paths on in one and off in the other, of `of` path switches. `operations`: of the
    `shared` paths on in both, those with another operation.
    """
    codes = [found_code(r) for r in (a, b)]
    if None in codes:
        return None
    one, two = (np.array(c["paths"], bool) for c in codes)
    if one.shape != two.shape:
        return None
    blocks = zip(*(topology.edges(c) for c in codes), strict=True)
    shared = [(x[p], y[p]) for x, y in blocks for p in x.keys() & y.keys()]
    return {
        "paths": int((one != two).sum()),
        "of": one.size,
        "shared": len(shared),
        "operations": sum(x != y for x, y in shared),
    }


def images(a: dict, b: dict) -> dict:
    """For Dice, its two parts where they are kept, and F1: {"a", "b" means, "difference" (mean,
    low, high), "won", "lost", "tied", "gains", "losses"}; the last two name the five images that B
    wins or loses most."""
    theirs = image_scores(b, "f1")
    names = [n for n in image_scores(a, "f1") if n in theirs]
    if len(names) < 2:
        raise InputError(
            f"{b['path']}: shares {len(names) or 'no'} image with {a['path']}; take runs on one "
            "data, of two images at least."
        )
    modality = {r["name"]: r["modality"] for x in (a, b) for r in x["metrics"].get("per_image", [])}
    found = {"names": names, "modalities": [modality.get(n, "unknown") for n in names]}
    for word, score in SCORES.items():
        one, two = (image_scores(record, score) for record in (a, b))
        difference = paired_difference({0: two}, {0: one}, least=1)
        if not difference:  # a head that draws no classes has no Dice
            continue
        pairs = pd.DataFrame({"a": one, "b": two}, index=names, dtype=float)
        change = (pairs["b"] - pairs["a"]).dropna()
        found[word] = {
            **pairs.dropna().mean(),
            "difference": difference[:3],
            "won": int((change > 0).sum()),
            "lost": int((change < 0).sum()),
            "tied": int((change == 0).sum()),
            "gains": list(change[change > 0].nlargest(5).items()),
            "losses": list(change[change < 0].nsmallest(5).items()),
            "pairs": [[one[n], two[n]] for n in names],
        }
    return found


def compare(a: str | Path, b: str | Path) -> dict:
    """Everything of two runs beside each other; InputError where they can't be compared."""
    one, two = read_run(a), read_run(b)
    if one.get("data_hash") != two.get("data_hash"):
        raise InputError(
            f"{two['path']}: was scored on {two.get('data')} ({two.get('data_hash')}), "
            f"{one['path']} on {one.get('data')} ({one.get('data_hash')}); take runs on one data."
        )
    return {
        "a": one["name"],
        "b": two["name"],
        "settings": settings(one, two),
        "topology": topologies(one, two),
        "images": images(one, two),
    }


def text(found: dict) -> str:
    """The comparison as plain text."""
    lines = [f"A: {found['a']}", f"B: {found['b']}", ""]
    rows = [(k, _short(x), _short(y)) for k, x, y in found["settings"]]
    lines.append(report.text_table(("differs", "A", "B"), rows) if rows else "nothing differs")
    apart = found["topology"]
    if apart:
        lines.append(
            f"\ntopology: {apart['paths']} of {apart['of']} path switches differ, and "
            f"{apart['operations']} operations on the {apart['shared']} paths that both have on"
        )
    for score in (s for s in SCORES if s in found["images"]):
        f = found["images"][score]
        gain = Difference(*f["difference"], 1, len(f["pairs"]))
        means = f"A {f['a']:.3f}, B {f['b']:.3f}, B minus A {gain}"
        lines.append(f"\n{score}: {means}: {gain.verdict(*WORDS)}")
        lines.append(f"B wins {f['won']} images, loses {f['lost']}, ties {f['tied']}")
        for word, some in (("won most", f["gains"]), ("lost most", f["losses"])):
            if some:
                lines.append(f"{word}: " + ", ".join(f"{n} {gain:+.2f}" for n, gain in some))
    lines.append("\nIntervals are over images: one run each says nothing of other seeds.")
    return "\n".join(lines)


def _short(value) -> str:
    words = str(value)
    return words if len(words) <= 40 else f"{words[:37]}..."
