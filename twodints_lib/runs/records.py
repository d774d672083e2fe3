"""Records, read in one way: those of rows, studies and courses, a JSON file each.

A training that is written down for good keeps of each image four scores alone: a slim record. The
class Dice is the mean of those of interior and boundary; the oldest records keep it and F1 only.
"""

from collections.abc import Iterable
from pathlib import Path

from twodints_lib import files
from twodints_lib.errors import InputError

HOME = files.shipped("records")
ROWS, STUDIES = HOME / "rows", HOME / "study"
SCORES = ("dice", "f1", "dice_interior", "dice_boundary")


def load_records(folder: Path, pattern: str = "*.json") -> dict[str, dict]:
    """The records of a folder by the names of their files, in order; empty where there are none."""
    return {p.stem: files.read_json(p) for p in sorted(Path(folder).glob(pattern))}


def slim(record: dict) -> dict:
    """A run's record with the SCORES of each image, and none of the rest of its images' rows."""
    metrics = {k: v for k, v in record["metrics"].items() if k != "per_image"}
    metrics["images"] = {
        r["name"]: [r.get(s) for s in SCORES] for r in record["metrics"]["per_image"]
    }
    return record | {"metrics": metrics}


def image_scores(record: dict, score: str, part: str = "metrics") -> dict[str, float | None]:
    """{image: its score}, one of SCORES, of a record, slim or whole; None for one without.

    `part` is "metrics", the validation images, or "test". InputError where no image is told.
    """
    told = record[part]
    if "images" in told:
        images = told["images"].items()
        return {name: dict(zip(SCORES, kept, strict=False)).get(score) for name, kept in images}
    if "per_image" not in told:
        raise InputError(
            f"{record.get('path', 'record')}: holds no score of each image; give another record."
        )
    return {row["name"]: row.get(score) for row in told["per_image"]}


def mean_score(records: Iterable[dict], score: str) -> float | None:
    """The mean of a score over the images of records, of those that have one; None without any."""
    every = (s for r in records for s in image_scores(r, score).values() if s is not None)
    kept = list(every)
    return sum(kept) / len(kept) if kept else None


def scores_by_seed(
    records: Iterable[dict], score: str, part: str = "metrics"
) -> dict[int, dict[str, float | None]]:
    """{seed: {image: score}}, what a paired difference takes.

    Of several records of one seed it is their mean, None where one of them has no score.
    """
    every = {}
    for record in records:
        every.setdefault(record["seed"], []).append(image_scores(record, score, part))
    return {
        seed: {n: _mean([scores.get(n) for scores in some]) for n in some[0]}
        for seed, some in every.items()
    }


def _mean(values: list) -> float | None:
    return None if None in values else sum(values) / len(values)


def flat(value, key: str = "") -> dict:
    """Nested settings as {"dotted.key": value}; lists and codes stay whole."""
    if not isinstance(value, dict) or key.endswith("code"):
        return {key: value}
    parts = (flat(v, f"{key}.{k}" if key else k) for k, v in value.items())
    return {k: v for part in parts for k, v in part.items()}


def check_made(path: Path, record: dict, wanted: dict) -> None:
    """InputError unless the record found at `path` was made with what is `wanted` of it now.

    `wanted` is a part of the record to be, for example {"settings": ..., "data_hash": ...}. What
    both name must be equal; a record older than a setting is held to those that it names.
    """
    has = flat(record)
    for key, value in flat(wanted).items():
        if has.get(key, value) != value:
            raise InputError(
                f"{path}: was made with other settings or data ({key} was {has[key]} and would be "
                f"{value}); move it away to run it anew."
            )
