"""Making a table: networks trained side by side learn what each would learn alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from twodints_lib.errors import InputError
from twodints_lib.space import networks, topology
from twodints_lib.space.specs import DerivedSpec
from twodints_lib.targets.heads import HEADS
from twodints_lib.truth import make, protocol, scenes
from twodints_lib.truth.population import Population

SMALL = replace(
    protocol.PROTOCOLS["cells-99"], steps=(1, 2, 4), drawn=3, windows=1, networks=3, seeds=(1, 2),
    data="simulated", patch=32, batch=2, window=64, diameter=12.0,
)  # fmt: skip


def some_specs(blocks=3, depths=3, count=5):
    codes = [topology.random_code(blocks, depths, seed) for seed in range(count)]
    codes = [topology.as_code(c["paths"], np.ones_like(c["operations"]), c["names"]) for c in codes]
    return [DerivedSpec(0.125, code, head="ladder") for code in codes]


def test_each_of_a_population_draws_what_it_draws_alone():
    specs, image = some_specs(), torch.rand(2, 3, 32, 32)
    population = Population(specs, seed=3)
    drawn = population(image)
    for number, spec in enumerate(specs):
        torch.manual_seed(3)
        alone = networks.build(spec)
        assert torch.allclose(alone(image), drawn[number], atol=1e-4)
        assert torch.equal(population.network(number)(image), alone(image))


def test_each_of_a_population_learns_what_it_learns_alone():
    specs = some_specs(2, 2, 3)
    batches = [(torch.rand(2, 3, 16, 16), torch.rand(2, 7, 16, 16)) for _ in range(3)]
    asked = replace(SMALL, steps=(3,), learning_rate=1e-3)
    (_, average), *_ = make.learn(Population(specs, seed=1), batches, asked)
    loss_of = HEADS["ladder"].loss
    for number, spec in enumerate(specs):
        torch.manual_seed(1)
        net = networks.build(spec)
        kept = [p.detach().clone() for p in net.parameters()]
        optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
        for step, (image, maps) in enumerate(batches, 1):
            optimiser.param_groups[0]["lr"] = 1e-3 * step / 20
            loss = loss_of(net(image), maps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            for own, now in zip(kept, net.parameters(), strict=True):
                own.lerp_(now.detach(), 1 - (1 + step) / (10 + step))
        found = dict(average.network(number).named_parameters())
        for (name, _), own in zip(net.named_parameters(), kept, strict=True):
            assert torch.allclose(found[name], own, atol=2e-5), name


def test_perfect_maps_score_one():
    rng = np.random.default_rng(0)
    labels = np.zeros((2, 64, 64), np.int32)
    for image in labels:
        for number, (y, x) in enumerate(((8, 8), (8, 36), (36, 8)), 1):
            image[y : y + 18, x : x + 18] = number
    target = np.stack([HEADS["ladder"].encode(x)[:3].argmax(0) for x in labels])
    seen = scenes.Windows(rng.random((2, 3, 64, 64)), labels, target, np.array(["a", "b"]))
    maps = np.stack([HEADS["ladder"].encode(x)[: scenes.MAPS] for x in labels])
    found = scenes.marks(maps, seen)
    assert found["interior_dice"] == found["boundary_dice"] == found["f1_best"] == 1
    blank = scenes.marks(np.zeros_like(maps), seen)
    assert blank["f1_best"] == blank["boundary_dice"] == 0


def test_a_table_is_made_over_two_sittings(tmp_path, monkeypatch):
    monkeypatch.setenv("TWODINTS_RUNS", str(tmp_path))
    monkeypatch.setitem(protocol.PROTOCOLS, "tiny", SMALL)
    make.train("tiny", seeds=[1])
    with pytest.raises(InputError, match="table tiny.*is missing.*table-of-truth"):
        make.assemble("tiny")
    first = next(p for p in tmp_path.glob("store/truth-tiny-*") if any(p.iterdir()))
    before = {p.name: p.stat().st_mtime_ns for p in first.glob("*.json")}
    make.train("tiny")
    assert {p.name: p.stat().st_mtime_ns for p in first.glob("*.json")} == before
    table = make.assemble("tiny")
    assert table.seconds.shape == (3, 2, 3) and (np.diff(table.seconds, axis=2) > 0).all()
    assert table.codes == SMALL.codes() and len(table.costs["macs"]) == 3
    assert {"interior_dice", "boundary_dice", "f1", "f1_best", "f1_DIC"} <= set(table.scores)
    assert not np.array_equal(
        table.scores["boundary_dice"][:, 0], table.scores["boundary_dice"][:, 1]
    )


def test_settings_were_tried_on_other_seeds_and_named_networks():
    for asked in protocol.PROTOCOLS.values():
        assert not set(asked.seeds) & set(protocol.PILOT_SEEDS)
        assert all(code in topology.every_code(asked.blocks, 2) for code in protocol.pilot(asked))


def test_an_unknown_table_is_told():
    with pytest.raises(InputError, match="'cells-1'.*cells-99"):
        make.train("cells-1")
