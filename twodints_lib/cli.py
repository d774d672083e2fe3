"""The command `twodints`: doctor, data, run, runs, exercises, study, segment, table, ..."""

import argparse
import errno
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from twodints_lib import __version__, data, inference, messages, runs, scoring, space
from twodints_lib.errors import InputError

BENCHES = ("search", "instances", "loader", "gpu")  # records/bench-<name>.json
TRUTH = ("truth", "lengths", "searches", "proxies")  # of the tables of truth
TABLES = (
    "3", "4", "5", "claims", "pretrained", "parameters", "presets", "cells", "peers", "front",
    "planted", "placed", "transfer", "doors", *BENCHES, *TRUTH,
)  # fmt: skip


def _doctor(args):
    from twodints_lib.runs import doctor

    found = doctor.examine()
    print(runs.text_table(("what", "found", "wanted", "verdict"), [f.row for f in found]))
    print(doctor.advice(found) or "This machine has all that the course needs.")
    return int(any(f.problem for f in found))


def _run(args):
    from twodints_lib import course
    from twodints_lib.reproduction import table4

    if args.row:
        if args.only or args.out or args.refresh:
            raise InputError("--row trains a row and runs no notebook; leave --only and such out.")
        table4.run_rows(args.row, args.preset, args.data, dict(args.given))
        return
    if args.refresh and args.given:
        raise InputError("--refresh keeps the preset's own numbers; leave -p out.")
    out = course.run_course(args.preset, args.data, args.only, dict(args.given), args.out)
    if args.refresh:
        course.refresh(out, args.only)


def _study(args):
    from twodints_lib.reproduction import study

    study.run(args.data, args.only, args.seeds or ())


def _data_list(args):
    data.fetch.list_data()


def _data_fetch(args):
    if args.name == "neurips-shaped":  # drawn, not fetched
        return _data_make(args)
    data.fetch.fetch(args.name, mirror=args.mirror, source=args.source)


def _data_verify(args):
    return 1 if data.fetch.verify(args.name) else 0


def _data_make(args):
    from twodints_lib.reproduction import challenge_tree

    images = getattr(args, "images", None)
    if args.name == "neurips-shaped":
        challenge_tree.make(images)
    elif images is not None:
        raise InputError(f"--images {images}: only neurips-shaped takes a number; leave it out.")
    else:
        data.fetch.make(args.name, source=args.source)


def _segment(args):
    from twodints_lib import exchange
    from twodints_lib.data.view import View

    given = {k: getattr(args, k) for k in ("model", "grow", "flips", "workers")}
    given["view"] = View(args.page, tuple(args.channels), args.axes)
    exchange.segment_and_export(args.images, args.out, args.export, **given)


def _measure(args):
    from twodints_lib import exchange

    size = args.pixel_size
    if size is not None and not 0 < size < 1e6:
        raise InputError(f"--pixel-size {size}: must be micrometres, above 0.")
    exchange.measure_files(args.labels, args.images, args.out, size and (size, size))


def _data_import(args):
    from twodints_lib import exchange

    exchange.import_labels(args.source, args.out, args.images, args.relabel)


def _export(args):
    out = Path(args.out)
    if out.exists() or out.suffix != ".pt2" or not out.parent.is_dir():
        raise InputError(f"{out}: must be a new file in a folder, NAME.pt2; choose another.")
    net, record = inference.load_network(args.model)
    if space.spec_of(record["parameters"]["spec"]).kind != "derived":
        raise InputError(f"{args.model}: is no derived network; give the folder of one.")
    space.derive.export(net.cpu(), out, record["parameters"]["recipe"]["patch"])
    print(f"{out}: read it with torch.export.load({out.name!r}).module()")


def _keep(args):
    print(runs.pretrained.keep(args.folder, args.name))


def _diff(args):
    from twodints_lib.reproduction import compare

    found = compare.compare(args.a, args.b)
    print(json.dumps(found, indent=1) if args.json else compare.text(found))


def _evaluate(args):
    if args.compat not in ("", "neurips22"):
        raise InputError(f"--compat {args.compat}: is not known; take neurips22 or leave it out.")
    rules = replace(
        scoring.SCRIPT if args.compat else scoring.DEFAULT,
        thresholds=tuple(args.threshold), at_least=not args.above, frame=args.frame,
    )  # fmt: skip
    if args.csv and (Path(args.csv).exists() or not Path(args.csv).parent.is_dir()):
        raise InputError(f"--csv {args.csv}: must be a new file in a folder; choose another name.")
    shown = sys.stderr.isatty()
    result = scoring.evaluate(args.pred_dir, args.truth_dir, rules, shown, args.relabel)
    if args.csv:
        scoring.save_csv(result, args.csv)
    if args.json:
        print(json.dumps(result, indent=1))
        return
    for row in result["per_image"]:
        print(f"{row['name']:<28} {row['tp']:>5} of {row['n_true']:>5} found  F1 {row['f1']:.4f}")
    for name, m in result["modalities"].items():
        low, high = m["interval_mean_f1"]
        print(f"{name:<28} mean F1 {m['mean_f1']:.4f} [{low:.3f}, {high:.3f}]")
    for name in result["missing"]:
        how = "left out, as the script does" if args.compat else "counted as empty"
        print(f"{name}: no prediction, {how}", file=sys.stderr)
    errors = ", ".join(f"{n} {kind}" for kind, n in result["errors"].items() if n)
    print(f"unmatched: {errors or 'none'}")
    scores = (f"{kind} F1 {result[f'{kind}_f1']:.4f}" for kind in ("mean", "median", "pooled"))
    print(", ".join(scores))


def _ceiling(args):
    from twodints_lib.targets.heads import DECODERS

    for name in args.only:
        if name not in DECODERS:
            known = ", ".join(DECODERS)
            raise InputError(f"--only {name}: no such representation; there are {known}.")
    items = [i for i in data.open_data(args.data).items if i.label is not None]
    if not items:
        raise InputError(f"{args.data}: holds no labels; give a data set that has some.")
    found = scoring.ceilings(items, args.only or list(DECODERS), args.relabel)
    print(runs.text_table(*scoring.ceiling_rows(found)))


def _truth_make(args):
    from twodints_lib.truth import make

    make.train(args.name, args.seeds or ())
    print(make.keep(args.name))


def _truth_searches(args):
    from twodints_lib.truth import regret

    print(regret.keep(args.name))


def _truth_proxies(args):
    from twodints_lib.truth import proxies

    print(proxies.keep(args.name, args.supernets))


def _table(args):
    from twodints_lib.reproduction import tables

    print(tables.text(args.name, args.rows, args.data, args.save))
    rows = runs.report.parameter_rows() if args.name == "parameters" else []
    return 1 if any(r[-1] != "yes" for r in rows) else 0


def _runs_pack(args):
    runs.packing.pack(args.file, args.source, args.notebooks)


def _runs_unpack(args):
    runs.packing.unpack(args.file)


def _runs_pool(args):
    from twodints_lib.reproduction import pooling

    print(pooling.pool(args.folder, args.csv))


def _runs_list(args):
    found = runs.shelf.select(args.words, args.older)
    print(runs.text_table(runs.shelf.HEADER, [one.row for one in found]))
    size = sum(one.bytes for one in found) / 2**20
    print(f"{len(found):,} results, {size:,.0f} MiB")


def _runs_show(args):
    print(runs.text_table(("what", "value"), runs.shelf.show(args.name)))


def _runs_delete(args):
    if not args.words and not args.older:
        raise InputError("runs delete: say which, as `runs list` takes it: a name, a kind, ...")
    found = runs.shelf.select(args.words, args.older)
    if not found:
        raise InputError(f"{' '.join(args.words)}: no result is meant; `twodints runs list`.")
    if not args.yes:
        _runs_list(args)
        print("Nothing is deleted yet: add --yes to delete these.")
        return
    count, size = runs.shelf.delete(found)
    print(f"{count:,} results deleted, {size / 2**20:,.0f} MiB")


def _exercises(args):
    from twodints_lib import exercises

    if args.write:
        for path in exercises.write():
            print(path.name)
        return
    print(runs.text_table(exercises.cells.HEADER, exercises.rows()))


def _grade(args):
    from twodints_lib.exercises import grading

    rows = grading.grade(args.folder, args.csv, args.timeout)
    print(runs.text_table(grading.SUMMARY_HEADER, grading.summary(rows)))


def _value(text, **options):
    return options | {"help": text}


def _flag(text):
    return {"action": "store_true", "help": text}


def _many(metavar, text=None):
    return {"action": "append", "default": [], "metavar": metavar, "help": text}


DATA = ("--data", _value("a data set's name or a folder of yours", default="simulated"))
NAME = ("name", _value("a data set's name"))
SOURCE = ("--from", _value("a folder that has the sources or the set", dest="source"))
RELABEL = ("--relabel", _flag("of masks make instances: each piece is a cell"))
WHICH = ("words", _value(
    "a name's beginning, a kind (unet), a preset, a data set, seed=1, unfinished, broken; "
    "of several all must hold", nargs="*",
))  # fmt: skip
OLDER = ("--older", _value("not changed for so many days", type=float, default=0))
JSON = ("--json", _flag("print JSON instead of text"))
# Each command: its words, what it is for, the function, its arguments as argparse takes them.
COMMANDS = (
    ("doctor", "what this machine lacks, and the command that mends it", _doctor, ()),
    ("run", "execute notebooks by papermill, or train one row", _run, (
        ("--preset", _value("smoke, laptop, quarter or paper (default: smoke)", default="smoke")),
        DATA,
        ("--only", _many("NAME", "a notebook: supernet_search, or its number; repeatable")),
        ("-p", _many(("NAME", "VALUE"), "a notebook's parameter") | {"dest": "given", "nargs": 2}),
        ("--out", _value("where to leave the executed notebooks (default: runs/course-...)")),
        ("--refresh", _flag("renew committed notebooks and records")),
        ("--row", _many("NAME", "train a row of Table 4 at this scale, or all; no notebooks")),
    )),
    ("runs", "the results in the store, and those of a class", None, ()),
    ("runs list", "what the store holds", _runs_list, (WHICH, OLDER)),
    ("runs show", "the record of one result", _runs_show, (
        ("name", _value("its name, or how it begins")),
    )),
    ("runs delete", "remove results for good", _runs_delete, (
        WHICH, OLDER, ("--yes", _flag("delete what is listed without it")),
    )),
    ("runs pack", "put what a course run trained into one file", _runs_pack, (
        ("file", _value("a new file, NAME.zip")),
        ("--from", _value("the run's folder (default: the last)", dest="source")),
        ("--notebooks", _value("some of them, by name or number", nargs="+", default=[])),
    )),
    ("runs unpack", "take such a file's results as if they had been trained here", _runs_unpack, (
        ("file", _value("a file that runs pack made")),
    )),
    ("runs pool", "one table of many people's results, and what they say together", _runs_pool, (
        ("folder", _value("packs, and records or folders of runs, one a person")),
        ("--csv", _value("table to write: a result a line", metavar="FILE", required=True)),
    )),
    ("study", "what the search earns against controls (hours)", _study, (
        DATA,
        ("--only", _many("NAME", "controls, sampling, ...")),
        ("--seeds", _value("seeds of this sitting", type=int, nargs="+")),
    )),
    ("data", "list, fetch, verify or make data sets", None, ()),
    ("data list", "what there is", _data_list, ()),
    ("data fetch", "download a data set into the cache", _data_fetch, (
        NAME,
        ("--mirror", _value("a folder, file:// or http(s) address to take it from")),
        SOURCE,
    )),
    ("data verify", "check every file's hash", _data_verify, (
        ("name", _value("a data set's name or a folder")),
    )),
    ("data make", "build a data set from what is on this machine", _data_make, (
        NAME,
        ("--images", _value("for neurips-shaped", type=int)),
        SOURCE,
    )),
    ("data import", "take in what others labelled: Cellpose, COCO, ROIs, ...", _data_import, (
        ("source", _value(
            "a folder or file: _seg.npy, _cp_masks, <name>/masks/, COCO json, GeoJSON, ROI zip"
        )),
        ("-o --out", _value("a new folder, for images/ and labels/", required=True)),
        ("--images", _value("the folder of the images (default: beside the labels)")),
        RELABEL,
    )),
    ("segment", "write instance labels for images", _segment, (
        ("images", _value("image files or folders of them", nargs="+")),
        ("-o --out", _value("folder for <name>_label.tiff", required=True)),
        ("--model", _value("a run's folder or a network of pretrained/ (default: the best)")),
        ("--grow", _flag("give cells back the rim that the official recipe cuts")),
        ("--flips", _flag("average the image and its mirror images (4 x slower)")),
        ("--export", _many("KIND", "labels as ome, rois, geojson or csv too; repeatable")),
        ("--channels", _value("which to use, from 1, e.g. 4 1", type=int, nargs="+", default=[])),
        ("--page", _value("one page of a stack, from 1 (default: each)", type=int)),
        ("--axes", _value("what a TIFF's axes are, e.g. CYX, in place of its own", default="")),
        ("--workers", _value("processes that share the images", type=int, default=0)),
    )),
    ("measure", "write a table with a row for each cell: size, shape, intensity", _measure, (
        ("labels", _value("label files: a file or a folder")),
        ("images", _value("their images, for intensities and pixel size", nargs="?")),
        ("-o --out", _value("table to write, NAME.csv", required=True)),
        ("--pixel-size", _value("micrometres (default: as the image's file says)", type=float)),
    )),
    ("export", "write a derived network as one plain module", _export, (
        ("-o --out", _value("file to write, NAME.pt2", required=True)),
        ("--model", _value("folder of a derived network's run", required=True)),
    )),
    ("keep", "store a small trained network under pretrained/", _keep, (
        ("folder", _value("folder of a training run")),
        ("name", _value("its name from now on")),
    )),
    ("diff", "lay two runs beside each other, image by image", _diff, (
        ("a", _value("a run's folder, or a record")),
        ("b", _value("another; differences are B minus A")),
        JSON,
    )),
    ("evaluate", "score label files by the challenge's F1", _evaluate, (
        ("pred_dir", {}),
        ("truth_dir", {}),
        ("--threshold", _value("IoU of a match", type=float, nargs="+", default=[0.5])),
        ("--above", _flag("match at IoU > threshold, not >=")),
        ("--frame", _value("border whose cells are left out, pixels", type=int, default=2)),
        ("--compat", _value("neurips22: the challenge's own script", default="")),
        RELABEL,
        JSON,
        ("--csv", _value("write one line an image and threshold", metavar="FILE")),
    )),
    ("ceiling", "what each representation reaches on labels with a perfect network", _ceiling, (
        ("data", _value("a data set's name or a folder of yours")),
        ("--only", _many("NAME")),
        RELABEL,
    )),
    ("exercises", "list the notebooks' exercises", _exercises, (
        ("--write", _flag("renew their cells in the notebooks, and name those that changed")),
    )),
    ("grade", "run a class's notebooks and tell which checks passed", _grade, (
        ("folder", _value(
            "a notebook or a folder for each student. This runs the students' code with your "
            "rights: use a container or a machine of its own, without network"
        )),
        ("--csv", _value("table to write: an outcome a line", metavar="FILE", required=True)),
        ("--timeout", _value("seconds for one notebook (default: 600)", type=float, default=600)),
    )),
    ("truth", "make a table of truth; searches and proxies on it", None, ()),
    ("truth make", "train what the table lacks, over as many sittings as needed", _truth_make, (
        ("name", _value("a table's name, e.g. cells-99")),
        ("--seeds", _value("seeds of this sitting", type=int, nargs="+")),
    )),
    ("truth searches", "replay every search 200 times and keep the regret", _truth_searches, (
        ("name", _value("a table's name, e.g. cells-99")),
    )),
    ("truth proxies", "keep zero-cost proxies, and one-shot scores of supernets", _truth_proxies, (
        ("name", _value("a table's name, e.g. cells-99")),
        ("--supernet", _many("FOLDER", "a run of a search of that space; repeatable")
         | {"dest": "supernets"}),
    )),
    ("table", "print a table", _table, (
        ("name", {"choices": TABLES}),
        ("--data", _value("for cells: a data set's name or a folder", default="simulated")),
        ("--rows", _value("for 3, 4, 5: beginning of a scale; for truth: a table", default="")),
        ("--save", _value("for cells: write the numbers as a record to this file")),
    )),
)  # fmt: skip


# What a machine refuses, and no defect of ours: the mend of each.
MACHINE = {
    errno.ENOSPC: "the disk is full; make room and call it again, it goes on",
    errno.EDQUOT: "your share of the disk is full; make room and call it again, it goes on",
    errno.EROFS: "is on a read-only disk; give another place (TWODINTS_RUNS, --out)",
    errno.EACCES: "may not be read or written; give another place or its rights",
    errno.EPERM: "may not be read or written; give another place or its rights",
    errno.ENOTDIR: "is no folder; give another place, or move the file away",
    errno.EEXIST: "is no folder; give another place, or move the file away",
    errno.EISDIR: "is a folder and no file; give another place, or move it away",
    errno.ENAMETOOLONG: "is too long a name; give a shorter one",
    errno.EMFILE: "too many files are open; allow more with `ulimit -n`",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 2 after bad input, 1 after a failed check."""
    for stream in (sys.stdout, sys.stderr):  # a letter that a terminal lacks stops nothing
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = _parser().parse_args(argv)
    messages.show()
    try:
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in MACHINE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"twodints: {where}{MACHINE[error.errno]}.", file=sys.stderr)
        return 2
    except InputError as error:
        print(f"twodints: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("twodints: interrupted; call it again and it goes on.", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="twodints", description="The 2DiNTS course at a prompt.")
    parser.add_argument("--version", action="version", version=__version__)
    places = {"": parser.add_subparsers(required=True, metavar="COMMAND")}
    for name, text, run, arguments in COMMANDS:
        *group, name = name.split()
        command = places["".join(group)].add_parser(name, help=text)
        if run is None:
            places[name] = command.add_subparsers(required=True, metavar="ACTION")
        command.set_defaults(run=run)
        for names, options in arguments:
            command.add_argument(*names.split(), **options)
    return parser


if __name__ == "__main__":
    sys.exit(main())
