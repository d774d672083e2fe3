"""What notebooks 07 to 09 and the pages state of their results, computed.

Above each test stand the sentences that it holds; it reads the committed outputs and records, or
asks the library. test_statements.py finds the sentences that stand nowhere.
"""

import numpy as np
from notebook_text import ROOT, course_networks, disc, kept, numbers, states, table

from twodints_lib import files, reproduction, scoring, space, targets
from twodints_lib.reproduction import claims, results, verdicts
from twodints_lib.runs import paper, report
from twodints_lib.space import topology

# ---- the derived network


@states("derived_network", "The derived network has fewer paths and trains faster per epoch.")
def test_the_derived_network_is_smaller_and_faster():
    rows = table("derived_network", "20")
    size = {name: numbers(rows[name][0])[0] for name in ("supernet", "derived")}
    nets = {n["kind"]: n for n in course_networks().values() if n["head"] == "3-class"}
    seconds = {k: float(nets[k]["row"]["seconds"]) / nets[k]["epochs"] for k in size}
    assert size["derived"] < size["supernet"] and seconds["derived"] < seconds["supernet"]


@states(
    "derived_network",
    "The full grid, all paths on and all convolving, needs no search; it is the simplest rival, "
    "and the largest.",
)
def test_the_full_grid_is_the_largest_control():
    study = reproduction.load_study("controls")
    sizes = {v: size for v, _, size in results.means(study, "metrics.network_parameters")}
    assert max(sizes, key=sizes.get) == "fixed-full-grid"
    code = topology.known_shape("full grid", 4, 4)
    assert np.all(code["paths"]) and {o for (o,) in topology.edges(code)[0].values()} == {"3x3"}


@states(
    "derived_network",
    "Decode means the most probable choice that fits; it is exact, takes milliseconds, and comes "
    "with a margin.",
)
def test_the_decode_takes_milliseconds():
    header, rows = report.BENCH_TABLES["search"]
    made = {row[0]: row for row in rows(files.read_json(ROOT / "records" / "bench-search.json"))}
    assert numbers(made["decode"][2])[0] < 10 and made["decode"][2].endswith("ms")


# ---- cells


@states(
    "instance_evaluation",
    "A difference of exactly zero means that both epochs decode to the same network.",
)
def test_no_difference_is_one_network():
    study = reproduction.load_study("instances")
    gains = [g for g in verdicts.instance_differences(study) if g[1:] == (0.0, 0.0, 0.0)]
    assert gains and all("3-class" in what for what, *_ in gains)
    by = results.by_variant(study)
    pairs = zip(by["3-class-by-dice"], by["3-class-by-f1"], strict=True)
    assert all(one["code"]["paths"] == other["code"]["paths"] for one, other in pairs)


@states(
    "instance_evaluation",
    "Two pixels off a small cell cost much of its area, and the boundary was never grown back.",
)
def test_a_small_cell_loses_more_of_its_area():
    assert kept(disc(12)) < 0.5 < 0.8 < kept(disc(44))


@states("instance_evaluation", "One bright pixel across it, and the two are counted as one.")
def test_one_pixel_joins_two_cells():
    interior = np.zeros((40, 80), bool)
    interior[10:30, 10:38] = interior[10:30, 39:70] = True
    assert targets.label_interior(interior).max() == 2
    interior[20, 38] = True
    assert targets.label_interior(interior).max() == 1


@states(
    "instance_evaluation",
    "An image with few cells can score 0 by a single mistake, and the mean over images weighs it "
    "like one with a hundred cells.",
)
def test_one_mistake_can_cost_an_image_its_score():
    one = disc(30)
    found = [np.roll(one, 25, axis=0), one]
    rows = [scoring.score(one, labels, scoring.CHALLENGE) for labels in found]
    summary = scoring.summarise([{"modality": "DIC"} | row for row in rows])
    assert [r["f1"] for r in rows] == [0, 1] and summary["mean_f1"] == 0.5


# ---- the paper's tables


@states(
    "the_papers_tables",
    "The paper's nine rows lie within 0.033 Dice, with one run each and no interval.",
    "The deepest network is second in the paper; here it took its steps with a batch of three.",
)
def test_the_papers_rows_lie_close():
    dice = [row.dice for row in paper.ROWS]
    (deepest,) = [r for r in paper.ROWS if r.name == "dints-1-12"]
    assert sorted(dice)[-2] == deepest.dice
    ours = reproduction.load_rows(claims.SCALE)[deepest.name]
    assert {record["settings"]["batch"] for record in ours} == {3}
    assert len(dice) == 9 and f"{max(dice) - min(dice):.3f}" == "0.033"


@states("the_papers_tables", "With three seeds an interval is wide, and most orders stay open.")
def test_most_orders_stay_open():
    ours = reproduction.load_rows(claims.SCALE)
    gains = [reproduction.row_difference(ours[r.name], ours["unet"]) for r in paper.ROWS[1:]]
    assert {gain.seeds for gain in gains} == {3}
    assert sum(gain.low <= 0 <= gain.high for gain in gains) > len(gains) / 2


@states(
    "the_papers_tables",
    "The modality decides more than the network: the bars differ more between groups than within "
    "one.",
)
def test_modalities_differ_more_than_rows():
    ours = reproduction.load_rows(claims.SCALE)
    names = ("unet", "segresnet-deconv", "dints-1-8", "dints-1-12")
    some = [[r["modality_dice"] for r in ours[name]] for name in names]
    dice = np.array([[np.mean([r[m] for r in s]) for m in s[0]] for s in some])
    assert np.ptp(dice, axis=1).min() > np.ptp(dice, axis=0).max()


@states("the_papers_tables", "F1 below Dice is not peculiar to the paper's network.")
@states(
    "records/claims.toml", "F1 is below Dice in all nine rows; merged cells are more than split"
)
def test_f1_is_below_dice_in_every_row():
    for some in reproduction.load_rows(claims.SCALE).values():
        dice, f1 = (np.mean([r["metrics"][f"mean_{s}"] for r in some]) for s in ("dice", "f1"))
        assert f1 < dice


@states(
    "the_papers_tables",
    "Merged cells, several under one predicted instance, are far more than split ones, for each of "
    "the three networks: that is under-segmentation, as Section 4.1 of the paper has it.",
    "Spurious predictions, which match no missed cell, come second or first, and some of them are "
    "second pieces of a cell that was found: over-segmentation, which the paper's conclusion "
    "names, is counted too low here, and the ledger below leaves the question open.",
)
@states("records/claims.toml", "merged cells are the largest kind of missed cells in our rows")
def test_the_kinds_of_errors():
    rows = files.read_json(ROOT / "records" / "bench-errors.json")["rows"]
    counts = {}
    for row in rows:
        mine = counts.setdefault(row["row"], {})
        for kind, cells in row["errors"].items():
            mine[kind] = mine.get(kind, 0) + cells
    for name in ("unet", "segresnet-deconv", "dints-1-8-384"):
        mine = counts[name]
        assert mine["merged"] > 3 * mine["split"]
        assert sorted(mine, key=mine.get).index("spurious") >= len(mine) - 2
    assert all(mine["merged"] > mine["split"] for mine in counts.values())
    missed = {k: sum(c[k] for c in counts.values()) for k in mine if k != "spurious"}
    assert max(missed, key=missed.get) == "merged"
    (open_claim,) = [c for c in claims.settled() if c["check"] == "over_segmentation"]
    assert open_claim["status"] == claims.UNDECIDED


@states(
    "the_papers_tables",
    "The derived network was trained for longer than the fixed ones: the epochs stand beside each, "
    "and a fair comparison needs the same.",
)
def test_the_derived_network_was_trained_for_longer():
    rows = {
        name: int(row[1])
        for name, row in table("the_papers_tables", "20").items()
        if row[1].isdigit()
    }
    (derived,) = [n for n in rows if "derived" in n]
    assert len(rows) >= 4 and rows.pop(derived) > max(rows.values())


@states("the_papers_tables", "Sizes reproduce exactly.")
def test_the_ledger_has_the_sizes_and_the_contradictions():
    ledger = claims.settled()
    sizes = [c for c in ledger if c["check"] == "parameters"]
    assert {c["status"] for c in sizes} == {claims.EXACT, claims.INCONSISTENT}
    assert sum(c["status"] == claims.EXACT for c in sizes) == 8


# ---- and of other pages


@states(
    "the_data",
    "The modality lab makes images as crowded as real ones, with labels that are exact by "
    "construction.",
)
def test_drawn_cells_are_as_crowded_as_real_ones():
    drawn, real = table("the_data", "08"), table("the_data", "11")
    for modality in drawn.keys() & real.keys() - {"modality"}:
        for column in (2, 5):  # cells per megapixel, touching
            (ours,), (theirs,) = (numbers(rows[modality][column]) for rows in (drawn, real))
            assert abs(ours - theirs) <= 0.15 * theirs
    assert sum(int(row[0]) for name, row in real.items() if name != "modality") == 153


@states(
    "the_papers_tables",
    "Below are its nine rows on the real cells of micro4 at a smaller scale: patches and the "
    "widths of DiNTS a quarter as large, half the batch, the paper's optimiser and rate, as many "
    "steps for every row.",
)
def test_the_rows_are_the_papers_at_a_quarter():
    ours = reproduction.load_rows(claims.SCALE)
    for row in paper.ROWS:
        for record in ours[row.name]:
            made = record["settings"]
            assert (made["patch"], made["batch"]) == (row.patch / 4, row.batch / 2)
            assert (made["learning_rate"], made["max_steps"]) == (6e-4, 1500)
            if isinstance(row.spec, space.SupernetSpec):
                assert made["channel_mul"] == row.spec.channel_mul / 4


@states("docs/benchmarks.md", "On two cores starting them costs more than they bring.")
def test_workers_do_not_pay_on_two_cores():
    record = files.read_json(ROOT / "records" / "bench-loader.json")
    _, rows = report.BENCH_TABLES["loader"]
    (alone, *_), (shared, *_) = [numbers(" ".join(row[1:])) for row in rows(record)]
    assert record["hardware"]["cores"] == 2 and shared < alone


@states(
    "docs/reproduction.md",
    "three seeds a study, five for the controls, the modalities and the table of the tiny space, "
    "whose 99 networks are all trained.",
)
def test_the_studies_have_the_seeds_that_are_told():
    told = {"controls": 5, "modalities": 5, "sampling": 3, "instances": 3}
    for name, seeds in told.items():
        for some in results.by_variant(reproduction.load_study(name)).values():
            assert len({r["seed"] for r in some}) >= seeds
    tables = results.by_variant(reproduction.load_study("tiny"))["table"]
    assert len(tables) >= 5 and {len(t["networks"]) for t in tables} == {99}


@states("pretrained/README.md", "(brightfield is its worst modality)")
def test_the_pretrained_networks_worst_modality():
    record = files.read_json(ROOT / "pretrained" / "derived-ladder-micro4" / "record.json")
    ways = record["metrics"]["representations"].values()
    best = max(ways, key=lambda way: way["modality_mean_f1"])["per_modality"]
    assert min(best, key=best.get) == "brightfield"


def test_the_page_tells_what_the_gpu_gained():
    record = files.read_json(ROOT / "records" / "bench-gpu.json")
    told = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    ratios, ways = record["ratios"], record["ways"]
    assert record["hardware"]["gpu"] in told and record["fastest"] == "ours, bfloat16, compiled"
    assert f"{ratios['monai, bfloat16']:.1f} times less than MONAI's in bfloat16" in told
    assert f"{ratios['monai, float32']:.1f} times less than MONAI's in float32" in told
    assert not any(way["waits"] for name, way in ways.items() if name.startswith("ours"))
    assert len({round(way["loss"], 2) for way in ways.values()}) == 1
