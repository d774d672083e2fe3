"""Parts of the course, run by papermill with the smoke preset, and what bad calls get."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest
from conftest import twodints
from nbclient.exceptions import DeadKernelError

from twodints_lib import cli, course, files
from twodints_lib.runs import notebooks, settings, store
from twodints_lib.space.specs import UNetSpec
from twodints_lib.training import loop

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
NAMES = [p.stem for p in sorted(course.NOTEBOOKS.glob("[0-9]*.ipynb"))]


def test_a_folder_of_ones_own_needs_no_modalities(tiny_folder, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(tiny_folder, folder)
    (folder / "modality.csv").unlink()
    only = [word for n in ("00", "01", "02", "instance") for word in ("--only", n)]
    run = twodints("run", "--data", str(folder), *only, TWODINTS_RUNS=str(tmp_path / "runs"))
    assert run.returncode == 0, run.stderr
    (record,) = tmp_path.glob("runs/course-smoke-mine-*/run-00-01-02-instance.json")
    networks = json.loads(record.read_text())["networks"]
    assert networks and all(list(n["per_modality"]) == ["unknown"] for n in networks)


def test_plain_papermill_takes_parameters(tmp_path, monkeypatch):
    import papermill

    monkeypatch.delenv("TWODINTS_PRESET", raising=False)
    monkeypatch.chdir(tmp_path)  # from a folder that is not the checkout
    source = notebooks.find("supernet_search")
    values = {"preset": "smoke", "seed": 7}
    papermill.execute_notebook(str(source), "out.ipynb", values, progress_bar=False)
    text = Path("out.ipynb").read_text()
    assert "seed 7" in text and "smoke" in text


@pytest.mark.parametrize(
    ("args", "word"),
    [(["--preset", "fast"], "fast"), (["--data", "nowhere"], "nowhere"), (["--only", "99"], "99"),
     (["-p", "epochs", "3"], "epochs"), (["-p", "seed", "x"], "seed"),
     (["-p", "seed", "-3"], "seed"), (["--only", "supernet", "-p", "patch", "50"], "patch"),
     (["-p", "arch_rate", "-2"], "arch_rate"), (["-p", "patch", "0"], "patch"),
     (["-p", "paths", "some"], "paths='some'"), (["-p", "scaling", "none"], "scaling"),
     (["-p", "budget", "1.5"], "budget"), (["-p", "threshold", "0"], "threshold"),
     (["-p", "modality", "xray"], "xray"), (["-p", "grow", "-2"], "grow=-2"),
     (["-p", "lab_seed", "-2"], "lab_seed"), (["-p", "model", "nothing"], "nothing"),
     (["-p", "decode_share", "2"], "decode_share"),
     (["-p", "row", "dints-9"], "dints-9"), (["-p", "max_steps", "-2"], "max_steps"),
     (["-p", "seed", "3", "--refresh"], "--refresh"),
     (["--only", "targets_and_back", "-p", "baseline_epochs", "3"], "baseline_epochs"),
     (["--only", "supernet_search", "-p", "channel_mul", "100"], "channel_mul"),
     (["--only", "baselines", "-p", "patch", "40"], "patch"),
     (["--only", "derived_network", "-p", "patch", "24", "-p", "num_depths", "5"], "patch"),
     (["--only", "search_space", "-p", "num_depths", "9"], "num_depths")],
    ids=lambda a: " ".join(a) if isinstance(a, list) else "",
)  # fmt: skip
def test_a_bad_call_is_refused_before_anything_starts(args, word, tmp_path, capsys, own_runs):
    out = tmp_path / "out"
    assert cli.main(["run", *args, "--out", str(out)]) == 2
    said = capsys.readouterr()
    (line,) = [x for x in said.err.splitlines() if x.startswith("twodints: ")]
    assert word in line and said.err.endswith(f"{line}\n")  # a progress bar may come before
    assert not out.exists() and "[1/" not in said.out


def test_every_parameter_with_a_choice_or_range_is_checked():
    """A new parameter of a notebook needs its check in course.check, or a place in this list."""
    names = {name for n in course.chosen([]) for name in course.parameters_of(n)}
    checked = {"paths", "scaling", "budget", "threshold", "modality", "grow", "lab_seed", "model"}
    checked |= {"decode_share", "preset", "data", "seed", "row", "name", "trainings", "repeats"}
    assert names - checked <= set(settings.OVERRIDES)


def test_other_parameters_have_a_folder_of_their_own(tiny_setup, own_runs):
    base = f"course-smoke-{tiny_setup.dataset.name}-{tiny_setup.dataset.hash[:8]}"
    assert course.home(tiny_setup, {}).name == base
    assert course.home(tiny_setup, {"seed": "3", "patch": "64"}).name == f"{base}-patch=64-seed=3"
    model = course.home(tiny_setup, {"model": "runs/store/derived"}).name
    long = course.home(tiny_setup, {"model": "x" * 90}).name
    assert len({base, model, long}) == 3 and all(re.fullmatch(r"[\w-]+", n) for n in (model, long))


@pytest.mark.parametrize("kind", ["notebooks", "file", "others", "copy"])
def test_a_folder_that_is_not_ours_is_refused(kind, tmp_path, own_runs, capsys):
    out = course.NOTEBOOKS if kind == "notebooks" else tmp_path / "out"
    if kind == "file":
        out.write_text("precious")
    elif kind != "notebooks":
        out.mkdir()
        (out / "html").mkdir()
        name = "thesis.docx" if kind == "others" else f"{NAMES[0]}.ipynb"
        (out / name).write_text("precious" if kind == "others" else '{"cells": []}')
    assert cli.main(["run", "--only", "00", "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert str(out) in said.err and "folder" in said.err and "[1/" not in said.out


def test_a_run_says_nothing_of_the_kernels_transport(tmp_path, own_runs, tiny_folder):
    run = twodints("run", "--only", "00", "--data", str(tiny_folder), TWODINTS_RUNS=str(own_runs))
    assert run.returncode == 0, run.stderr
    assert "IPKernelApp" not in run.stdout + run.stderr and "WARNING" not in run.stdout + run.stderr
    again = twodints("run", "--only", "00", "--data", str(tiny_folder), TWODINTS_RUNS=str(own_runs))
    assert again.returncode == 0, again.stderr  # its own folder may be used again


def test_a_failed_notebook_is_kept_under_a_name_that_says_so(
    tmp_path, monkeypatch, own_runs, capsys
):
    book = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    cells = ['preset: str = "smoke"\ndata: str = "simulated"', "print('before')", "1 / 0"]
    book.cells = [nbformat.v4.new_code_cell(c) for c in cells]
    book.cells[0].metadata["tags"] = ["parameters"]
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(book, folder / "00_broken.ipynb")
    monkeypatch.setattr(course, "NOTEBOOKS", folder)
    out = tmp_path / "out"
    assert cli.main(["run", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "00_broken.ipynb" in said and "ZeroDivisionError" in said and "failed" in said
    assert [p.name for p in out.glob("*.ipynb")] == ["00_broken.failed.ipynb"]
    assert "before" in (out / "00_broken.failed.ipynb").read_text()
    assert not (out / "course.json").exists()


def test_a_kernel_that_dies_leaves_its_copy_and_one_sentence(
    tmp_path, monkeypatch, own_runs, capsys
):
    def dies(source, partial, **more):
        shutil.copy(source, partial)
        raise DeadKernelError("Kernel died")

    monkeypatch.setattr(papermill, "execute_notebook", dies)
    out = tmp_path / "out"
    assert cli.main(["run", "--only", "00", "--out", str(out)]) == 2
    assert "kernel died" in capsys.readouterr().err
    assert [p.name for p in out.glob("*.ipynb")] == ["00_start_here.failed.ipynb"]


def test_a_name_wins_over_a_folder(tmp_path, monkeypatch):
    (tmp_path / "simulated").mkdir()
    monkeypatch.chdir(tmp_path)
    (job,) = course.plan(course.chosen(["00"]), "smoke", "simulated", {}).values()
    assert job["data"] == "simulated"


def test_a_course_lists_the_networks_it_used_and_no_others(tiny_setup, tmp_path, monkeypatch):
    spec = UNetSpec()
    other = dataclasses.replace(tiny_setup.preset, learning_rate=1e-4)
    loop.train_network(dataclasses.replace(tiny_setup, preset=other), spec, 1)
    monkeypatch.setenv("TWODINTS_USED", str(tmp_path / "used"))
    for _ in range(2):  # trained, then found
        folder = loop.train_network(tiny_setup, spec, 1)
    names = (tmp_path / "used").read_text().split()
    assert names == [folder.name] * 2
    assert [n["run"] for n in course._networks(set(names))] == [folder.name]


def test_refresh_gives_back_the_committed_form(tmp_path, monkeypatch):
    source = course.NOTEBOOKS / f"{NAMES[0]}.ipynb"
    executed = nbformat.read(source, as_version=4)
    extra = nbformat.v4.new_code_cell("seed = 3", metadata={"tags": ["injected-parameters"]})
    executed.cells.insert(3, extra)
    executed.metadata["papermill"] = {"duration": 1}
    executed.cells[0].source = executed.cells[0].source.replace("(preset laptop", "(")
    done, home = tmp_path / "done", tmp_path / "home"
    done.mkdir()
    home.mkdir()
    nbformat.write(executed, done / source.name)
    (home / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(course, "NOTEBOOKS", home)
    committed = files.ROOT / "records" / "course-laptop-simulated.json"
    took = files.read_json(committed)["notebooks"][:1]
    record = {"preset": "laptop", "data": "simulated", "notebooks": took}
    monkeypatch.setattr(files, "ROOT", tmp_path)
    files.write_json(done / "course.json", record)
    course.refresh(done)
    kept = tmp_path / "records" / "course-laptop-simulated.json"
    assert files.read_json(kept) == record
    files.write_json(done / "run-00.json", record | {"a part": True})
    course.refresh(done, ["00"])
    assert files.read_json(kept) == record  # a part never replaces the whole
    again = nbformat.read(home / source.name, as_version=4)
    assert again == nbformat.read(source, as_version=4)


def test_a_notebook_is_meant_by_its_name_or_its_number():
    (path,) = course.chosen(["supernet_search"])
    assert notebooks.name_of(path) == "supernet_search"
    assert course.chosen([path.name[:2]]) == [path]
    assert course.chosen(["the_papers", "supernet"]) == [path, notebooks.find("the_papers_tables")]


def test_a_notebook_that_is_new_is_added_to_the_record_of_the_course():
    some = [{"notebook": n, "seconds": 1} for n in ("00_start_here", "02_baselines")]
    part = [{"notebook": n, "seconds": 2} for n in ("01_the_data", "02_baselines")]
    told = course._with_new({"notebooks": some}, {"notebooks": part})["notebooks"]
    assert told == [some[0], part[0], some[1]]


def test_runs_dir_follows_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("TWODINTS_RUNS", str(tmp_path))
    assert store.runs_dir() == tmp_path
