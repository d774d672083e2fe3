"""The command `twodints`: data, run, study, segment, export, evaluate, ceiling, table."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from twodints_lib import __version__, messages
from twodints_lib.errors import InputError

BENCHES = ("search", "instances", "loader", "peers")  # records/bench-<name>.json
TABLES = ("3", "4", "5", "claims", "pretrained", "parameters", "presets", "cells", *BENCHES)


def main(argv=None) -> int:
    """Run one command; 0 when it did what was asked, 2 after bad input, 1 after a failed check."""
    args = _parser().parse_args(argv)
    messages.show()
    try:
        return args.run(args) or 0
    except InputError as error:
        print(f"twodints: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("twodints: interrupted; call it again and it goes on.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twodints", description="The 2DiNTS course at a prompt.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="execute notebooks by papermill, or train one row")
    run.add_argument(
        "--preset", default="smoke", help="smoke, laptop, quarter or paper (default: smoke)"
    )
    run.add_argument("--data", default="simulated", help="a data set's name or a folder of yours")
    run.add_argument(
        "--only", action="append", default=[], metavar="NN", help="e.g. 05; repeatable"
    )
    run.add_argument(
        "-p", dest="given", nargs=2, action="append", default=[], metavar=("NAME", "VALUE")
    )
    run.add_argument(
        "--out", help="where to leave the executed notebooks (default: runs/course-...)"
    )
    run.add_argument("--refresh", action="store_true", help="renew committed notebooks and records")
    run.add_argument(
        "--row", action="append", default=[], metavar="NAME",
        help="train a row of Table 4 at the preset's scale, or all; no notebooks",
    )  # fmt: skip
    run.set_defaults(run=_run)

    study = commands.add_parser("study", help="what the search earns against controls (hours)")
    study.add_argument("--data", default="simulated", help="a data set's name or a folder of yours")
    study.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="controls, sampling, ..."
    )
    study.add_argument("--seeds", type=int, nargs="+", help="seeds of this sitting")
    study.set_defaults(run=_study)

    data = commands.add_parser("data", help="list, fetch, verify or make data sets")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="what there is").set_defaults(run=_data_list)
    for name, action, text in (
        ("fetch", _data_fetch, "download a data set into the cache"),
        ("verify", _data_verify, "check every file's hash"),
        ("make", _data_make, "build a data set from what is on this machine"),
    ):
        command = actions.add_parser(name, help=text)
        command.add_argument(
            "name", help="a data set's name" + (" or a folder" * (name == "verify"))
        )
        if name == "make":
            command.add_argument("--images", type=int, help="for neurips-shaped")
        if name == "fetch":
            command.add_argument(
                "--mirror", help="a folder, file:// or http(s) address to take it from"
            )
        if name != "verify":
            command.add_argument(
                "--from", dest="source", help="a folder that has the sources or the set"
            )
        command.set_defaults(run=action)

    segment = commands.add_parser("segment", help="write instance labels for images")
    segment.add_argument("images", nargs="+", help="image files or folders of them")
    segment.add_argument("-o", "--out", required=True, help="folder for <name>_label.tiff")
    segment.add_argument(
        "--model", help="a run's folder or a pretrained network (default: the best shipped one)"
    )
    segment.add_argument(
        "--grow", action="store_true", help="give cells back the rim that the official recipe cuts"
    )
    segment.add_argument(
        "--flips", action="store_true", help="average the image and its mirror images (4 x slower)"
    )
    segment.set_defaults(run=_segment)

    export = commands.add_parser("export", help="write a derived network as one plain module")
    export.add_argument("-o", "--out", required=True, help="file to write, NAME.pt2")
    export.add_argument("--model", required=True, help="folder of a derived network's run")
    export.set_defaults(run=_export)

    keep = commands.add_parser("keep", help="store a small trained network under pretrained/")
    keep.add_argument("folder", help="folder of a training run")
    keep.add_argument("name", help="its name from now on")
    keep.set_defaults(run=_keep)

    diff = commands.add_parser("diff", help="lay two runs beside each other, image by image")
    diff.add_argument("a", help="a run's folder, or a record")
    diff.add_argument("b", help="another; differences are B minus A")
    diff.add_argument("--json", action="store_true", help="print JSON instead of text")
    diff.set_defaults(run=_diff)

    evaluate = commands.add_parser("evaluate", help="score label files by the challenge's F1")
    evaluate.add_argument("pred_dir")
    evaluate.add_argument("truth_dir")
    evaluate.add_argument(
        "--threshold", type=float, nargs="+", default=[0.5], help="IoU of a match (default: 0.5)"
    )
    evaluate.add_argument("--above", action="store_true", help="match at IoU > threshold, not >=")
    evaluate.add_argument(
        "--frame", type=int, default=2, help="leave out cells touching this border; 0: keep all"
    )
    evaluate.add_argument("--compat", default="", help="neurips22: the challenge's own script")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.add_argument("--csv", metavar="FILE", help="write one line an image and threshold")
    evaluate.set_defaults(run=_evaluate)

    ceiling = commands.add_parser(
        "ceiling", help="what each representation reaches on labels with a perfect network"
    )
    ceiling.add_argument("data", help="a data set's name or a folder of yours")
    ceiling.add_argument("--only", action="append", default=[], metavar="NAME")
    ceiling.set_defaults(run=_ceiling)

    table = commands.add_parser("table", help="print a table")
    table.add_argument("name", choices=TABLES)
    table.add_argument(
        "--data", default="simulated", help="for cells: a data set's name or a folder"
    )
    table.add_argument("--rows", default="", help="for 3, 4, 5: beginning of a scale")
    table.add_argument("--save", help="for cells: write the numbers as a record to this file")
    table.set_defaults(run=_table)
    return parser


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
    from twodints_lib.data import fetch

    fetch.list_data()


def _data_fetch(args):
    from twodints_lib.data import fetch

    if args.name == "neurips-shaped":  # drawn, not fetched
        return _data_make(args)
    fetch.fetch(args.name, mirror=args.mirror, source=args.source)


def _data_verify(args):
    from twodints_lib.data import fetch

    return 1 if fetch.verify(args.name) else 0


def _data_make(args):
    from twodints_lib.data import fetch
    from twodints_lib.reproduction import challenge_tree

    images = getattr(args, "images", None)
    if args.name == "neurips-shaped":
        challenge_tree.make(images)
    elif images is not None:
        raise InputError(f"--images {images}: only neurips-shaped takes a number; leave it out.")
    else:
        fetch.make(args.name, source=args.source)


def _segment(args):
    from twodints_lib.inference.segment import segment_files

    segment_files(args.images, args.out, args.model, args.grow, args.flips)


def _export(args):
    from twodints_lib.inference import predict
    from twodints_lib.space import derive
    from twodints_lib.space.specs import spec_of

    out = Path(args.out)
    if out.exists() or out.suffix != ".pt2" or not out.parent.is_dir():
        raise InputError(f"{out}: must be a new file in a folder, NAME.pt2; choose another.")
    net, record = predict.load_network(args.model)
    if spec_of(record["parameters"]["spec"]).kind != "derived":
        raise InputError(f"{args.model}: is no derived network; give the folder of one.")
    derive.export(net.cpu(), out, record["parameters"]["recipe"]["patch"])
    print(f"{out}: read it with torch.export.load({out.name!r}).module()")


def _keep(args):
    from twodints_lib.runs import pretrained

    print(pretrained.keep(args.folder, args.name))


def _diff(args):
    from twodints_lib.reproduction import compare

    found = compare.compare(args.a, args.b)
    print(json.dumps(found, indent=1) if args.json else compare.text(found))


def _evaluate(args):
    from twodints_lib.scoring import folders
    from twodints_lib.scoring.scores import DEFAULT, SCRIPT

    if args.compat not in ("", "neurips22"):
        raise InputError(f"--compat {args.compat}: is not known; take neurips22 or leave it out.")
    rules = replace(
        SCRIPT if args.compat else DEFAULT,
        thresholds=tuple(args.threshold), at_least=not args.above, frame=args.frame,
    )  # fmt: skip
    if args.csv and (Path(args.csv).exists() or not Path(args.csv).parent.is_dir()):
        raise InputError(f"--csv {args.csv}: must be a new file in a folder; choose another name.")
    shown = sys.stderr.isatty()
    result = folders.evaluate(args.pred_dir, args.truth_dir, rules, progress=shown)
    if args.csv:
        folders.save_csv(result, args.csv)
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
    from twodints_lib.data.dataset import open_data
    from twodints_lib.runs import report
    from twodints_lib.scoring import ceiling
    from twodints_lib.targets.heads import DECODERS as known

    for name in args.only:
        if name not in known:
            raise InputError(
                f"--only {name}: no such representation; there are {', '.join(known)}."
            )
    items = [i for i in open_data(args.data).items if i.label is not None]
    if not items:
        raise InputError(f"{args.data}: holds no labels; give a data set that has some.")
    found = ceiling.ceilings(items, args.only or list(known))
    print(report.text_table(*ceiling.ceiling_rows(found)))


def _table(args):
    from twodints_lib.reproduction import tables
    from twodints_lib.runs import report

    print(tables.text(args.name, args.rows, args.data, args.save))
    wrong = args.name == "parameters" and any(r[-1] != "yes" for r in report.parameter_rows())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
