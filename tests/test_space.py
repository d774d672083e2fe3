"""Networks and codes: the paper's counts, MONAI's decode, brute-force counts."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch

from twodints_lib import cli, files
from twodints_lib.errors import InputError
from twodints_lib.runs import paper
from twodints_lib.space import networks, topology
from twodints_lib.space.specs import (
    KINDS,
    UPSAMPLERS,
    DerivedSpec,
    SegResNetSpec,
    SupernetSpec,
    UNetSpec,
    spec_of,
)
from twodints_lib.training.recipes import Recipe

# As the paper prints them, typed here once more on purpose.
PAPER = [1_626_072, 443_747, 395_139, 400_571, 3_782_259, 15_115_251, 22_463_595]


def test_table_3_to_the_last_parameter(capsys):
    assert cli.main(["table", "parameters"]) == 0
    printed = capsys.readouterr().out
    for count in PAPER:
        assert printed.count(f"{count:,}") == 2
    assert sorted(row.parameters for row in paper.COUNTED) == sorted(PAPER)


def test_the_table_fails_when_a_count_differs(monkeypatch, capsys):
    wrong = dataclasses.replace(paper.row("unet"), parameters=1_626_073)
    monkeypatch.setattr(paper, "COUNTED", (wrong,))
    assert cli.main(["table", "parameters"]) == 1
    assert "NO" in capsys.readouterr().out


@pytest.mark.parametrize(
    "spec",
    [UNetSpec(), UNetSpec(4), *map(SegResNetSpec, UPSAMPLERS), SupernetSpec(0.125, 3, 3),
     SupernetSpec(0.125, 2, 5), DerivedSpec(0.125, topology.random_code(3, 3, 1)),
     DerivedSpec(0.125, topology.known_shape("unet", 8, 5)),
     DerivedSpec(0.125, topology.known_shape("unet", 6, 4), downsample=True)],
    ids=lambda s: s.title,
)  # fmt: skip
def test_every_network_gives_three_classes_and_survives_json(spec):
    again = spec_of(json.loads(json.dumps(spec.json())))
    assert again == spec
    net = networks.build(again)
    out = net(torch.rand(2, 3, 32, 32))
    assert out.shape == (2, 3, 32, 32)
    out.mean().backward()
    step = spec.divisor
    spec.check_patch(4 * step)
    with pytest.raises(InputError, match=f"patch={4 * step + 1}.*multiple of {step}"):
        spec.check_patch(4 * step + 1)


@pytest.mark.parametrize("depths", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("downsample", [False, True])
def test_a_patch_is_taken_when_the_codes_depth_allows_it(depths, downsample):
    spec = DerivedSpec(1 / 32, topology.known_shape("full grid", 1, depths), downsample)
    net = networks.build(spec)
    for patch in (24, 36, 48, 64):
        fits = patch % 2 ** (depths - 1 + downsample) == 0
        if fits:
            spec.check_patch(patch)
            assert net(torch.rand(1, 3, patch, patch)).shape == (1, 3, patch, patch)
        else:
            with pytest.raises(InputError, match=f"patch={patch}"):
                spec.check_patch(patch)


@pytest.mark.parametrize(
    ("told", "word"),
    [({"kind": "resnet"}, "resnet"), ({}, "None"), ({"kind": "unet", "colour": 1}, "colour"),
     ({"kind": "supernet", "channel_mul": 0.5, "num_blocks": 8}, "num_depths"),
     ({"kind": "segresnet", "upsample": "bicubic"}, "bicubic")],
)  # fmt: skip
def test_a_spec_that_is_not_known_is_refused(told, word):
    with pytest.raises(InputError, match=word):
        spec_of(told)


def test_weights_and_alphas_are_kept_apart():
    net = networks.supernet(0.125, 2, 3)
    alphas, weights = networks.arch_parameters(net), networks.weight_parameters(net)
    assert [tuple(a.shape) for a in alphas] == [(2, 7), (2, 7, 2)]
    assert not {id(p) for p in alphas} & {id(p) for p in weights}
    assert len(alphas) + len(weights) == len(list(net.parameters()))


@pytest.mark.parametrize(
    "bad", [{"channel_mul": 0.0}, {"num_blocks": 0}, {"num_depths": 9}], ids=lambda b: next(iter(b))
)
def test_impossible_sizes_are_named(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        networks.supernet(**bad)


@pytest.mark.parametrize("seed", range(30))
def test_decoded_codes_are_feasible(seed):
    assert topology.is_feasible(topology.random_code(6, 1 + seed % 5, seed))


@pytest.mark.parametrize(("blocks", "depths"), [(1, 2), (2, 2), (3, 2), (2, 3)])
def test_counts_equal_an_enumeration(blocks, depths):
    paths = 3 * depths - 2
    every = itertools.product(itertools.product((0, 1), repeat=paths), repeat=blocks)
    if blocks * paths > 14:
        pytest.fail("too large to enumerate")
    feasible = sum(all(map(any, rows)) and topology.is_feasible({"paths": rows}) for rows in every)
    assert topology.count_topologies(blocks, depths) == feasible


def test_the_reported_numbers_of_topologies():
    assert topology.count_topologies(2, 2) == 99
    assert f"{topology.count_topologies(8, 4):.1e}" == "1.9e+20"
    assert f"{topology.count_topologies(12, 4):.1e}" == "1.6e+30"


def test_an_infeasible_code_is_refused():
    code = {"paths": [[1, 0, 0, 0], [0, 0, 0, 1]], "operations": [[0] * 4] * 2}
    assert not topology.is_feasible(code)
    with pytest.raises(InputError, match="code"):
        networks.derived_network(code, 0.125)


def test_a_derived_network_holds_the_codes_paths_only():
    code = topology.random_code(3, 3, 4)
    net = networks.derived_network(code, 0.125)
    assert sum(len(block) for block in net.blocks) == np.sum(code["paths"])
    assert not networks.arch_parameters(net)


def test_table_4_gives_the_papers_batches():
    assert paper.batch_of(0.5, 8, 256) == 16
    assert paper.batch_of(1.0, 8, 256) == 8
    assert paper.batch_of(1.0, 8, 384) == 4
    assert paper.batch_of(1.0, 12, 256) == 6
    with pytest.raises(InputError, match="no such row"):
        paper.batch_of(1.0, 12, 384)


def test_every_committed_record_is_read_and_written_the_same():
    paths = [p for f in ("records", "pretrained") for p in files.shipped(f).rglob("*.json")]
    told = [r["parameters"] for r in map(files.read_json, paths) if "parameters" in r]
    told = [p for p in told if "spec" in p]
    assert len(told) > 100 and {p["spec"]["kind"] for p in told} == set(KINDS)
    for parameters in told:
        assert spec_of(parameters["spec"]).json() == parameters["spec"]
        recipe = Recipe.of_json(parameters["recipe"]).json()
        assert recipe | parameters["recipe"] == recipe
