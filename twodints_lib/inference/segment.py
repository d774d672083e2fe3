"""From images to labels: one image of any size, and the files that `twodints segment` writes."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tifffile
import torch

from twodints_lib.data.images import plain_stem, scaled, to_8_bit
from twodints_lib.data.view import View, left_out, list_images, read_view
from twodints_lib.errors import InputError
from twodints_lib.files import whole_file
from twodints_lib.inference import tiles
from twodints_lib.inference.predict import OVERLAP, load_network, probabilities
from twodints_lib.messages import log
from twodints_lib.runs import pretrained
from twodints_lib.space.specs import spec_of
from twodints_lib.targets.classes import decode_grown
from twodints_lib.targets.heads import HEADS


def segment_image(
    net, image: np.ndarray, patch: int, head: str = "3-class",
    decode: Callable | None = None, flips: bool = False,
) -> np.ndarray:  # fmt: skip
    """Instance labels (H, W) int32 of an image as read, (H, W) or (H, W, C), of any size.

    `decode(maps)` replaces the head's own. Up to tiles.WHOLE pixels in one piece; a larger image
    in bands and tiles, with the same cells and with memory for a tile.
    """
    decode = decode or HEADS[head].decode
    stack = to_8_bit(image)  # (3, H, W)
    low, high = stack.min(), stack.max()
    height, width = stack.shape[1:]
    if height * width <= tiles.WHOLE:
        return decode(probabilities(net, scaled(stack, low, high), patch, head, flips))
    maps = tiles.maps_on_disk(
        lambda rows: probabilities(net, rows, patch, head, flips),
        lambda first, last: scaled(stack[:, first:last], low, high),
        (height, width), patch, OVERLAP, HEADS[head].channels,
    )  # fmt: skip
    return tiles.decode(maps, decode)


def segment_files(
    paths: Iterable[Path], out: Path, model: Path | str | None = None,
    grow: bool = False, flips: bool = False, workers: int = 0, also: Callable | None = None,
    view: View | None = None,
) -> list[Path]:  # fmt: skip
    """Write <name>_label.tiff for each image: instance ids, one label page an image page.

    `model`: a run's folder or a pretrained network's name; by default the best network that comes
    with the project. `grow`: each cell of a 3-class network gets back the rim that the challenge's
    recipe leaves out. `flips`: mirror images are averaged, four times slower. Thresholds are those
    stored with the network. `workers`: processes that share the images, 0 for none beside this one.
    `also(source, labels, pages)` is called after each image is written, with (H, W) ids a page and
    the pages as read. `view`: which page, channels and axes of each file. Every input is read
    before anything is written; nothing is overwritten.
    """
    paths, view = list(paths), view or View()
    sources = list_images(paths)
    targets = _new_files(Path(out), sources)
    if unused := left_out(paths):
        log.info(f"left out: {', '.join(unused)}")
    for path in sources:
        if notes := read_view(path, view).notes:
            log.info(f"{path.name}: {'; '.join(notes)}")
    work = _Work(str(model or pretrained.best()), grow, flips, also, view)
    name = pretrained.folder(model).name if model else f"{pretrained.best()}, the best shipped one"
    record = work.record
    log.info(f"network: {name}" + " (a smoke run: no result)" * (not record["is_result"]))
    begun = time.perf_counter()
    with _mapped(workers) as mapped:
        for i, cells in enumerate(mapped(work, sources, targets), 1):
            left = (time.perf_counter() - begun) / i * (len(sources) - i)
            told = f", {left / 60:.1f} min left" if left > 5 else ""
            log.info(f"{i}/{len(sources)} {targets[i - 1].name}: {cells} cells{told}")
    return targets


class _Work:
    """From one file to its labels, here or in another process, which reads the network anew."""

    def __init__(self, model: str, grow: bool, flips: bool, also: Callable | None, view: View):
        self.given = (model, grow, flips, also, view)
        self.flips, self.also, self.view = flips, also, view
        self.net, self.record = load_network(model)
        told = self.record["parameters"]
        self.spec, self.patch = spec_of(told["spec"]), told["recipe"]["patch"]
        self.spec.check_patch(self.patch)
        if grow and self.spec.head != "3-class":
            raise InputError(
                f"--grow: cells of {Path(model).name} ({self.spec.head} head) have their rim "
                "already; leave it out."
            )
        self.decode = decode_grown if grow else decoder_of(self.record)

    def __reduce__(self):
        return _Work, self.given

    def __call__(self, source: Path, target: Path) -> int:
        picture = read_view(source, self.view)
        images = picture.pages
        given = (self.patch, self.spec.head, self.decode, self.flips)
        pages = [segment_image(self.net, image, *given) for image in images]
        stack = pages[0] if len(pages) == 1 else np.stack(pages)
        stack = stack.astype(np.uint16 if stack.max() < 2**16 else np.uint32)
        told = {}
        if len(pages) > 1:  # what the pages are (time, depth) goes with them
            stack = stack.reshape(*picture.lead, *stack.shape[1:])
            told = {"metadata": {"axes": picture.axes.replace("S", "")}}
        with whole_file(target) as made:
            tifffile.imwrite(made, stack, compression="zlib", photometric="minisblack", **told)
        if self.also:
            self.also(source, pages, images)
        return sum(int(page.max()) for page in pages)


@contextmanager
def _mapped(workers: int) -> Iterator[Callable]:
    """map(), or that of so many processes, each with its share of the cores."""
    if workers < 0:
        raise InputError(f"--workers {workers}: must be 0 or more processes.")
    if workers < 2:
        yield map
        return
    threads = max(1, torch.get_num_threads() // workers)
    # Not forked: a process with threads that is copied may stand still for ever.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), torch.set_num_threads, (threads,)
    ) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _new_files(out: Path, sources: list[Path]) -> list[Path]:
    """Where the labels of each image go; InputError where something lies there already."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder for the labels.")
    targets = [out / f"{plain_stem(p)}_label.tiff" for p in sources]
    for target in targets:
        if target.exists():
            raise InputError(f"{target}: exists already; move it away or choose another folder.")
        if targets.count(target) > 1:
            raise InputError(f"{target.name}: two images would write it; rename one of them.")
    return targets


def decoder_of(record: dict) -> Callable[[np.ndarray], np.ndarray]:
    """From a network's maps to cells, by the representation and thresholds stored with it."""
    head = HEADS[spec_of(record["parameters"]["spec"]).head]
    decoder = head.decoders[record.get("representation", head.own)]
    return partial(decoder, **record.get("decoder", {}))
