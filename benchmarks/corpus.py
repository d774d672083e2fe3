"""`make check-corpus`: odd and bad files and folders for the doors of the library, all drawn here.

Each case says first what must come of it: a value, or a refusal in one sentence that names the file
or the parameter. Writes records/check-corpus.json: of each door what was tried and what held.
"""

import json
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import tifffile
from measuring import high_water
from PIL import Image

from twodints_lib import files
from twodints_lib.data.dataset import open_data
from twodints_lib.data.images import read_labels, read_pages
from twodints_lib.errors import InputError
from twodints_lib.inference import load_network
from twodints_lib.runs import environment, packing, pretrained, settings
from twodints_lib.scoring import evaluate

SECONDS, MIB = 10, 500  # what one case may take at most
ENCODINGS = (None, "zlib", "lzw", "packbits", "zstd")
TYPES = (np.uint8, np.uint16, np.uint32, np.float32)


@dataclass(frozen=True)
class Case:
    """One thing to try: `make(folder)` leaves it there, `do(folder)` opens the door.

    `answer`: the value that must come, or, of a refusal, the word that its sentence must hold.
    """

    door: str
    name: str
    refused: bool
    answer: object
    make: Callable[[Path], object]
    do: Callable[[Path], object]


def scene(kind=np.uint8, colours: int = 0) -> np.ndarray:
    """Noise of all values of 8 bits, (40, 56) or with colours (40, 56, C)."""
    values = np.random.default_rng(7).integers(1, 255, (40, 56, colours or 1))
    return (values if colours else values[..., 0]).astype(kind)


def cells(kind=np.uint16, gap: int = 1) -> np.ndarray:
    """Twelve squares with ids of distance `gap`, (40, 56)."""
    labels = np.zeros((40, 56), kind)
    for number, (y, x) in enumerate(product(range(2, 38, 13), range(2, 54, 14)), 1):
        labels[y : y + 9, x : x + 9] = number * gap
    return labels


def first_page(folder: Path, name: str) -> np.ndarray:
    """The one page that the reader finds."""
    (page,) = read_pages(folder / name)
    return page


def tiff(folder: Path, array: np.ndarray, name: str = "a.tif", **how) -> None:
    """Write a TIFF as asked."""
    tifffile.imwrite(folder / name, array, **how)


def images() -> Iterator[Case]:
    """Pictures that must be read to the last digit."""
    for kind, colours, encoding, tile in product(TYPES, (0, 3), ENCODINGS, (None, (16, 16))):
        array = scene(kind, colours)
        how = {"compression": encoding, "tile": tile}
        how["photometric"] = "rgb" if colours else "minisblack"
        name = f"TIFF {np.dtype(kind)} {colours} {encoding} {'tiles' if tile else 'strips'}"
        yield Case("images", name, False, array, partial(tiff, array=array, **how), TIF)
    for order, big in product("<>", (False, True)):
        make = partial(tiff, array=scene(np.uint16), byteorder=order, bigtiff=big)
        yield Case("images", f"TIFF {order} big {big}", False, scene(np.uint16), make, TIF)
    planes = np.moveaxis(scene(colours=3), -1, 0)
    make = partial(tiff, array=planes, photometric="rgb", planarconfig="separate")
    yield Case("images", "TIFF plane by plane", False, scene(colours=3), make, TIF)
    for name, kind, colours in product(("a.png", "a.PNG"), (np.uint8, np.uint16), (0, 3, 4)):
        if colours and kind is np.uint16:
            continue
        array = scene(kind, colours)
        make = partial(_plain, array=array, name=name)
        wanted = array[..., :3] if colours else array
        told = f"{name} {np.dtype(kind)} {colours}"
        yield Case("images", told, False, wanted, make, partial(first_page, name=name))
    for colours in (0, 3):
        make = partial(_plain, array=scene(colours=colours), name="a.bmp")
        read = partial(first_page, name="a.bmp")
        yield Case("images", f"BMP {colours}", False, scene(colours=colours), make, read)
    for name in ("ä ö.tif", "two words.tif", "%41.tif", "a.b.c.tif", "名.tif", "x" * 200 + ".tif"):
        make = partial(tiff, array=scene(), name=name)
        yield Case("images", name[:20], False, scene(), make, partial(first_page, name=name))


TIF = partial(first_page, name="a.tif")


def _plain(folder, array, name):
    Image.fromarray(array).save(folder / name)


def _cut(folder, name, share, array):
    _plain(folder, array, name) if not name.endswith("tif") else tiff(folder, array, name)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(share * len(data))])


def broken_images() -> Iterator[Case]:
    """Pictures that hold no whole picture."""
    for name, share in product(("a.png", "a.bmp", "a.tif"), (0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9)):
        make = partial(_cut, name=name, share=share, array=scene())
        read = partial(first_page, name=name)
        yield Case("broken images", f"{name} cut at {share}", True, name, make, read)
    texts = (
        b"no picture",
        b"<svg/>",
        b"II*\0",
        b"\x89PNG\r\n\x1a\n",
        b"BM",
        b"\xff\xd8\xff",
        b"PK",
    )
    for number, (text, end) in enumerate(product(texts, ("tif", "png", "bmp", "jpg"))):
        make, read = (
            partial(_bytes, name=f"a.{end}", data=text),
            partial(first_page, name=f"a.{end}"),
        )
        yield Case("broken images", f"text {number}", True, f"a.{end}", make, read)
    odd = {"nan": np.full((8, 8), np.nan, np.float32), "inf": np.full((8, 8), np.inf, np.float32)}
    odd["complex"] = np.ones((8, 8), np.complex64)
    for what, array in odd.items():
        yield Case("broken images", what, True, "a.tif", partial(tiff, array=array), TIF)
    yield Case("broken images", "missing", True, "a.tif", lambda folder: None, TIF)
    yield Case("broken images", "folder", True, "a.tif", lambda f: (f / "a.tif").mkdir(), TIF)
    for name in ("a.gif", "a.txt", "a.npy", "a"):
        make, read = partial(_bytes, name=name, data=b"1"), partial(first_page, name=name)
        yield Case("broken images", name, True, name, make, read)


def _bytes(folder, name, data):
    (folder / name).write_bytes(data)


def labels() -> Iterator[Case]:
    """Label files: ids in any integer type, and what lost its ids."""
    wanted = cells(np.int32)
    whole = (np.uint8, np.uint16, np.uint32, np.int16, np.int32)
    read = lambda folder: read_labels(folder / "a.tif")  # noqa: E731
    for kind, gap, encoding in product(whole, (1, 7), ENCODINGS):
        make = partial(tiff, array=cells(kind, gap), compression=encoding)
        name = f"{np.dtype(kind)} gap {gap} {encoding}"
        yield Case("labels", name, False, wanted, make, read)
    for kind in (np.uint8, np.uint16):
        make = partial(_plain, array=cells(kind), name="a.png")
        png = lambda folder: read_labels(folder / "a.png")  # noqa: E731
        yield Case("labels", f"PNG {np.dtype(kind)}", False, wanted, make, png)
    mask = (cells() > 0).astype(np.uint8)
    lost = {f"mask of {n}": mask * np.uint8(n) for n in (1, 2, 128, 255)}
    lost |= {f"float {n}": cells(np.float32) / n for n in (1, 3)}
    lost |= {"colours": np.stack([cells(np.uint8)] * 3, -1), "negative": -cells(np.int16)}
    lost |= {"photograph": scene(), "two classes": mask * (1 + (np.arange(40) % 26 > 12)[:, None])}
    for name, array in lost.items():
        make = partial(tiff, array=np.ascontiguousarray(array))
        yield Case("labels", name, True, "a.tif", make, read)


def _folder(folder, layout=("images", "labels"), end="tif", ending="_label", table="", count=12):
    for part, array in zip(layout, (scene(), cells(np.uint8)), strict=True):
        (folder / part).mkdir(parents=True)
        for i in range(count):
            name = f"im{i}{ending if array is not None and part == layout[1] else ''}.{end}"
            array[0, 0] = i + 1 if part == layout[0] else 0
            (tiff if end == "tif" else _plain)(folder / part, array=array, name=name)
    if table:
        (folder / "manifest.csv").write_bytes(table)


def datasets() -> Iterator[Case]:
    """Folders as data sets; the answer is the number of images."""
    count = lambda folder: len(open_data(folder).items)  # noqa: E731
    for end, ending, n in product(("tif", "png", "bmp"), ("_label", ""), (2, 3, 12)):
        make = partial(_folder, end=end, ending=ending, count=n)
        yield Case("data", f"{end} {ending} {n}", False, n, make, count)
    head = b"name,split,modality,image,label\n"
    line = b"im%d,%s,%s,images/im%d.tif,labels/im%d_label.tif\n"

    def rows(split=b"train", kind=b"bf", numbers=range(6)):
        return b"".join(line % (i, split, kind, i, i) for i in numbers)

    kinds = (b"bf", b"Brightfield", b"fluo", b"phase contrast", b"DIC", b"")
    splits = (b"train", b"Training", b"", b"TRAIN")
    for kind, split in product(kinds, splits):
        make = partial(_folder, table=head + rows(split, kind))
        yield Case("data", f"list {split} {kind}", False, 6, make, count)
    for name, start in (("BOM", b"\xef\xbb\xbf"), ("plain", b"")):
        table = start + (head + rows()).replace(b"\n", b"\r\n")
        yield Case("data", f"list {name}", False, 6, partial(_folder, table=table), count)
    bad = {
        "no rows": head, "no head": rows(), "split": head + rows(b"holdout"),
        "modality": head + rows(kind=b"x-ray"), "missing": head + rows(numbers=(99,)),
        "twice": head + rows() + rows(), "zeros": b"\0" * 40, "text": b"hello",
        "latin": head + rows(kind=b"\xe4"), "utf-16": (head + rows()).decode().encode("utf-16"),
        "no label column": head.replace(b",label", b",lable") + rows(), "empty": b"\n",
    }  # fmt: skip
    for name, table in bad.items():
        word = {"twice": "im0", "missing": "im99"}.get(name, "manifest.csv")
        yield Case("data", f"bad list, {name}", True, word, partial(_folder, table=table), count)
    yield Case("data", "empty folder", True, "images/", lambda folder: None, count)
    yield Case("data", "no labels", True, "label", partial(_folder, layout=("images", "x")), count)
    yield Case(
        "data", "no images", True, "images/", partial(_folder, layout=("x", "labels")), count
    )


def scores() -> Iterator[Case]:
    """Two folders of labels; the answer is the mean F1."""

    def both(folder, pred, truth, name="a_label.tif"):
        for part, array in (("pred", pred), ("truth", truth)):
            (folder / part).mkdir()
            tiff(folder / part, array, name if part == "pred" else "a_label.tif")

    def f1(folder):
        return evaluate(folder / "pred", folder / "truth")["mean_f1"]

    for kind, other, gap in product((np.uint8, np.uint16, np.int32), (np.uint16,), (1, 5)):
        make = partial(both, pred=cells(kind, gap), truth=cells(other))
        yield Case("evaluate", f"{np.dtype(kind)} {gap}", False, 1.0, make, f1)
    none = np.zeros((40, 56), np.uint16)
    yield Case("evaluate", "nothing", False, 0.0, partial(both, pred=none, truth=cells()), f1)
    bad = {"size": cells()[:30], "mask": (cells() > 0).astype(np.uint8), "float": cells(np.float32)}
    bad |= {"photograph": scene(), "colours": np.stack([cells(np.uint8)] * 3, -1)}
    for name, pred in bad.items():
        yield Case("evaluate", name, True, "a_label", partial(both, pred=pred, truth=cells()), f1)
    make = partial(both, pred=cells(), truth=cells(), name="b_label.tif")
    yield Case("evaluate", "other names", True, "pred", make, f1)


def presets() -> Iterator[Case]:
    """Values of a preset."""
    given = {"seed": 3, "patch": 2.5, "batch": 0, "learning_rate": float("nan"), "arch_rate": -2.0}
    given |= {
        "schedule": "linear",
        "precision": "int8",
        "workers": -5,
        "images": "3",
        "patience": 0,
    }
    given |= {"max_steps": True, "channel_mul": float("inf"), "num_blocks": None, "num_depths": []}
    for key, value in given.items():
        do = lambda _, k=key, v=value: settings.load("smoke", **{k: v})  # noqa: E731
        yield Case("presets", f"{key}={value}", True, key, lambda folder: None, do)
    good = {"patch": 96, "images": 0, "arch_rate": 0, "workers": 0, "precision": "bfloat16"}
    for key, value in good.items():
        do = lambda _, k=key, v=value: getattr(settings.load("smoke", **{k: v}), k)  # noqa: E731
        yield Case("presets", f"{key}={value}", False, value, lambda folder: None, do)


BROKEN = (b"", b"{", b"[]", b"{}", b"null", b"3", b"\xff\xfe\x00", b'"text"', b'{"parameters": 1}')


def networks() -> Iterator[Case]:
    """The folder of a network, whole and damaged; the answer is its number of weights."""
    source = pretrained.folder(pretrained.best())

    def copy(folder, name="", data=None):
        for path in source.iterdir():
            shutil.copy(path, folder)
        if name:
            whole = (folder / name).read_bytes()
            (folder / name).write_bytes(data if data is not None else whole[: len(whole) // 2])

    def load(folder):
        return sum(p.numel() for p in load_network(folder)[0].parameters())

    weights = sum(p.numel() for p in load_network(source)[0].parameters())
    yield Case("networks", "whole", False, weights, copy, load)
    for data in (*BROKEN, None):
        for name in ("record.json", "best.pt"):
            make = partial(copy, name=name, data=data)
            yield Case("networks", f"{name} {data}", True, name, make, load)


def packs() -> Iterator[Case]:
    """Files that are no pack of results."""

    def make(folder, names):
        with zipfile.ZipFile(folder / "a.zip", "w") as out:
            for name, text in names.items():
                out.writestr(name, text)

    def unpack(folder):
        return packing.unpack(folder / "a.zip")

    for data in (*BROKEN, b"PK\x03\x04"):
        yield Case(
            "packs", f"{data}", True, "a.zip", partial(_bytes, name="a.zip", data=data), unpack
        )
    run = {"runs": {"unet-0123456789ab": dict.fromkeys(packing.FILES, "0" * 64)}}
    odd = [{}, {"pack.json": "{}"}, {"pack.json": "[]"}, {"pack.json": json.dumps(run)}]
    odd += [{"pack.json": json.dumps({"runs": r})} for r in ([], 3, None, {"../x": {}}, {"a": 1})]
    odd += [{"pack.json": json.dumps(run), n: "x"} for n in ("../x", "/x", "unet-0123456789ab/x")]
    inside = {f"unet-0123456789ab/{f}": "x" * 99 for f in packing.FILES}
    odd += [{"pack.json": json.dumps({"runs": r})} | inside for r in (list(run["runs"]), 3)]
    odd.append({"pack.json": json.dumps(run)} | inside)
    for number, names in enumerate(odd):
        yield Case("packs", f"zip {number}", True, "a.zip", partial(make, names=names), unpack)

    def harmed(folder, at, value, spared):
        make(folder, {"pack.json": json.dumps(run)} | inside)
        data = bytearray((folder / "a.zip").read_bytes())
        for mark in (b"PK\x03\x04", b"PK\x01\x02"):  # the heads beside the files, then the list's
            where = data.find(mark) if spared else -1  # pack.json, which comes first
            while (where := data.find(mark, where + 1)) >= 0:
                data[where + at + 2 * (mark[2] == 1)] = value
        (folder / "a.zip").write_bytes(data)

    harms = {"encrypted": (6, 1), "unknown method": (8, 99), "sum": (14, 7)}
    for (name, (at, value)), spared in product(harms.items(), (False, True)):
        do = partial(harmed, at=at, value=value, spared=spared)
        yield Case("packs", f"{name} {spared}", True, "a.zip", do, unpack)


def records() -> Iterator[Case]:
    """Records, read by their only reader."""
    read = lambda folder: files.read_json(folder / "a.json")  # noqa: E731
    for value in ({}, {"a": [1, 2.5, None]}, {"ä": "名"}):
        make = partial(_bytes, name="a.json", data=json.dumps(value).encode())
        yield Case("records", f"{value}", False, value, make, read)
    for data in (b"", b"{", b"\xff\xfe\x00", b"{'a': 1}", b"\0", b'{"a": 1}}', b"{,}"):
        yield Case(
            "records", f"{data}", True, "a.json", partial(_bytes, name="a.json", data=data), read
        )


DOORS = (
    images, broken_images, labels, datasets, scores, presets, networks, packs, records,
)  # fmt: skip


def every() -> list[Case]:
    """All cases, door by door."""
    return [case for door in DOORS for case in door()]


def fault(case: Case) -> str:
    """What is wrong with the answer to a case; "" where it held."""
    with tempfile.TemporaryDirectory() as folder:
        folder, start, before = Path(folder), time.perf_counter(), high_water()
        case.make(folder)
        try:
            found = case.do(folder)
        except InputError as error:
            told = str(error)
            if not case.refused:
                return f"refused: {told}"
            if "\n" in told or str(case.answer) not in told:
                return f"a sentence that does not name {case.answer}: {told}"
        except Exception as error:  # what no door may let through
            return f"{type(error).__name__}: {error}"
        else:
            if case.refused:
                return "taken, and should have been refused"
            if not np.array_equal(found, case.answer):
                return "another value than the right one"
        if time.perf_counter() - start > SECONDS or (high_water() - before) / 1024 > MIB:
            return "took too long or too much memory"
    return ""


def main():
    """Try every case, write the record; 1 where one did not hold."""
    found, cases = {}, every()
    for case in cases:
        wrong = fault(case)
        door = found.setdefault(case.door, {"tried": 0, "held": 0, "readable": 0})
        door["tried"] += 1
        door["held"] += not wrong
        door["readable"] += not case.refused
        if wrong:
            print(f"{case.door}, {case.name}: {wrong}")
    held, readable = (sum(d[k] for d in found.values()) for k in ("held", "readable"))
    print(f"{held} of {len(cases)} held; {readable} of them are to be read")
    files.write_json(files.ROOT / "records" / "check-corpus.json", found | environment.origin())
    return int(held < len(cases))


if __name__ == "__main__":
    sys.exit(main())
