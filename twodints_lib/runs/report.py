"""Tables: the paper's numbers beside ours, from records alone."""

from collections.abc import Iterable
from pathlib import Path

from twodints_lib.runs import notebooks, paper, records
from twodints_lib.space.specs import spec_of

PARAMETER_HEADER = ("Table 3 row", "ours", "paper", "equal")
RESULT_HEADER = (
    "network",
    "parameters",
    "epochs",
    "seconds",
    "Dice",
    "mean F1",
    "F1 over modalities",
)
CELL_HEADER = (
    "modality", "images", "cells", "per megapixel", "median diameter", "under 13.7 px", "touching"
)  # fmt: skip
PRESET_HEADER = ("preset", "data", "minutes", "peak memory", "derived network: F1 over modalities")


def parameter_rows() -> list[tuple]:
    """Our parameter counts beside those of Table 3: (row, ours, paper, equal)."""
    from twodints_lib.space import networks

    rows = []
    for row in paper.COUNTED:
        ours = networks.count_parameters(networks.build(row.spec))
        equal = "yes" if ours == row.parameters else "NO"
        rows.append((row.title, f"{ours:,}", f"{row.parameters:,}", equal))
    return rows


def decimals(score: float | None) -> str:
    """A score with three decimals, empty where there is none: no Dice where no image has a cell."""
    return "" if score is None else f"{score:.3f}"


def result_row(record: dict) -> tuple:
    """One trained network as a row under RESULT_HEADER."""
    m = record["metrics"]
    return (
        spec_of(record["parameters"]["spec"]).title,
        f"{m['network_parameters']:,}",
        m["epochs"],
        f"{record['seconds']:.0f}",
        decimals(m["mean_dice"]),
        f"{m['mean_f1']:.3f}",
        f"{m['modality_mean_f1']:.3f}",
    )


def cell_rows(statistics: dict) -> list[tuple]:
    """{modality: labels.cell_statistics(...)} as rows under CELL_HEADER."""
    return [
        (
            modality,
            s["images"],
            s["cells"],
            f"{s['cells_per_megapixel']:.0f}",
            f"{s['median_diameter']:.1f} px",
            f"{s['share_under_13.7_px']:.0%}",
            f"{s['share_touching']:.0%}",
        )
        for modality, s in statistics.items()
    ]


def measure_cells(dataset) -> dict:
    """{modality: labels.cell_statistics} over every labelled image of a data set."""
    from twodints_lib.data import images, labels

    found = {}
    for modality in dataset.modalities:
        own = [i for i in dataset.items if i.modality == modality and i.label is not None]
        found[modality] = labels.cell_statistics([images.read_labels(i.label) for i in own])
    return found


def course_records() -> list[dict]:
    """The committed records of whole courses, records/course-*.json."""
    return list(records.load_records(records.HOME, "course-*.json").values())


def is_whole(record: dict) -> bool:
    """Whether a course's record is that of the whole course, and not of a part: it begins where
    the course begins."""
    return notebooks.name_of(record["notebooks"][0]["notebook"]) == "start_here"


KEPT = (None, "3-class")  # records of before there were heads name none


def preset_rows(records: list[dict]) -> list[tuple]:
    """README's preset table: the set-up and every recorded course, under PRESET_HEADER."""
    longest = max((r.get("setup_seconds", 0) for r in records), default=0)
    rows = [("set-up, once", "", f"{longest / 60:.1f}", "", "")] if longest else []
    for r in sorted(records, key=lambda r: (r["preset"] != "smoke", r["data"] != "simulated")):
        derived = [n for n in r["networks"] if n["kind"] == "derived" and n.get("head") in KEPT]
        f1 = derived[0]["modality_mean_f1"] if derived else None
        score = "no result" if not r["is_result"] or f1 is None else f"{f1:.2f}"
        peak = max(n["peak_gib"] for n in r["notebooks"])
        # A training that was found, or went on after an interruption, still took its time.
        trained = sum(float(n["row"]["seconds"]) for n in r["networks"])
        minutes = max(sum(n["seconds"] for n in r["notebooks"]), trained) / 60
        part = ", ".join(notebooks.number_of(n["notebook"]) for n in r["notebooks"])
        data = r["data"] if is_whole(r) else f"{r['data']}, notebooks {part}"
        rows.append((r["preset"], data, f"{minutes:.1f}", f"{peak:.1f} GB", score))
    return rows


BENCH_HEADER = ("what", "stock MONAI", "ours", "ratio")


def bench_rows(record: dict) -> list[tuple]:
    """README's benchmark table, from records/bench-search.json."""
    rows = []
    for name in ("search step", "topology loss", "decode"):
        ours, theirs = (record[name]["seconds"][who] * 1e3 for who in ("ours", "monai"))
        words = f"{theirs / ours:,.1f} times faster"
        rows.append((name, f"{theirs:,.1f} ms", f"{ours:,.1f} ms", words))
    over, memory = record["search step"]["ratios"], record["decode"]["added_mib"]
    theirs, ours = (over[f"{who}ver its convolutions alone"] for who in ("MONAI o", "o"))
    six, ratio = (record["six operations"][k] for k in ("added_mib", "ratios"))
    for name, took in record.get("decode under a budget", {}).get("seconds", {}).items():
        words = f"{took['median'] * 1e3:,.0f} ms, at most {took['longest'] * 1e3:,.0f} ms"
        rows.append((f"decode under a budget, {name}", "not there", words, ""))
    return [
        *rows,
        ("search step over its convolutions alone", f"{theirs:.2f}", f"{ours:.2f}", ""),
        ("decode, added memory", f"{memory['monai']:,.0f} MiB", f"{memory['ours']:.1f} MiB", ""),
        (
            "6 operations written MONAI's way, memory of a step; ours checkpointed",
            "{:,.0f} MiB".format(six["monai's way"]),
            f"{six['ours, checkpointed']:,.0f} MiB",
            f"{ratio['times less memory']:.1f} times less",
        ),
    ]


METRIC_HEADER = ("metric", "1024 px, 500 cells", "2048 px, 3,000 cells", "8192 px, 40,000 cells")


def metric_rows(record: dict) -> list[tuple]:
    """README's table of metrics, from records/bench-instances.json: CPU time and added memory."""
    sizes = record["metric"]
    rows = []
    for name in next(iter(sizes.values())):
        cells = (sizes[size].get(name) for size in sizes)
        words = [
            f"{c['cpu_seconds']:.3g} s, {c['added_mib']:,.0f} MiB" if c else "not run"
            for c in cells
        ]
        rows.append((name, *words))
    return rows


LOADER_HEADER = ("patches a second", "images prepared once", "decoded anew")


def loader_rows(record: dict) -> list[tuple]:
    """README's table of the loader, from records/bench-loader.json."""
    return [
        (workers, f"{rate['prepared']:.0f}", f"{rate['decoded anew']:.0f}")
        for workers, rate in record["rates"].items()
        if workers.endswith("workers")
    ]


GPU_HEADER = ("a step by", "milliseconds", "added memory", "waits for the host")


def gpu_rows(record: dict) -> list[tuple]:
    """The search step on a GPU in every way that was measured, under GPU_HEADER."""
    return [
        (name, f"{1000 * way['seconds']:.0f}", f"{way['added_gib']:.1f} GiB",
         "yes" if way["waits"] else "no")
        for name, way in record["ways"].items()
    ]  # fmt: skip


BENCH_TABLES = {
    "search": (BENCH_HEADER, bench_rows),
    "instances": (METRIC_HEADER, metric_rows),
    "loader": (LOADER_HEADER, loader_rows),
    "gpu": (GPU_HEADER, gpu_rows),
}


def text_table(header: Iterable, rows: Iterable[Iterable], caption: str = "") -> str:
    """The same table in plain text, columns aligned."""
    lines = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(([caption] if caption else []) + [t.rstrip() for t in text])


def markdown(header: Iterable, rows: Iterable[Iterable]) -> str:
    """A GitHub table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(c) for c in line) + " |" for line in lines)


DOOR_HEADER = ("check", "kind", "tried", "held")


def door_rows(folder: Path | None = None) -> list[tuple]:
    """What was tried of each kind and held, from the checks' records, check-<name>.json."""
    found = records.load_records(folder or records.HOME, "check-*.json")
    return [
        (name.removeprefix("check-"), kind, f"{told['tried']:,}", f"{told['held']:,}")
        for name, record in found.items()
        for kind, told in record.items()
        if isinstance(told, dict) and {"tried", "held"} <= told.keys()
    ]
