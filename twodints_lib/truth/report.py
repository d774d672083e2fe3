"""The tables of truth, lengths, searches and proxies that `twodints table` prints, from files.

No torch: (header, rows) of every table of truth that lies in a folder.
"""

from collections.abc import Iterator
from pathlib import Path

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.truth import ranking, regret, reliability
from twodints_lib.truth.table import FOLDER, Table, load, names

Rows = tuple[tuple[str, ...], list[tuple]]
TOLD = {
    "interior_dice": "interior Dice",
    "boundary_dice": "boundary Dice",
    "f1": "F1, official",
    "f1_best": "F1, best decoder",
}
TRUTH_HEADER = ("table", "networks", "seeds", "lengths", "data", "hardware", *TOLD.values())
NONE = "no table of truth yet; make them with `make table-of-truth`, which takes hours."


def truth(folder: Path = FOLDER) -> Rows:
    """Every table: its networks, seeds, lengths, data and hardware; of each score the reliability
    of its mean over seeds, by ranks, with its interval."""
    return TRUTH_HEADER, [_row(table) for table in _every(folder)]


def _row(table: Table) -> tuple:
    machine = table.made.get("hardware", {})
    facts = (len(table), len(table.seeds), ", ".join(map(str, table.epochs)))
    facts += (table.made.get("data", ""), machine.get("gpu") or machine.get("cpu", ""))
    of = [
        str(reliability.reliability(table, s).of_mean()) if s in table.scores else "" for s in TOLD
    ]
    return (table.name, *facts, *of)


LENGTHS_HEADER = ("table", "steps", *TOLD.values())


def lengths(folder: Path = FOLDER) -> Rows:
    """How well one seed ranks the networks like another, after each length of training."""
    found = [
        (table.name, steps, *(str(reliability.reliability(table, s, steps).rank) for s in TOLD))
        for table in _every(folder)
        for steps in table.epochs
        if set(TOLD) <= set(table.scores)
    ]
    return LENGTHS_HEADER, found


def details(name: str, folder: Path = FOLDER) -> Rows:
    """The reliability of every score of one table at every length."""
    return reliability.HEADER, reliability.rows(reliability.every(load(name, folder)))


def searches(folder: Path = FOLDER) -> Rows:
    """The regret of every search on every table, from records/truth/<name>-searches.json."""
    found = [row for table in _every(folder) for row in _of_searches(table, folder)]
    return regret.HEADER, _some(found, "searches")


def proxies(folder: Path = FOLDER) -> Rows:
    """Every predictor on every table, from records/truth/<name>-proxies.json."""
    found = [row for table in _every(folder) for row in _of_proxies(table, folder)]
    return ranking.HEADER, _some(found, "proxies")


def _every(folder) -> Iterator[Table]:
    found = names(folder)
    if not found:
        raise InputError(NONE)
    return (load(name, folder) for name in found)


def _some(rows, what):
    if not rows:
        raise InputError(f"no record of {what} yet; make one with `twodints truth {what} NAME`.")
    return rows


def _of_searches(table, folder):
    path = regret.path_of(table.name, folder)
    return regret.rows(record_of(table, path, "searches")) if path.is_file() else []


def _of_proxies(table, folder):
    path = ranking.path_of(table.name, folder)
    return ranking.rows(table, record_of(table, path, "proxies")) if path.is_file() else []


def record_of(table: Table, path: Path, what: str) -> dict:
    """A record beside a table; InputError where it was made from another table of that name."""
    record = files.read_json(path)
    if record.get("digest") != table.made.get("digest"):
        raise InputError(
            f"{path}: is of another table than {table.name} now is; make it anew with `twodints "
            f"truth {what} {table.name}`."
        )
    return record


TABLES = {"truth": truth, "lengths": lengths, "searches": searches, "proxies": proxies}
