"""Lay two runs beside each other: what differs in their settings, scores, topology, images.

A run is its folder (record.json, history.json), or any record file, for example one of
records/rows/ or records/study/. Differences are always B minus A.
"""

from pathlib import Path

import numpy as np

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.runs import report
from twodints_lib.scoring.statistics import paired_bootstrap
from twodints_lib.space import topology
from twodints_lib.space.specs import DerivedSpec, SupernetSpec, spec_of
from twodints_lib.training.replay import last_alphas

SCORES = ("Dice", "F1")
KEYS = ("preset", "seed", "data", "data_hash", "commit", "processes", "row")
NESTED = ("parameters", "settings", "versions", "hardware")


def read(run) -> dict:
    """A run's record; with its path, its short name, and the history where there is one."""
    path = Path(run)
    path = path / "record.json" if path.is_dir() else path
    record = files.read_json(path)
    if not isinstance(record, dict) or "metrics" not in record:
        raise InputError(f"{path}: is no record of a run; give a run's folder or its record.")
    name = path.parent.name if path.name == "record.json" else path.stem
    history = path.parent / "history.json"
    rows = files.read_json(history)["history"] if path.name == "record.json" else None
    return record | {"path": str(path), "name": name, "history": rows}


def scores(record: dict) -> dict[str, tuple]:
    """{image: (Dice, F1)} of a run's record, whole or slim; nan for an image without a class."""
    metrics = record["metrics"]
    if "per_image" in metrics:
        found = {r["name"]: (r["dice"], r["f1"]) for r in metrics["per_image"]}
    elif "images" in metrics:
        found = {name: tuple(pair) for name, pair in metrics["images"].items()}
    else:
        raise InputError(f"{record['path']}: holds no score of each image; give another record.")
    return {n: tuple(np.nan if v is None else v for v in pair) for n, pair in found.items()}


def flat(value, key="") -> dict:
    """Nested settings as {"dotted.key": value}; lists and codes stay whole."""
    if not isinstance(value, dict) or key.endswith("code"):
        return {key: value}
    parts = (flat(v, f"{key}.{k}" if key else k) for k, v in value.items())
    return {k: v for part in parts for k, v in part.items()}


def settings(a: dict, b: dict) -> list[tuple]:
    """(key, A's value, B's value) of everything written down that differs; "-" where absent."""
    one, two = (
        {k: r[k] for k in KEYS if k in r} | flat({k: r[k] for k in NESTED if k in r})
        for r in (a, b)
    )
    keys = list(one) + [k for k in two if k not in one]
    return [
        (k, one.get(k, "-"), two.get(k, "-")) for k in keys if one.get(k, "-") != two.get(k, "-")
    ]


def code_of(record: dict) -> dict | None:
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
    codes = [code_of(r) for r in (a, b)]
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
    """For Dice and F1: {"a", "b" means, "difference" (mean, low, high), "won", "lost", "tied",
    "gains", "losses"}; the last two name the five images that B wins or loses most."""
    one, two = scores(a), scores(b)
    names = [n for n in one if n in two]
    if not names:
        raise InputError(f"{b['path']}: shares no image with {a['path']}; take runs on one data.")
    modality = {r["name"]: r["modality"] for x in (a, b) for r in x["metrics"].get("per_image", [])}
    found = {"names": names, "modalities": [modality.get(n, "unknown") for n in names]}
    for k, score in enumerate(SCORES):
        pair = np.array([[one[n][k] for n in names], [two[n][k] for n in names]], float)
        known = ~np.isnan(pair).any(0)
        if not known.any():  # a head that draws no classes has no Dice
            continue
        gain, own = (pair[1] - pair[0])[known], [n for n, k in zip(names, known, strict=True) if k]
        order = np.argsort(gain, kind="stable")
        found[score] = {
            "a": float(pair[0][known].mean()),
            "b": float(pair[1][known].mean()),
            "difference": paired_bootstrap(pair[1][known], pair[0][known]),
            "won": int((gain > 0).sum()),
            "lost": int((gain < 0).sum()),
            "tied": int((gain == 0).sum()),
            "gains": [(own[i], float(gain[i])) for i in order[::-1][:5] if gain[i] > 0],
            "losses": [(own[i], float(gain[i])) for i in order[:5] if gain[i] < 0],
            "pairs": [[None if v != v else v for v in two] for two in pair.T.tolist()],
        }
    return found


def compare(a, b) -> dict:
    """Everything of two runs beside each other; InputError where they can't be compared."""
    one, two = read(a), read(b)
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


def verdict(low: float, high: float) -> str:
    """What an interval over images allows to say of two single runs."""
    if low <= 0 <= high:
        return "no evidence of a difference"
    return "B better on these images" if low > 0 else "A better on these images"


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
        mean, low, high = f["difference"]
        lines.append(
            f"\n{score}: A {f['a']:.3f}, B {f['b']:.3f}, B minus A {mean:+.3f} "
            f"[{low:+.3f}, {high:+.3f}]: {verdict(low, high)}"
        )
        lines.append(f"B wins {f['won']} images, loses {f['lost']}, ties {f['tied']}")
        for word, some in (("won most", f["gains"]), ("lost most", f["losses"])):
            if some:
                lines.append(f"{word}: " + ", ".join(f"{n} {gain:+.2f}" for n, gain in some))
    lines.append("\nIntervals are over images: one run each says nothing of other seeds.")
    return "\n".join(lines)


def _short(value) -> str:
    words = str(value)
    return words if len(words) <= 40 else f"{words[:37]}..."
