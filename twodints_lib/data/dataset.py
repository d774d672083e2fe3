"""Data sets: a data set's name, or a folder of labelled images, as a list of items.

`open_data` takes the name of a manifest, or any folder of the shapes told in
data_manifest/folder.toml, and gives a Dataset. What it cannot read is an InputError.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from twodints_lib import fingerprint
from twodints_lib.data.doubles import doubles
from twodints_lib.data.images import image_files, name_of, plain_stem
from twodints_lib.data.manifest import load_manifest, manifests
from twodints_lib.errors import InputError
from twodints_lib.files import cache_dir, digest, read_csv, whole_file, whole_folder
from twodints_lib.lab.cells import MODALITIES
from twodints_lib.lab.optics import make_simulated
from twodints_lib.messages import log

SPLITS = ("train", "val", "test")
# The challenge's other archives: folder, split, start of the names (Tuning's are those of training
# again), folders of images and labels. Labels of the hidden images were never published.
CHALLENGE = (
    ("Tuning", "test", "tuning_", "images", "labels"),
    ("Testing/Public", "public", "", "images", "labels"),
    ("Testing/Public", "slides", "", "WSI", "WSI-labels"),
    ("Testing/Hidden", "hidden", "hidden_", "images", "labels"),
)
LARGE = 2**28  # bytes: hashing more than that at every opening would be felt
# Spellings met in the wild, without case, spaces, hyphens and underscores.
WORDS = {
    "brightfield": ("brightfield", "bf"),
    "fluorescence": ("fluorescence", "fluorescent", "fluo", "fl"),
    "phase-contrast": ("phasecontrast", "phase", "pc"),
    "DIC": ("dic", "differentialinterferencecontrast"),
    "unknown": ("unknown", ""),
}
SPLIT_WORDS = {"training": "train", "validation": "val", "testing": "test", "held-out": "test"}


@dataclass(frozen=True)
class Item:
    """One image: its name, modality ("unknown" where not told), split ("train"...) and files."""

    name: str
    modality: str
    split: str
    image: Path
    label: Path | None


@dataclass(frozen=True)
class Dataset:
    """Items sorted by name; `hash`: 16 hex digits over all that their files hold and are called."""

    name: str
    root: Path
    items: tuple[Item, ...]
    hash: str

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that occur, in the order of MODALITIES, "unknown" last."""
        return tuple(m for m in WORDS if any(i.modality == m for i in self.items))

    def split(self, name: str, modality: str | None = None, limit: int | None = None) -> list[Item]:
        """Items of split "train", "val" or "test", of one modality, at most `limit` of each.

        InputError for a split or modality without images.
        """
        wanted = None if modality is None else normal_modality(modality, "modality")
        found = [i for i in self.items if i.split == name and wanted in (None, i.modality)]
        if not found:
            held = ", ".join(sorted({f"{i.split} {i.modality}" for i in self.items}))
            asked = f"{name} {wanted}" if wanted else name
            raise InputError(f"{self.root}: has no {asked} images; take one of: {held}.")
        if limit is not None and limit < 1:
            raise InputError(f"limit is {limit}; give at least 1 image a modality.")
        groups = ([i for i in found if i.modality == m][:limit] for m in self.modalities)
        return sorted((i for group in groups for i in group), key=lambda i: i.name)


def normal_modality(word: str | None, where: str) -> str:
    """One of MODALITIES or "unknown" from a usual spelling; `where` starts the error's sentence."""
    plain = re.sub(r"[\s_-]+", "", word or "").lower()
    for modality, spellings in WORDS.items():
        if plain in spellings:
            return modality
    raise InputError(f"{where}: '{word}' is no modality; write one of {', '.join(MODALITIES)}.")


def simulated_path(cache: Path | None = None) -> Path:
    """Where the simulated data go: a hash in the name changes with settings and generator."""
    made = [load_manifest("simulated")["settings"], fingerprint.of_modules("lab.optics")]
    return Path(cache or cache_dir()) / f"simulated-{fingerprint.digest(made)}"


def split_90_10(names: Iterable[str], seed: int = 2022) -> tuple[list[str], list[str]]:
    """(train, val) by the challenge's rule: sorted names shuffled, first 10 % (>= 1) are val."""
    names = sorted(names)
    order = np.random.RandomState(seed).permutation(len(names))  # leaves the global stream alone
    held = {names[i] for i in order[: max(1, len(names) // 10)]}
    return [n for n in names if n not in held], sorted(held)


def open_data(data: str | Path, cache: Path | None = None) -> Dataset:
    """The Dataset of a manifest's name, or of a folder (shapes: data_manifest/folder.toml).

    A name wins over a folder of that name: write ./micro4 for the folder. Simulated data are
    drawn when missing. Raises InputError: one sentence with the mend.
    """
    mend = f"give one, or one of {', '.join(manifests())}"
    if not isinstance(data, str | os.PathLike):
        raise InputError(f"data={data!r}: is no folder of images; {mend}.")
    name, root = str(data), Path(data).expanduser().absolute()
    if data == "simulated":
        root = simulated_path(cache)
        if not root.exists():
            with whole_folder(root) as folder:
                make_simulated(folder, **load_manifest(name)["settings"])
    elif data in manifests() and data != "folder":
        root = Path(cache or cache_dir()) / name
        mend = f"run `twodints data fetch {name}`, or give a folder that holds it"
    else:
        name = root.resolve().name
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; {mend}.")
    return _dataset(name, root)


def _dataset(name, root) -> Dataset:
    items = _told(root, _listed(root) if (root / "manifest.csv").is_file() else _found(root))
    items.sort(key=lambda i: i.name)
    for item, following in pairwise(items):
        if item.name == following.name:
            raise InputError(f"{root}: two images are called '{item.name}'; rename one of them.")
    if not any(i.label for i in items):
        raise InputError(f"{root}: has no image with a label; put <stem>_label.tiff in labels/.")
    train = [i.name for i in items if i.split == "train"]
    if len(train) > 1 and not any(i.split == "val" for i in items):
        held = split_90_10(train)[1]
        items = [replace(i, split="val") if i.name in held else i for i in items]
    found = Dataset(name, root, tuple(items), _hash(root, items))
    if name not in manifests():  # what is shipped was looked through
        for a, b in doubles(items, found.hash):
            log.warning(f"{root}: {a} and {b} are the same picture in two splits; take one out.")
    return found


def subset(dataset: Dataset, items: Iterable[Item]) -> Dataset:
    """A data set of some items of another, perhaps in other splits, with a hash of its own."""
    items = sorted(items, key=lambda i: i.name)
    return Dataset(dataset.name, dataset.root, tuple(items), _hash(dataset.root, items))


def _hash(root, items) -> str:
    """16 hex digits over all that a result may depend on: names, modalities, splits, paths, bytes.

    Of a large set (the challenge's has gigabytes) they are kept in the cache, and found again
    while no file's size or time has changed; not even the time of its status, which no copy sets.
    """
    pairs = [(i.image, i.label) for i in items]
    places = [[p and Path(os.path.relpath(p, root)).as_posix() for p in pair] for pair in pairs]
    told = [[i.name, i.modality, i.split, *p] for i, p in zip(items, places, strict=True)]
    paths = [p for pair in pairs for p in pair if p]
    stats = [(s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in (p.stat() for p in paths)]
    kept = cache_dir() / "hashes" / fingerprint.digest([str(root), told, stats], 32)
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    found = fingerprint.digest([told, [digest(p) for p in paths]], 16)
    if sum(size for size, *_ in stats) > LARGE:
        with whole_file(kept) as made:
            made.write_text(found, encoding="utf-8")
    return found


def _listed(root) -> list[Item]:
    """The items of manifest.csv."""
    path, items, seen = root / "manifest.csv", [], {}
    for row in read_csv(path, ("name", "split", "modality", "image", "label")):
        name, split = row["name"], (row["split"] or "train").strip().lower()
        split = SPLIT_WORDS.get(split, split)
        if split not in SPLITS:
            raise InputError(f"{path}: {name} is in split '{split}'; write train, val or test.")
        files = [_place(root, row[k]) if row[k] else None for k in ("image", "label")]
        for file in (f for f in files if f and not f.is_file()):
            raise InputError(f"{file}: is missing, but manifest.csv lists it; restore it.")
        if not files[0]:
            raise InputError(f"{path}: row '{name}' has no image; mend or remove the row.")
        before = seen.setdefault(files[0].resolve(), (name, split))
        if before[1] != split:
            raise InputError(
                f"{path}: {files[0].name} is in two splits, as '{before[0]}' in {before[1]} and as "
                f"'{name}' in {split}; keep one row."
            )
        items.append(Item(name, normal_modality(row["modality"], f"{path}: {name}"), split, *files))
    return items


def _place(root, told) -> Path:
    """A listed file; where it is not there, the path may have been written on Windows."""
    path = root / told
    return path if path.is_file() else root / told.replace("\\", "/")


def _found(root) -> list[Item]:
    """The items of a folder without a list, by its layout."""
    parts = [s for s in SPLITS if (root / s / "images").is_dir()]
    if parts:
        return [i for s in parts for i in _pairs(root / s, s)]
    if (root / "images").is_dir():
        return _pairs(root, "train")
    if (root / "Training-labeled" / "images").is_dir():
        items = _pairs(root / "Training-labeled", "train")
        for folder, split, start, *kinds in CHALLENGE:
            if (root / folder / kinds[0]).is_dir():
                held = _pairs(root / folder, split, *kinds)
                items += [replace(i, name=start + i.name) for i in held]
        return items
    raise InputError(f"{root}: has no manifest.csv or images/; lay it out as folder.toml tells.")


def _pairs(folder, split, images="images", labels="labels") -> list[Item]:
    """The items of two folders; names in the challenge's own folders tell their modalities."""
    part, told, items = folder.resolve().name, {}, []
    for r in load_manifest("neurips2022")["ranges"]:
        for number in range(r["first"], r["last"] + 1):
            told[r["part"], f"cell_{number:05}"] = r["modality"]
    files = image_files(folder / labels)
    labels = {name_of(p): p for p in files} | {p.stem: p for p in files}
    for path in image_files(folder / images):
        names = (f"{path.stem}_label", path.stem, plain_stem(path))
        label = next((labels[n] for n in names if n in labels), None)
        items.append(Item(path.stem, told.get((part, path.stem), "unknown"), split, path, label))
    bare = [i.image.name for i in items if not i.label]
    if bare and (labels or split not in ("test", "hidden")):  # a test set may have no labels
        lack = f"{len(bare)} of {len(items)} images have no label, the first {bare[0]}"
        raise InputError(f"{folder}: {lack}; put <stem>_label.tiff in labels/ or take them out.")
    return items


def _told(root, items) -> list[Item]:
    """The items with the modalities of modality.csv, where there is one."""
    path = root / "modality.csv"
    if not path.is_file():
        return items
    words = {}
    for row in read_csv(path, ("name", "modality")):
        where = f"{path}: {row['name']}"
        words[Path(row["name"]).stem] = normal_modality(row["modality"], where)
    for name in words.keys() - {i.name for i in items}:
        raise InputError(f"{path}: names '{name}', which is no image here; mend the name.")
    return [replace(i, modality=words.get(i.name, i.modality)) for i in items]
