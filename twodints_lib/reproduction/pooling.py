"""A class's results in one table: everybody trains with a seed of their own, and together they know
what one seed cannot tell.

A person hands in a pack (`twodints runs pack`), a record, or a folder with records in it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.messages import log
from twodints_lib.runs import packing, report
from twodints_lib.runs.records import mean_score, scores_by_seed
from twodints_lib.scoring.statistics import paired_difference
from twodints_lib.space.specs import spec_of

HEADER = ("person", "preset", "data", "data_hash", "seed", *report.RESULT_HEADER, "counted")
SUMMARY = ("network", "results", "seeds", "mean F1", "minus {}: mean F1, 95 %")


def pool(folder: str | Path, csv: str | Path) -> str:
    """Write one line for every result of a folder's people to a new table; what they say together.

    Results are compared that were made with one preset on one data set, the commonest in the
    folder; the table says which were left out. Differences are paired by seed and image and need
    two seeds. InputError for a folder without results, or a table that exists.
    """
    if Path(csv).exists() or not Path(csv).parent.is_dir():
        raise InputError(f"--csv {csv}: must be a new file in a folder; choose another name.")
    found = list(_results(Path(folder)))
    if not found:
        raise InputError(f"{folder}: holds no result; give the folder of packs or records.")
    common = Counter(_made_with(r) for _, r in found).most_common(1)[0][0]
    rows = [
        (person, *(r[k] for k in HEADER[1:5]), *report.result_row(r), _counted(r, common))
        for person, r in found
    ]
    files.write_csv(csv, HEADER, rows)
    some = [r for _, r in found if _made_with(r) == common]
    text = summary(some)
    left = len(found) - len(some)
    text += f"\n{left} of other presets or data left out" * bool(left)
    return text + "\nSmoke runs: these numbers are no result." * (not some[0]["is_result"])


def summary(records: list[dict]) -> str:
    """Each network's seeds and mean F1, and its difference to the fixed network with most seeds,
    or, without one, to any with most; as a text."""
    groups = {}
    for record in records:
        groups.setdefault(_network(record), []).append(record)
    order = sorted(groups, key=lambda n: (groups[n][0]["parameters"]["spec"]["kind"] != "unet", n))
    base = max(order, key=lambda n: len({r["seed"] for r in groups[n]}))
    theirs = scores_by_seed(groups[base], "f1")
    rows = []
    for name in order:
        ours = scores_by_seed(groups[name], "f1")
        apart = paired_difference(ours, theirs) if name != base else ""
        told = "needs two seeds of both" if apart is None else str(apart)
        mean = mean_score(groups[name], "f1")
        rows.append((name, len(groups[name]), len(ours), f"{mean:.3f}", told))
    header = (*SUMMARY[:-1], SUMMARY[-1].format(base))
    return report.text_table(header, rows)


def _made_with(record: dict) -> tuple:
    return record["preset"], record["data_hash"]


def _counted(record: dict, common: tuple) -> str:
    return "yes" if _made_with(record) == common else "no: other preset or data"


def _network(record: dict) -> str:
    """What is compared: a kind of network and how long it was trained."""
    title = spec_of(record["parameters"]["spec"]).title
    return f"{title}, {record['parameters']['recipe']['epochs']} epochs"


def _results(folder: Path) -> Iterator[tuple[str, dict]]:
    """Person and record of everything handed in, in order; what is no result is left out aloud."""
    paths = [p for ending in ("*.zip", "*.json") for p in folder.rglob(ending)]
    for path in sorted(p for p in paths if p.name not in ("history.json", "course.json")):
        parts = path.relative_to(folder).parts
        person = parts[0] if len(parts) > 1 else path.stem
        try:
            records = packing.records_in(path) if path.suffix == ".zip" else [files.read_json(path)]
            for record in records:
                _check(record, path)
                yield person, record
        except InputError as error:
            log.warning(f"left out: {error}")


def _check(record, path: Path) -> None:
    """InputError unless this is a trained network's record with a score for each image."""
    try:
        report.result_row(record), _network(record), scores_by_seed([record], "f1")
        json.dumps([record[k] for k in (*HEADER[1:5], "is_result")])
    except InputError:
        raise
    except Exception:  # whatever was handed in under that name
        raise InputError(f"{path}: is no record of a training.") from None
