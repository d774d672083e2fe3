"""The ceiling of each representation: decoded from what was encoded, no training can exceed it."""

import time
from collections.abc import Iterable

from twodints_lib.data.dataset import Item
from twodints_lib.data.images import read_labels
from twodints_lib.errors import InputError
from twodints_lib.messages import log
from twodints_lib.scoring import scores
from twodints_lib.targets.heads import DECODERS, encode


def ceilings(
    items: Iterable[Item], names: Iterable[str] = tuple(DECODERS), relabel: bool = False
) -> dict[str, dict]:
    """What each representation reaches on labelled items with a perfect network.

    {decoder's name: scores.summarise(...) and "ms_per_megapixel", encoding and decoding}.
    `relabel`: of masks each piece is a cell.
    """
    labels = [(item, read_labels(item.label, relabel)) for item in items if item.label is not None]
    found = {}
    for name in names:
        decoder, rows, seconds = DECODERS[name], [], 0.0
        for item, truth in labels:
            start = time.process_time()
            pred = decoder.decode(encode(truth, decoder.parts))
            seconds += time.process_time() - start
            row = {"name": item.name, "modality": item.modality}
            try:
                rows.append(row | scores.score(truth, pred, scores.Rules((0.5, 0.75))))
            except InputError as error:
                raise InputError(f"{item.label}: {error}") from error
        pixels = sum(truth.size for _, truth in labels)
        found[name] = scores.summarise(rows) | {"ms_per_megapixel": 1e9 * seconds / pixels}
        log.info(f"{name}: mean F1 {found[name]['mean_f1']:.3f}")
    return found


def ceiling_rows(found: dict[str, dict]) -> tuple[tuple, list[tuple]]:
    """Header and rows of ceilings(): mean F1 of each modality, and the cost."""
    modalities = list(next(iter(found.values()))["per_modality"])
    header = ("representation", *modalities, "mean F1", "ms per megapixel")
    rows = []
    for name, f in found.items():
        scored = [*(f["per_modality"][m] for m in modalities), f["mean_f1"]]
        rows.append((name, *(f"{v:.3f}" for v in scored), f"{f['ms_per_megapixel']:.0f}"))
    return header, rows
