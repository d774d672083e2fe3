"""What a machine, a crash or a call can do to a run: one sentence, and nothing lost."""

import errno
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import nbformat
import papermill
import pytest
import torch
from filelock import FileLock
from jupyter_client.kernelspec import NoSuchKernel
from nbformat import v4

from twodints_lib import cli, course, files
from twodints_lib.data.dataset import open_data
from twodints_lib.errors import InputError
from twodints_lib.inference import predict
from twodints_lib.runs import report, settings, store
from twodints_lib.space import networks
from twodints_lib.space.specs import SegResNetSpec, SupernetSpec
from twodints_lib.training import loop, patches, recipes, search, ways


def refused(capsys, *args) -> str:
    """The one sentence of a command that is refused."""
    assert cli.main(list(args)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("twodints: ")
    return said


@pytest.mark.parametrize("number", cli.MACHINE)
def test_what_a_machine_refuses_is_one_sentence(number, monkeypatch, capsys):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), "/there/a.png")

    monkeypatch.setattr("twodints_lib.exchange.segment_and_export", fail)
    said = refused(capsys, "segment", "a.png", "-o", "out")
    assert "/there/a.png: " in said and cli.MACHINE[number] in said


def test_an_error_of_the_system_that_is_ours_keeps_its_traceback(monkeypatch):
    def fail(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "gone", "x")

    monkeypatch.setattr("twodints_lib.exchange.segment_and_export", fail)
    with pytest.raises(FileNotFoundError):
        cli.main(["segment", "a.png", "-o", "out"])


def test_a_reader_that_has_seen_enough_is_no_error():
    code = "from twodints_lib import cli; raise SystemExit(cli.main(['table', 'presets']))"
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer.stdout.close()
    assert writer.stderr.read() == b"" and writer.wait() == 0


@pytest.mark.parametrize("name", ["TWODINTS_RUNS", "TWODINTS_CACHE"])
def test_a_place_that_is_a_file_is_refused(name, tmp_path, tiny_folder, monkeypatch, capsys):
    (tmp_path / "place").write_text("precious")
    monkeypatch.setenv(name, str(tmp_path / "place"))
    data = "simulated" if name == "TWODINTS_CACHE" else str(tiny_folder)
    assert name in refused(capsys, "run", "--only", "00", "--data", data)
    assert (tmp_path / "place").read_text() == "precious"


def test_a_relative_place_means_the_same_in_every_notebook(
    tmp_path, monkeypatch, tiny_folder, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWODINTS_RUNS", "mine")
    seen = []

    def execute(source, partial, **how):
        seen.append(os.environ["TWODINTS_RUNS"])
        nbformat.write(nbformat.read(source, as_version=4), partial)

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    assert cli.main(["run", "--only", "00", "--data", str(tiny_folder)]) == 0
    assert seen == [str(tmp_path / "mine")] and store.runs_dir() == tmp_path / "mine"


def test_a_second_run_into_one_folder_is_refused_and_the_first_goes_on(
    tmp_path, own_runs, tiny_folder, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".used").write_text("unet-1\n")
    ask = ("run", "--only", "00", "--data", str(tiny_folder), "--out", str(out))
    with FileLock(out / ".lock"):
        assert "another run" in refused(capsys, *ask)
    assert (out / ".used").read_text() == "unet-1\n"


@pytest.mark.parametrize(
    "error", [RuntimeError("Kernel died before replying to kernel_info"), NoSuchKernel("python3")]
)
def test_a_kernel_that_does_not_start_is_named(
    error, tmp_path, own_runs, tiny_folder, monkeypatch, capsys
):
    def execute(*_, **__):
        raise error

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    ask = ("run", "--only", "00", "--data", str(tiny_folder), "--out", str(tmp_path / "out"))
    assert "does not start" in refused(capsys, *ask)


def test_lists_and_none_among_parameters_stay_the_notebooks_own(tmp_path):
    cell = v4.new_code_cell(
        "a = [1, 2]\nb = None\nc = {}\nd = 3\ne: str = ''", metadata={"tags": ["parameters"]}
    )
    book = tmp_path / "10_mine.ipynb"
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    nbformat.write(v4.new_notebook(cells=[cell], metadata=kernel), book)
    assert course.parameters_of(book) == {"d": int, "e": str}


@pytest.mark.parametrize("preset", [None, {}, ["smoke"], 3])
def test_a_preset_or_data_of_another_type_is_refused(preset, monkeypatch):
    monkeypatch.delenv("TWODINTS_PRESET", raising=False)
    with pytest.raises(InputError, match="preset="):
        settings.load(preset)
    with pytest.raises(InputError, match="data="):
        open_data(preset)


@pytest.mark.parametrize("name", ["../im1", "x/im0", "/im"])
def test_prepared_images_stay_in_their_folder(name, tiny_folder, tmp_path):
    item = replace(open_data(tiny_folder).items[0], name=name)
    room = tmp_path / "cache" / "prepared"
    patches.load_samples([item], folder=room)
    assert len(list(room.iterdir())) == 4 and [p.name for p in tmp_path.iterdir()] == ["cache"]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["prepared"]


def test_full_shared_memory_is_named(monkeypatch):
    def full(*_):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>")
        yield

    monkeypatch.setattr(patches.DataLoader, "__iter__", full)
    with pytest.raises(InputError, match="workers=0: .*shared memory"):
        next(iter(patches.loader([1], [[0]], 0)))


class Command:
    """A pickle that would run a command."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def written(content):
    """Bytes that replace a file."""
    return lambda path: path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def holding(content):
    return lambda path: torch.save(content(torch.load(path, weights_only=True)), path)


def nan(state):
    """A state whose every weight is no number."""
    if isinstance(state, torch.Tensor):
        return torch.full_like(state, torch.nan) if state.is_floating_point() else state
    if isinstance(state, dict):
        return {k: nan(v) for k, v in state.items()}
    return [nan(v) for v in state] if isinstance(state, list) else state


def other(state):
    net = networks.build(SegResNetSpec())
    return state | {"trainer": [net.state_dict()]} if "trainer" in state else net.state_dict()


BROKEN = {
    "empty": written(b""),
    "text": written(b"{}"),
    "cut": cut,
    "a pickle": written(pickle.dumps(Command())),
    "another network": holding(other),
    "no numbers": holding(nan),
    "an empty dict": holding(lambda _: {}),
}


@pytest.fixture(scope="module")
def stopped(tiny_folder, tmp_path_factory):
    """The set-up of a short training and its folder after two of three epochs."""
    from twodints_lib.runs.setup import begin

    setup = begin("smoke", str(tiny_folder), 1, patch=32, num_blocks=2, num_depths=2,
                  val_start=1, val_every=1)  # fmt: skip
    spec = SupernetSpec.of(setup.preset)
    recipe = recipes.Recipe.of(setup.preset, 3, spec)
    train, val = (patches.load_samples(x[:2]) for x in (setup.train(), setup.val()))

    def trainer():
        torch.manual_seed(1)
        return loop.Joint(networks.build(spec), train, recipe, 1)

    class Stop(Exception):
        pass

    def stop(net, epoch, recipe):
        if epoch == 3:
            raise Stop
        return {}

    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Stop):
        loop.fit(trainer(), val, folder, stop)
    whole = tmp_path_factory.mktemp("whole")
    history = loop.fit(trainer(), val, whole)
    return trainer, val, folder, [row["loss"] for row in history]


@pytest.mark.parametrize("name", ["last.pt", "best.pt"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_checkpoint_costs_the_time_and_nothing_else(
    name, kind, stopped, tmp_path, said, monkeypatch
):
    trainer, val, folder, losses = stopped
    monkeypatch.chdir(tmp_path)
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    BROKEN[kind](tmp_path / name)
    history = loop.fit(trainer(), val, tmp_path)
    assert [row["loss"] for row in history] == losses
    assert not (tmp_path / "ran").exists()
    weights = torch.load(tmp_path / "best.pt", weights_only=True)
    assert all(w.isfinite().all() for w in weights.values())
    if name == "last.pt":
        assert any("last.pt: cannot be gone on from" in line for line in said)


@pytest.mark.parametrize("content", ["", "{}", "[]", "3", "{", "null", '{"metrics"', "folder"])
def test_a_broken_record_is_no_finished_training(content, tmp_path, said):
    path = tmp_path / "record.json"
    (tmp_path / "best.pt").write_bytes(b"x")
    path.mkdir() if content == "folder" else path.write_text(content)
    assert not loop.is_whole(tmp_path) and "trained anew" in said[-1]
    with pytest.raises(InputError, match="record.json"):
        predict.load_network(tmp_path)


def test_a_record_without_weights_is_no_finished_training(tmp_path):
    files.write_json(tmp_path / "record.json", {"metrics": {}})
    assert not loop.is_whole(tmp_path)
    (tmp_path / "best.pt").write_bytes(b"x")
    assert loop.is_whole(tmp_path)


@pytest.mark.parametrize(
    ("values", "plan"),
    [
        ({"learning_rate": 1e30}, {}),
        ({"arch_rate": 1e30}, {}),
        ({"arch_rate": 1e38}, {"mode": "dints", "warmup": 0.0}),
        ({"arch_rate": 1e30}, {"paths": "sampled"}),
    ],
)
def test_weights_that_are_no_numbers_stop_it_with_step_images_and_checkpoint(
    values, plan, tiny_setup, tmp_path
):
    setup = replace(tiny_setup, preset=replace(tiny_setup.preset, **values, search_epochs=3))
    with pytest.raises(InputError) as caught:
        search.search_supernet(setup, ways.Plan(**plan))
    said = str(caught.value)
    (name,) = values
    assert f"{name}=1e+" in said and "step " in said and "last good checkpoint" in said
    assert any(i.name in said for i in setup.train())
    assert not list(store.runs_dir().glob("store/*/record.json"))


@pytest.mark.parametrize("plan", [{}, {"mode": "dints", "warmup": 0.0}])
def test_a_rate_that_is_far_too_high_ends_in_a_sentence_or_in_a_record(plan, tiny_setup):
    setup = replace(tiny_setup, preset=replace(tiny_setup.preset, arch_rate=1e6, search_epochs=2))
    try:
        found = search.search_supernet(setup, ways.Plan(**plan))
        assert files.read_json(found / "record.json")["metrics"]
    except InputError as error:
        assert "arch_rate=1e+06" in str(error)


def test_what_was_tried_and_held_is_a_table_of_the_checks_records(tmp_path, capsys):
    told = {"images": {"tried": 1200, "held": 1199}, "commit": "abc", "hardware": {"cores": 2}}
    files.write_json(tmp_path / "check-corpus.json", told)
    files.write_json(tmp_path / "check-sweep.json", {"trainings": 4})
    assert report.door_rows(tmp_path) == [("corpus", "images", "1,200", "1,199")]
    assert cli.main(["table", "doors"]) == 0
    said = capsys.readouterr().out
    assert all(
        f"| {kind} | {tried} | {held} |" in said for _, kind, tried, held in report.door_rows()
    )
