"""A table of truth as plain arrays: save it, load it, ask it. No torch.

records/truth/<name>.npz holds the arrays, records/truth/<name>.json what made them.
"""

import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from twodints_lib import files
from twodints_lib.errors import InputError
from twodints_lib.runs import records
from twodints_lib.space import topology
from twodints_lib.space.operations import TWO

FOLDER = records.HOME / "truth"
OPERATION = "3x3"  # the one of every path that is on: a table is about topology alone
ARRAYS = {"paths": 3, "seeds": 1, "epochs": 1, "seconds": 3}  # and their dimensions


@dataclass(frozen=True)
class Table:
    """Every network of a space with what its trainings reached.

    `codes`: the networks (topology.py), all of 3x3 convolutions. `scores`: by name, each
    (networks, seeds, epochs) float32: "interior_dice", "boundary_dice", "f1" (official recipe),
    "f1_best" (best decoder), "f1_<modality>". `costs`: by name, each (networks,): "parameters",
    "macs", "activation_bytes". `seconds`: of training, (networks, seeds, epochs). `epochs`: the
    lengths of training, shortest first, points of one training. `made`: what made it, settings
    and hardware among them, and "not_in_pilot": for each network, whether the settings were
    chosen without it.
    """

    name: str
    codes: list[dict]
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    scores: dict[str, np.ndarray]
    costs: dict[str, np.ndarray]
    seconds: np.ndarray
    made: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.codes)

    def __post_init__(self):
        shape = (len(self.codes), len(self.seeds), len(self.epochs))
        wanted = {**dict.fromkeys(self.scores, shape), "seconds": shape}
        wanted |= dict.fromkeys(self.costs, shape[:1])
        for key, array in {**self.scores, **self.costs, "seconds": self.seconds}.items():
            if np.shape(array) != wanted[key] or not np.isfinite(array).all():
                raise InputError(
                    f"table {self.name}: '{key}' must be finite and of the shape {wanted[key]}; "
                    "make the table whole."
                )
        if list(self.epochs) != sorted(set(self.epochs)):
            raise InputError(f"table {self.name}: epochs {self.epochs} must rise; sort them.")

    @cached_property
    def bits(self) -> np.ndarray:
        """(networks, all paths) uint8: 1 where a path is on, block after block."""
        paths = np.array([code["paths"] for code in self.codes], np.uint8)
        return paths.reshape(len(paths), -1)

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {_key(code["paths"]): i for i, code in enumerate(self.codes)}

    def place(self, code: dict) -> int:
        """The row number of a code's network; InputError for a code that the table lacks."""
        rows = topology.edges(code)
        if any(taken != (OPERATION,) for row in rows for taken in row.values()):
            raise InputError(
                f"code: table {self.name} knows paths of '{OPERATION}' alone; "
                "ask for truth.convolving(code)."
            )
        found = self._places.get(_key(code["paths"]))
        if found is None:
            shape = np.shape(self.codes[0]["paths"])
            raise InputError(
                f"code: is none of the {len(self)} in table {self.name}, of {shape[0]} blocks at "
                f"{topology.depths_of(self.codes[0]['paths'])} resolutions; take one of its codes."
            )
        return found

    def query(
        self, code: dict, seed: int | None = None, epochs: int | None = None
    ) -> dict[str, float]:
        """What a training of this network reached: every score, every cost, and "seconds".

        The mean over seeds where `seed` is None; the full length where `epochs` is None.
        InputError for a code, a seed or a length that the table lacks.
        """
        row, length = self.place(code), -1
        seeds = slice(None) if seed is None else self._index("seed", self.seeds, seed)
        if epochs is not None:
            length = self.length(epochs)
        found = {k: float(x[row, seeds, length].mean()) for k, x in self.scores.items()}
        found |= {k: float(x[row]) for k, x in self.costs.items()}
        return found | {"seconds": float(self.seconds[row, seeds, length].mean())}

    def length(self, epochs: int) -> int:
        """The place of a length of training among `epochs`; InputError for an unknown one."""
        return self._index("epochs", self.epochs, epochs)

    def _index(self, what: str, known: tuple[int, ...], value: int) -> int:
        if value not in known:
            there = ", ".join(map(str, known))
            raise InputError(f"{what}={value}: table {self.name} has {there}; take one of them.")
        return known.index(value)

    def truth(self, score: str) -> np.ndarray:
        """(networks,): the mean over seeds at full length; InputError for an unknown score."""
        return self.score(score)[:, :, -1].mean(1)

    def rank(self, code: dict, score: str) -> int:
        """The place of a network when all are ordered by the mean over seeds; 1 is the best."""
        truth = self.truth(score)
        return 1 + int((truth > truth[self.place(code)]).sum())

    def score(self, name: str) -> np.ndarray:
        """(networks, seeds, epochs) of one score, float64; InputError for an unknown one."""
        if name not in self.scores:
            raise InputError(
                f"score {name!r}: table {self.name} has {', '.join(self.scores)}; take one of them."
            )
        return self.scores[name].astype(np.float64)


def _key(paths) -> bytes:
    paths = np.asarray(paths, np.uint8)
    return bytes(paths.shape) + paths.tobytes()


def convolving(code: dict) -> dict:
    """The code with the same paths, each a 3x3 convolution: the one that a table knows."""
    paths = code["paths"]
    return topology.as_code(paths, np.full(np.shape(paths), TWO.index(OPERATION)), TWO)


def names(folder: Path = FOLDER) -> list[str]:
    """The names of the tables that lie in a folder, in order."""
    return sorted(p.stem for p in Path(folder).glob("*.npz"))


def save(table: Table, folder: Path = FOLDER) -> Path:
    """Write <name>.npz, and <name>.json with what made it; the path of the first."""
    arrays = {
        "paths": np.array([code["paths"] for code in table.codes], np.uint8),
        "seeds": np.array(table.seeds),
        "epochs": np.array(table.epochs),
        "seconds": np.asarray(table.seconds, np.float32),
    }
    arrays |= {f"score {k}": np.asarray(x, np.float32) for k, x in table.scores.items()}
    arrays |= {f"cost {k}": np.asarray(x) for k, x in table.costs.items()}
    path = Path(folder) / f"{table.name}.npz"
    with files.whole_file(path) as made:
        np.savez_compressed(made, **arrays)
    told = {"name": table.name, "networks": len(table), "digest": files.digest(path)}
    told |= {"seeds": list(table.seeds), "epochs": list(table.epochs)}
    files.write_json(path.with_suffix(".json"), table.made | told)
    return path


def load(name: str, folder: Path = FOLDER) -> Table:
    """The table of that name, "cells-711" for example; InputError for an unknown name or a broken
    file."""
    path = Path(folder) / f"{name}.npz"
    if not path.is_file():
        there = ", ".join(names(folder)) or "none yet: make table-of-truth"
        raise InputError(f"table {name!r}: is not in {folder}; there are {there}.")
    try:
        with np.load(path) as found:
            arrays = dict(found)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); take it from the repository."
        ) from None
    if any(k not in arrays or arrays[k].ndim != n for k, n in ARRAYS.items()):
        raise InputError(f"{path}: is no table of truth; take it from the repository.")

    def of(kind):
        return {k.removeprefix(kind): x for k, x in arrays.items() if k.startswith(kind)}

    return Table(
        name,
        [convolving({"paths": paths}) for paths in arrays["paths"]],
        tuple(arrays["seeds"].tolist()),
        tuple(arrays["epochs"].tolist()),
        of("score "),
        of("cost "),
        arrays["seconds"],
        files.read_json(path.with_suffix(".json")),
    )
