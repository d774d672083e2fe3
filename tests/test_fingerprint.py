"""What a result is kept under: the code that computes it, and nothing that only says something."""

import json
import subprocess
import sys

import pytest

from twodints_lib import fingerprint
from twodints_lib.runs import store
from twodints_lib.space.operations import OPERATIONS, Operation
from twodints_lib.space.specs import SupernetSpec, UNetSpec

SPEC = SupernetSpec(0.125, 2, 2)


def key(spec) -> str:
    return store.key({"spec": spec.json(), "seed": 1})


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """A copy of the library, whose modules a test may edit; the key of a training afterwards."""
    import shutil

    home = shutil.copytree(fingerprint.LIBRARY, tmp_path / "twodints_lib")
    monkeypatch.setattr(fingerprint, "LIBRARY", home)

    def edited(module, old, new):
        path = fingerprint._path(module)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        fingerprint.reached.cache_clear()
        fingerprint.of_modules.cache_clear()
        return key(SPEC)

    yield edited
    fingerprint.reached.cache_clear()
    fingerprint.of_modules.cache_clear()


def test_keys_change_with_every_input():
    first = store.key({"a": 1, "b": [1, 2]})
    assert first == store.key({"b": [1, 2], "a": 1}) != store.key({"a": 2, "b": [1, 2]})


def test_a_result_of_more_than_a_training_has_that_code_too(edit):
    inputs = {"seed": 1}
    before = store.key(inputs), store.key(inputs, "reproduction.tiny")
    edit("reproduction.tiny", "WINDOW = 64", "WINDOW = 32")
    assert store.key(inputs) == before[0] and store.key(inputs, "reproduction.tiny") != before[1]


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("training.distributed", "import atexit\n", "import atexit\n\nNEW = 1\n"),
        ("space.lattice", "import numpy as np\n", "import numpy as np\n\nNEW = 1\n"),
        ("data.images", "(1, 99)", "(2, 98)"),
    ],
)
def test_a_change_of_what_computes_makes_results_anew(edit, module, old, new):
    before = key(SPEC)
    assert edit(module, old, new) != before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("inference.thresholds", "import numpy", "# a remark\nimport numpy"),
        ("training.search", '"""Search a topology', '"""Find a topology'),
        ("training.loop", "found, trained before", "was here already"),
        ("data.images", "no such image file; check the path.", "is not there; look again."),
        ("training.loop", "epochs: int", "epochs: float"),
        ("runs.report", "import", "NEW = 1\nimport"),
        ("space.operations", "OPERATIONS = {", "NEW = 1\nOPERATIONS = {"),
    ],
)
def test_a_change_of_words_discards_nothing(edit, module, old, new):
    before = key(SPEC)
    assert edit(module, old, new) == before


def test_no_module_that_a_training_loads_is_left_out():
    """Whatever a training imports is in the key, or on the short list of what has no numbers."""
    code = (
        "import json, sys, twodints_lib.training.search as search\n"
        "print(json.dumps([n for n, m in sys.modules.items() if n.startswith('twodints_lib.')"
        " and not m.__file__.endswith('__init__.py')]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {n.removeprefix("twodints_lib.") for n in json.loads(out.stdout)}
    without = {n for n in loaded if n.startswith(fingerprint.WITHOUT_NUMBERS)}
    in_key = set(fingerprint.reached(*store.TRAINING))
    assert {"training.loop", "training.distributed", "data.images", "targets.heads"} <= in_key
    assert loaded - without - {"lab.cells", "lab.optics"} <= in_key  # drawn data are in their hash
    assert not in_key & without


def test_what_has_no_numbers_is_there():
    for name in fingerprint.WITHOUT_NUMBERS:
        assert fingerprint._path(name).exists(), name


def test_an_operation_under_an_old_name_finds_no_old_result(monkeypatch):
    from torch import nn

    names = ("skip", "pooled")
    spec = lambda: SupernetSpec(0.125, 2, 2, names)  # noqa: E731
    code = {"paths": [[1, 0, 0, 0]], "operations": [[1, 0, 0, 0]], "names": list(names)}
    keys = []
    for kernel in (3, 5):
        pooled = Operation(lambda c, k=kernel: nn.AvgPool2d(k, 1, padding=k // 2))
        monkeypatch.setitem(OPERATIONS, "pooled", pooled)
        keys += [key(spec())]
        keys += [store.operations_of({"kind": "derived", "channel_mul": 1, "code": code})["pooled"]]
    monkeypatch.setitem(OPERATIONS, "pooled", pooled._replace(memory=1.0))
    keys += [key(spec())]
    assert len(set(keys)) == 5


def test_an_operation_that_a_network_does_not_use_changes_nothing(monkeypatch):
    before = key(SPEC), key(UNetSpec())
    monkeypatch.setitem(OPERATIONS, "7x7", OPERATIONS["5x5"])
    monkeypatch.setitem(OPERATIONS, "new", OPERATIONS["5x5"])
    assert (key(SPEC), key(UNetSpec())) == before
    monkeypatch.setitem(OPERATIONS, "3x3", OPERATIONS["5x5"])
    assert key(SPEC) != before[0] and key(UNetSpec()) == before[1]


def define(text: str):
    """The operation `op` of a script, as a notebook would define it."""
    world = {"__name__": "__main__"}
    exec(text, world)
    return world["op"]


BLOCK = """
import torch
from torch import nn
FACTOR = 2
def double(x):
    return FACTOR * x
class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
    def forward(self, x):
        return double(self.conv(x))
def made(kind):
    return lambda channels: kind(channels)
op = made(Block)
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("FACTOR = 2", "FACTOR = 3", False),
        ("return FACTOR * x", "return FACTOR + x", False),
        ("channels, 1)", "channels, 1, bias=False)", False),
        ("def made(kind)", "# a remark\ndef made(kind)", True),
        ("class Block(nn.Module):", 'class Block(nn.Module):\n    "A block."', True),
    ],
)
def test_an_operations_code_is_followed_as_far_as_it_is_ones_own(old, new, same):
    assert old in BLOCK
    found = (
        fingerprint.of_value(define(BLOCK)),
        fingerprint.of_value(define(BLOCK.replace(old, new))),
    )
    assert (found[0] == found[1]) is same


def test_looking_at_operations_leaves_the_random_numbers_alone():
    import torch

    torch.manual_seed(1)
    key(SPEC)
    seen = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(seen, torch.rand(1))


def test_a_derived_network_is_kept_under_its_own_operations():
    code = {"paths": [[1, 0, 0, 0]], "operations": [[1, 0, 0, 0]]}
    assert set(store.operations_of({"kind": "derived", "channel_mul": 1, "code": code})) == {
        "skip", "3x3",
    }  # fmt: skip
    assert store.operations_of({"kind": "unet"}) == {}
