"""What notebooks 00 to 06 state of their results, computed.

Above each test stand the sentences that it holds; it reads the committed outputs and records, or
asks the library. test_statements.py finds the sentences that stand nowhere.
"""

import numpy as np
import torch
from notebook_text import ROOT, course_networks, disc, kept, numbers, output, states, table

from twodints_lib import files, runs, space, targets, training
from twodints_lib.reproduction import results
from twodints_lib.runs import paper, report
from twodints_lib.space import objective, topology

# ---- 00 to 03: the data, the targets, the baselines


@states(
    "start_here",
    "No network was involved, and still panel 4 differs from panel 2: cells have shrunk, and the "
    "count has fallen.",
    "The whole way is image, three classes, network, connected pieces, cells; some cells are lost "
    "before any network is trained.",
)
def test_cells_are_lost_on_the_way():
    setup = runs.begin("laptop", "simulated", 2022)
    items = setup.val()
    sample = max(training.load_samples(items), key=lambda s: s.modality == "fluorescence")
    found = targets.label_interior(sample.target[0].numpy() == targets.INTERIOR)
    assert 0 < found.max() < sample.labels.max()
    assert (found > 0).sum() < (sample.labels > 0).sum()


@states("the_data", "Go down the first three lines: Dice stays where it was while F1 falls.")
def test_touching_costs_f1_and_not_dice():
    lines = [numbers(line) for line in output("the_data", "16a").splitlines()]
    dice, f1 = np.array([line[-2:] for line in lines[:3]]).T
    assert [line[0] for line in lines[:3]] == [0.0, 0.33, 0.9]
    assert np.ptp(dice) < 0.02 and f1[0] - f1[1] > 0.1 and f1[1] - f1[2] > 0.1


@states(
    "targets_and_back",
    "The yellow boundary separates touching cells, at a price: it takes two pixels off every cell, "
    "all around, and a small cell consists of little else.",
    "A disc of radius r keeps (r − 2)² / r² of its area: under one half below 13.7 pixels across.",
    "On pixels the limit is blurred, as the discs show, and no network can move it.",
)
def test_two_pixels_are_taken_off_all_around():
    for diameter in (20, 30, 40):
        assert abs(kept(disc(diameter)) - (diameter - 4) ** 2 / diameter**2) < 0.03
    assert (13.65 - 4) ** 2 / 13.65**2 < 0.5 < (13.7 - 4) ** 2 / 13.7**2
    assert kept(disc(9)) < 0.4
    limits = [numbers(line)[-1] for line in output("targets_and_back", "11").splitlines()]
    assert limits[0] == 13.7 and limits[1] < 13.7


@states("targets_and_back", "Left of the dotted line lie cells that the recipe mostly loses.")
def test_small_cells_are_mostly_lost():
    lines = output("targets_and_back", "13").splitlines()
    (small, cells), *others = [numbers(line)[-2:] for line in lines if "found again" in line]
    assert small < cells / 2 and all(found > 0.9 * of for found, of in others)


@states("targets_and_back", "From row to row the mean rises, and so does the cost.")
def test_each_representation_keeps_more_and_costs_more():
    rows = table("targets_and_back", "21")
    ladder = [list(map(float, rows[name][-2:])) for name in targets.DECODERS if name in rows]
    assert len(ladder) == 4 and ladder == sorted(ladder)
    assert [cost for _, cost in ladder] == sorted(cost for _, cost in ladder)


@states(
    "baselines",
    "The two upper rows show the same four images in two epochs: cut elsewhere, turned, and "
    "treated differently.",
)
def test_patches_of_two_epochs_differ(tiny_setup):
    crops = training.Patches(training.load_samples(tiny_setup.train()), 32, 7)
    images = []
    for crops.epoch in (1, 2):
        images.append([crops[i][0] for i in range(len(crops))])
    assert not any(torch.equal(a, b) for a, b in zip(*images, strict=True))


# ---- the search space


@states(
    "search_space",
    "Colours already differ although nothing was learned: operations start from small random "
    "numbers, and the arg max of noise is drawn as if it meant something.",
)
def test_operations_differ_before_any_training():
    torch.manual_seed(2022)
    _, alpha_c = training.alphas(space.supernet(0.125, 8, 4))
    assert 0.3 < alpha_c.argmax(-1).mean() < 0.7 and alpha_c.std() < 0.02


@states(
    "search_space",
    "No list could hold the networks of eight blocks, so they are searched by gradient.",
    "And choosing each path by itself seldom gives a network that fits: of all choices for two "
    "blocks one in four does, for eight less than one in a thousand.",
    "The lattice holds more networks than any list, known ones among them, and the more blocks it "
    "has, the smaller a share of free choices fits together.",
)
def test_few_free_choices_fit():
    shares = [topology.count_topologies(b, 4) / 1023**b for b in (2, 8, 12)]
    assert abs(shares[0] - 1 / 4) < 0.02 and shares[1] < 1e-3 and shares[2] < shares[1]
    assert topology.count_topologies(8, 4) > 1e18
    known = [topology.known_shape(s, 6, 3) for s in ("unet", "straight", "full grid")]
    assert all(topology.is_feasible(code) for code in known)


@states("search_space", "With equal weights the edge is neither of its operations.")
def test_an_even_mixture_is_far_from_both():
    even = output("search_space", "19").splitlines()[1]
    assert "0.50" in even and min(numbers(even.split("distance")[1])[::2]) > 0.5


@states(
    "search_space",
    "The paper's own larger set has six operations: {skip, 1x1, 3x3, depthwise 3x3, 5x5, 7x7}.",
    "All seven agree, and that tells more than it seems.",
    "The counts include the architecture parameters, which only the supernet has; a decoded "
    "network has none.",
    "The last line is the exception: the paper gives its six-operation network the same number as "
    "the two-operation one, which cannot be; a true one is almost nine times as large.",
    "The parameters of all seven networks equal the paper's, and show that Table 3 counts the "
    "supernet.",
)
@states(
    "the_papers_tables",
    "Equal to the last digit, with MONAI's own networks and no freedom left: four resolutions, no "
    "downsampling stem, normalisation without affine weights, two operations, architecture "
    "parameters counted.",
    "The row with six operations repeats the number of two; a supernet with six has almost nine "
    "times as many.",
)
def test_the_papers_counts_are_those_of_supernets():
    rows = report.parameter_rows()
    assert len(rows) == 7 and {row[-1] for row in rows} == {"yes"}
    with torch.device("meta"):
        two, six = (space.supernet(1.0, 8, 4, names) for names in (space.TWO, space.SIX))
        derived = space.derived_network(topology.known_shape("full grid", 8, 4), 1.0)
    assert set(space.SIX) == {"skip", "1x1", "3x3", "depthwise 3x3", "5x5", "7x7"}
    assert 8.5 < space.count_parameters(six) / space.count_parameters(two) < 9
    assert paper.row("dints-1-8-six").parameters == space.count_parameters(two)
    assert space.arch_parameters(two) and not space.arch_parameters(derived)


@states(
    "search_space",
    "Two thirds of the weights sit at the coarsest resolution, where an image has 64 times fewer "
    "pixels.",
    "So a parameter count says little here: MONAI's UNet has three times the parameters of our "
    "supernet and needs less than half of its multiply-accumulates.",
)
def test_parameters_sit_where_they_cost_little():
    with torch.device("meta"):
        edges = [e for block in space.supernet(1.0, 2, 4).blocks for e in block.values()]
    sizes = np.array([[e.end, space.count_parameters(e)] for e in edges])
    coarsest = sizes[sizes[:, 0] == 3, 1].sum() / sizes[:, 1].sum()
    assert abs(coarsest - 2 / 3) < 0.05 and (2**3) ** 2 == 64
    rows = table("search_space", "28")
    ours, theirs = (rows[name] for name in ("supernet, 2 operations", "UNet (MONAI)"))
    (our_size, our_macs), (size, macs) = (numbers(" ".join(r[:2])) for r in (ours, theirs))
    assert 3 <= size / our_size < 4 and macs < our_macs / 2


@states(
    "search_space",
    "The estimate is too large for every network, by a factor that differs from one to the next "
    "(printed), but it ranks them nearly as the measurement does: good enough to steer a search, "
    "not to plan a machine.",
)
def test_the_memory_estimate_ranks_and_does_not_measure():
    model = files.read_json(ROOT / "records" / "bench-search.json")["memory model"]
    estimated, measured = (
        np.array([m[k] for m in model]) for k in ("estimated_mib", "measured_mib")
    )
    factors = estimated / measured
    assert factors.min() > 1 and factors.max() / factors.min() > 1.2
    assert results.rank_agreement(estimated, measured)[1] > 0.9


# ---- the search


@states(
    "supernet_search",
    "Followed alone, each term falls.",
    "The entropies and the topology term start at 1, undecided; the memory term is a distance to a "
    "target and starts nearer to it.",
)
def test_each_term_falls_on_its_own():
    lines = [
        line for line in output("supernet_search", "15").splitlines() if "at the start" in line
    ]
    starts, ends = np.array([numbers(line)[:2] for line in lines]).T
    assert (ends < starts / 5).all() and len(lines) == 4
    assert (starts[:3] == 1).all() and "memory" in lines[3] and starts[3] < 1


@states(
    "supernet_search",
    "Where alphas are equal an entropy has no gradient, whatever it is multiplied by.",
    "It can't start a decision, it can only finish one that something else began.",
)
def test_an_entropy_has_no_gradient_where_alphas_are_equal():
    torch.manual_seed(1)
    net = space.supernet(0.125, 2, 3)
    alphas = space.arch_parameters(net)
    signs = [torch.sign(torch.randn_like(a)) for a in alphas]
    pulls = []
    for size in (0.0, 1.0):
        for alpha, sign in zip(alphas, signs, strict=True):
            alpha.data = size * sign
        terms = objective.terms(net, "normalised")
        grads = [
            torch.autograd.grad(terms[f"entropy_{k}"], a)[0]
            for k, a in zip("ac", alphas, strict=True)
        ]
        pulls.append([float(g.abs().sum()) for g in grads])
    assert max(pulls[0]) < 1e-4 and min(pulls[1]) > 0.1


@states(
    "supernet_search",
    "The memory target asks all paths for the same, the images need not: the shares tell who "
    "pulls.",
    "With a budget above the share that is on at the start it switches paths on.",
)
def test_the_memory_term_pushes_all_paths_one_way():
    net = space.supernet(0.125, 2, 3)
    for budget, way in ((0.8, -1), (0.3, 1)):
        loss = objective.terms(net, budget=budget)["memory"]
        (gradient,) = torch.autograd.grad(loss, space.arch_parameters(net)[0])
        assert (torch.sign(gradient) == way).all()


@states(
    "supernet_search",
    "The memory term counts every path by its probability, the decode keeps a path or drops it "
    "whole.",
    "A little under one half the decode leaves a single line, a little over it every path, while "
    "the mixture, which the budget is held to, hardly changed.",
)
def test_the_decode_makes_all_or_a_line_of_a_mixture():
    found = [numbers(line) for line in output("supernet_search", "25c").splitlines()]
    shares = {shift: (mixture / 100, on, size) for shift, mixture, on, size in found}
    assert shares[-0.2][1:] == (4, 40) and shares[0.2][1:] == (40, 40)
    assert shares[0.2][0] - shares[-0.2][0] < 0.15


@states(
    "supernet_search",
    "The decode comes to rest as the learning rate goes to zero, and so would any search with this "
    "schedule: rest is no sign of having settled.",
    "In the paper's way the alphas have no reason to decide, and they come to rest when the "
    "learning rate does.",
)
def test_the_rate_is_near_zero_where_the_decode_rests():
    differ = numbers(output("supernet_search", "26").splitlines()[-1])
    rates = numbers(output("supernet_search", "26a"))
    assert differ[0] > 0 and differ[-1] == 0 and len(differ) == len(rates)
    assert rates[0] == 100 and rates[-1] < 5 and rates == sorted(rates, reverse=True)


@states(
    "supernet_search",
    "The spread between modalities is larger than any difference in the paper's Table 4.",
)
def test_modalities_differ_by_more_than_the_papers_rows():
    dice = [row.dice for row in paper.ROWS]
    nets = [n for n in course_networks().values() if n["kind"] == "supernet"]
    assert nets
    assert all(np.ptp(list(n["per_modality"].values())) > np.ptp(dice) for n in nets)
