"""Run the course's notebooks by papermill, strictly, and gather what they leave."""

import ast
import io
import os
import re
import threading
import time
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cache
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from twodints_lib import files, fingerprint, truth
from twodints_lib.data.manifest import manifests
from twodints_lib.errors import InputError
from twodints_lib.lab import optics
from twodints_lib.messages import log
from twodints_lib.reproduction import table4
from twodints_lib.runs import kernels, notebooks, opening, pretrained, report, settings, store
from twodints_lib.runs.setup import Setup, begin
from twodints_lib.scoring.scores import Rules
from twodints_lib.space.specs import SegResNetSpec, Spec, SupernetSpec, UNetSpec, spec_of
from twodints_lib.training.ways import Plan

NOTEBOOKS = notebooks.FOLDER
TYPES = {"str": str, "int": int, "float": float, "bool": bool}
OURS = ("course.json", "results.csv", "results.md", "html")  # html: pages of earlier versions


def chosen(only: list[str]) -> list[Path]:
    """The notebooks whose number or name starts with one of the given words, all by default."""
    every = notebooks.every(NOTEBOOKS)
    if not every:
        raise InputError(
            "run: this install has no notebooks; clone the repository and call `make setup` there."
        )
    for prefix in only:
        if not any(notebooks.is_meant(p, prefix) for p in every):
            names = ", ".join(p.stem for p in every)
            raise InputError(f"--only {prefix}: no notebook starts so; there are {names}.")
    return [p for p in every if not only or any(notebooks.is_meant(p, x) for x in only)]


@cache
def parameters_of(notebook: Path) -> dict[str, type]:
    """Names and types in a notebook's parameters cell."""
    from papermill import inspect_notebook

    found = inspect_notebook(str(notebook))
    kinds = {name: _kind(p["inferred_type_name"], p["default"]) for name, p in found.items()}
    return {name: kind for name, kind in kinds.items() if kind in TYPES.values()}


def _kind(told: str, default: str) -> type | None:
    """A parameter's type, as declared or as its value has it; lists and None stay a notebook's own
    affair, for which -p has no words."""
    with suppress(ValueError, SyntaxError):
        return TYPES.get(told) or type(ast.literal_eval(default))
    return None


def plan(books: Iterable[Path], preset: str, data: str, given: dict[str, str]) -> dict[Path, dict]:
    """Parameters of each notebook, or an InputError before anything runs.

    A name must exist in at least one of the notebooks; each takes those that it declares, and
    keeps its own value of what is given as unset.
    """
    declared = {n: parameters_of(n) for n in books}
    known = sorted({name for d in declared.values() for name in d})
    for name in given:
        if name not in known:
            raise InputError(f"-p {name}: no such parameter here; known are {', '.join(known)}.")
    jobs = {}
    for notebook, types in declared.items():
        chosen = {k: settings.typed(k, v, types[k]) for k, v in given.items() if k in types}
        chosen = {k: v for k, v in chosen.items() if v != settings.UNSET.get(types[k])}
        jobs[notebook] = {"preset": preset, "data": data} | chosen
        for name, names in (("data", manifests()), ("model", pretrained.names())):
            value = jobs[notebook].get(name, "")
            if value and value not in names and Path(value).is_dir():
                jobs[notebook][name] = str(Path(value).resolve())  # notebooks have their own folder
    return jobs


def check(jobs: dict[Path, dict]) -> Setup:
    """The setup of a course; InputError for a value that would only fail in the middle of it."""
    values = {"seed": 2022}
    for notebook, parameters in jobs.items():
        values |= parameters
        own = {k: v for k, v in parameters.items() if k in settings.OVERRIDES}
        preset = settings.load(parameters["preset"], **own)
        for spec in _trained(preset, parameters_of(notebook)):
            spec.check_patch(preset.patch)
    Plan(**{f.name: values[f.name] for f in fields(Plan) if f.name in values})
    Rules((values.get("threshold", 0.5),))
    optics.default_dials(values.get("modality", "DIC"))
    for name, least in (("lab_seed", 0), ("grow", 0), ("trainings", 1), ("repeats", 1)):
        if values.get(name, least) < least:
            raise InputError(f"{name}={values[name]} must be {least} or more.")
    if "name" in values:
        truth.load(values["name"])
    if "model" in values:
        pretrained.folder(values["model"])
    if "row" in values:
        table4.row_setup(values["row"], *(values[k] for k in ("preset", "data", "seed")))
    own = {k: v for k, v in values.items() if k in settings.OVERRIDES}
    setup = begin(values["preset"], values["data"], values["seed"], **own)
    setup.train(), setup.val()
    return setup


def _trained(preset: settings.Preset, declared) -> list[Spec]:
    """What a notebook trains that declares these parameters, as far as they can change it."""
    baselines = [UNetSpec(), SegResNetSpec()] if "baseline_epochs" in declared else []
    return baselines + ([SupernetSpec.of(preset)] if "num_depths" in declared else [])


def home(setup: Setup, given: dict[str, str]) -> Path:
    """The folder of a course's results: one for each set of parameters, hashed where they are long
    or no part of a file's name."""
    words = "-".join(f"{k}={v}" for k, v in sorted(given.items()) if k not in ("preset", "data"))
    if not re.fullmatch(r"[\w.=+-]{0,80}", words):
        words = fingerprint.digest(words)
    base = f"course-{store.scale(setup)}"
    return store.runs_dir() / "-".join([base] + [words] * bool(words))


def _check_home(out: Path):
    """InputError for a folder that holds anything but the results of a course."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder for the executed notebooks.")
    if out.resolve() == NOTEBOOKS.resolve():
        raise InputError(f"{out}: holds the notebooks themselves; give a folder for executed ones.")
    for path in out.glob("[!.]*"):
        executed = path.suffix == ".ipynb" and '"papermill"' in path.read_text(
            encoding="utf-8", errors="ignore"
        )
        if not executed and path.name not in OURS and not re.fullmatch(r"run-.*\.json", path.name):
            raise InputError(f"{path}: is of no course run; give a new folder, or an empty one.")


def run_course(
    preset: str = "smoke",
    data: str = "simulated",
    only: Iterable[str] = (),
    given: dict[str, str] | None = None,
    out: str | Path | None = None,
) -> Path:
    """Execute notebooks; leave executed copies, a results table and course.json in `out`.

    A notebook that fails keeps its partial copy as NAME.failed.ipynb and stops the course with an
    InputError that quotes the error. Finished notebooks stay.
    """
    given = dict(given or {})
    jobs = plan(chosen(list(only)), preset, data, given)
    os.environ.pop("TWODINTS_PRESET", None)  # the preset asked for here must win
    os.environ["TWODINTS_HEADLESS"] = "1"  # no sliders where nobody can move them
    setup = check(jobs)
    out = Path(out) if out else home(setup, given)
    _check_home(out)
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{out}: another run writes there; wait for it or give --out.") from None
    done, used = [], out / ".used"
    used.write_text("", encoding="utf-8")
    os.environ["TWODINTS_USED"] = str(used.resolve())
    # Notebooks have their own working folder: what is relative here would be elsewhere there.
    places = {"TWODINTS_RUNS": store.runs_dir(), "TWODINTS_CACHE": files.cache_dir()}
    os.environ |= {k: str(v) for k, v in places.items() if os.environ.get(k)}
    try:
        for i, (notebook, parameters) in enumerate(jobs.items(), 1):
            log.info(f"[{i}/{len(jobs)}] {notebook.name}")
            seconds, peak = _execute(notebook, parameters, out)
            runs = sorted(set(used.read_text(encoding="utf-8").split()))
            used.write_text("", encoding="utf-8")
            took = {"seconds": round(seconds, 1), "peak_gib": peak, "runs": runs}
            done.append({"notebook": notebook.stem} | took)
            log.info(f"      {seconds:.0f} s, {peak:.1f} GB")
        networks = _networks({run for d in done for run in d["runs"]})
    finally:
        del os.environ["TWODINTS_USED"]
        used.unlink(missing_ok=True)
        lock.release()
    record = store.record(setup, given, {}, sum(d["seconds"] for d in done))
    setup_time = files.ROOT / ".venv" / "ready"  # seconds, written by make setup
    if setup_time.is_file():
        record["setup_seconds"] = int(setup_time.read_text(encoding="utf-8"))
    record |= {"notebooks": done, "networks": networks}
    files.write_json(out / record_name(only), record)
    _write_results(out, setup, networks)
    _farewell(out, setup, done)
    return out


def _execute(notebook: Path, parameters: dict, out: Path) -> tuple[float, float]:
    """Run one notebook; returns its seconds and its kernel's peak memory in GiB."""
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    partial, failed = out / f".{notebook.stem}.ipynb", out / f"{notebook.stem}.failed.ipynb"
    failed.unlink(missing_ok=True)
    start = time.perf_counter()
    with _peak_memory() as memory:
        try:
            papermill.execute_notebook(
                str(notebook),
                str(partial),
                parameters=parameters,
                kernel_name="python3",
                cwd=str(NOTEBOOKS),
                progress_bar=False,
                stdout_file=_Progress(),
                config=kernels.config(),
            )
            os.replace(partial, out / notebook.name)
        except papermill.PapermillExecutionError as error:
            os.replace(partial, failed)
            raise InputError(
                f"{notebook.name}: stopped in cell {error.exec_count} with {error.ename}: "
                f"{error.evalue} The partial copy is {failed}."
            ) from None
        except (DeadKernelError, CellTimeoutError) as error:
            if partial.is_file():
                os.replace(partial, failed)
            raise InputError(
                f"{notebook.name}: its kernel died ({error}), most often for lack of memory; take "
                f"a smaller batch or patch. The partial copy is {failed}."
            ) from None
        except (NoSuchKernel, RuntimeError) as error:
            reason = " ".join(str(error).split())
            if "ernel" not in reason:
                raise
            raise InputError(
                f"{notebook.name}: its kernel does not start ({reason}); run `make setup` anew."
            ) from None
        finally:
            partial.unlink(missing_ok=True)
    return time.perf_counter() - start, round(memory[-1], 2)


class _Progress(io.StringIO):
    """Passes a notebook's training lines on while it runs, and nothing else of its output."""

    def write(self, text):
        for line in text.splitlines():
            if line.startswith("epoch ") and "left" in line:
                log.info(f"      {line}")


@contextmanager
def _peak_memory():
    """A list whose last number is the highest resident memory of this process's children while the
    block runs, GiB."""
    found, stop, me = [0.0], threading.Event(), psutil.Process()

    def watch():
        while not stop.wait(0.3):
            total = 0
            for child in me.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    total += child.memory_info().rss
            found.append(max(found[-1], total / 2**30))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def _networks(names) -> list[dict]:
    """The scores of the networks that the notebooks trained or found, by their folders' names."""
    found = []
    for path in (store.runs_dir() / "store" / name / "record.json" for name in sorted(names)):
        r = files.read_json(path)
        scores = {k: v for k, v in r["metrics"].items() if k != "per_image"}
        scores.pop("representations", None)
        spec = spec_of(r["parameters"]["spec"])
        kind = {"kind": spec.kind, "head": spec.head}
        row = dict(zip(report.RESULT_HEADER, report.result_row(r), strict=True))
        found.append(kind | {"run": path.parent.name, "row": row} | scores)
    return found


def _write_results(out: Path, setup, networks):
    """results.csv and results.md, labelled with the preset."""
    rows = [n["row"].values() for n in networks]
    label = "" if setup.preset.is_result else "Smoke run: these numbers are no result.\n\n"
    text = f"{label}{report.markdown(report.RESULT_HEADER, rows)}\n\n{setup.stamp}\n"
    with files.whole_file(out / "results.md") as made:
        made.write_text(text, encoding="utf-8")
    own = (setup.preset.name, setup.preset.is_result)
    header = ("preset", "is_result", *report.RESULT_HEADER)
    files.write_csv(out / "results.csv", header, [(*own, *row) for row in rows])


def _farewell(out: Path, setup, done):
    minutes = sum(d["seconds"] for d in done) / 60
    log.info(f"{len(done)} notebooks in {minutes:.1f} minutes.")
    log.info(f"Results: {out / 'results.md'}; as pages to read: make book FROM={out}")
    if not setup.preset.is_result:
        log.info(
            "This was the smoke preset: its numbers are no result. For the real course, about "
            f"{settings.LAPTOP.minutes} minutes on 2 cores without a GPU: make course PRESET=laptop"
        )


def record_name(only: Iterable[str]) -> str:
    """The file of a run's record: of the whole course, or of a part of it."""
    return f"run-{'-'.join(only)}.json" if only else "course.json"


def refresh(folder: str | Path, only: Iterable[str] = ()) -> None:
    """Copy executed notebooks over the committed ones, without papermill's marks, and the record.

    Notebooks are only copied from a laptop run on simulated data: no image of others enters here.
    The record of a part never replaces that of a whole course; what it adds are notebooks that the
    whole course did not have yet.
    """
    import nbformat
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    record = files.read_json(Path(folder) / record_name(only))
    path = files.shipped("records") / f"course-{record['preset']}-{record['data']}.json"
    whole = files.read_json(path) if only and path.is_file() else record
    files.write_json(path, _with_new(whole, record) if report.is_whole(whole) else record)
    told = (*record["notebooks"], *files.read_json(path)["notebooks"])
    took = {notebooks.name_of(n["notebook"]): n for n in told}
    if (record["preset"], record["data"]) != ("laptop", "simulated"):
        return
    for path in (Path(folder) / f"{n['notebook']}.ipynb" for n in record["notebooks"]):
        book = nbformat.read(path, as_version=4)
        book, _ = CoalesceStreamsPreprocessor().preprocess(book, {})  # one output, not one a line
        source = nbformat.read(NOTEBOOKS / path.name, as_version=4)
        kept = [c for c in book.cells if "injected-parameters" not in c.metadata.get("tags", [])]
        for count, cell in enumerate((c for c in kept if c.cell_type == "code"), 1):
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
        for cell, original in zip(kept, source.cells, strict=True):
            cell.metadata, cell.id = original.metadata, original.id
        book.cells, book.metadata = kept, source.metadata
        told = opening.line(book.metadata, took[notebooks.name_of(path)], NOTEBOOKS)
        book.cells[0].source = opening.renewed(book.cells[0].source, told)
        with files.whole_file(NOTEBOOKS / path.name) as made:
            nbformat.write(book, made)


def _with_new(whole: dict, part: dict) -> dict:
    """The record of a whole course with the notebooks of a part that it lacks, in their order."""
    told = {notebooks.name_of(n["notebook"]): n for n in (*part["notebooks"], *whole["notebooks"])}
    order = [notebooks.name_of(path) for path in notebooks.every(NOTEBOOKS)]
    return whole | {"notebooks": [told[name] for name in order if name in told]}
