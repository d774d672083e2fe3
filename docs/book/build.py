"""Make the course's book: pages that open from a folder, without a network or a server.

    python docs/book/build.py [--from FOLDER] [--out FOLDER]

It needs Python alone: the first call makes `.venv-book` with what requirements.txt lists.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIRST = ("glossary", "data", "reproduction", "benchmarks", "environment", "developing")
LAST = ("CONTRIBUTING.md", "pretrained/README.md")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
TRIAL = "**These pages show a smoke run: its numbers are no result.**"
STAMP = ".twodints-book"  # in a folder that holds a book of ours, and may be made anew


def main() -> int:
    """Make the book; 0 when it is whole, 2 after bad input, Sphinx's own number otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", default="", help="executed notebooks of a run")
    parser.add_argument("--out", default=ROOT / "book", help="the book's folder (default: book/)")
    args = parser.parse_args()
    try:
        return make(Path(args.source or ROOT / "notebooks"), Path(args.out))
    except ValueError as error:
        print(f"book: {error}", file=sys.stderr)
        return 2


def make(notebooks: Path, out: Path, python: Path | None = None) -> int:
    """Write the book of a folder's notebooks to `out`, whole or not at all; Sphinx's exit number.

    `python` is one that has Sphinx, by default that of `.venv-book`, which is made when needed.
    ValueError where the one folder holds no notebooks, or the other holds something else.
    """
    if out.exists() and not (out / STAMP).exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: holds something else; give an empty or a new folder.")
    with tempfile.TemporaryDirectory() as room:
        source, pages = Path(room, "source"), Path(room, "pages")
        gather(notebooks, source)
        words = ["-m", "sphinx", "-q", "-b", "html", "-d", f"{room}/trees", "-c", str(HERE)]
        done = subprocess.run([python or tools(), *words, source, pages])
        if done.returncode:
            return done.returncode
        (pages / STAMP).touch()
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(pages, out)
    print(f"Open {out / 'index.html'} in a browser.")
    return 0


def tools() -> Path:
    """The Python of `.venv-book`; the environment is made when its list is new or has changed."""
    home, wanted = ROOT / ".venv-book", (HERE / "requirements.txt").read_text()
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = home / "ready"
    if not ready.is_file() or ready.read_text() != wanted:
        print("Setting up .venv-book, once, less than a minute ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        lists = ["-c", ROOT / "constraints.txt", "-r", HERE / "requirements.txt"]
        pip = [python, "-m", "pip", "install", "--quiet", *lists]
        subprocess.run(pip, check=True)
        ready.write_text(wanted)
    return python


def gather(notebooks: Path, source: Path) -> None:
    """Lay the book's sources in a new folder: notebooks, pages, and the first page.

    Notebooks that the folder lacks are the committed ones.
    """
    ours = {p.name: p for p in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
    given = {p.name: p for p in sorted(notebooks.glob("[0-9]*.ipynb")) if p.name in ours}
    if not given:
        raise ValueError(f"{notebooks}: holds no notebook of the course; give a run's folder.")
    shutil.copytree(ROOT / "docs" / "images", source / "docs" / "images")
    (source / "notebooks").mkdir()
    for name, path in (ours | given).items():
        shutil.copy(path, source / "notebooks" / name)
    pages = [ROOT / "docs" / f"{name}.md" for name in FIRST]
    pages += [p for p in sorted(ROOT.glob("docs/*.md")) if p not in pages]
    pages += [ROOT / name for name in LAST]
    for page in pages:
        target = source / page.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        target.write_text(inside(page, pages, source), encoding="utf-8")
    first = (HERE / "index.md").read_text(encoding="utf-8")
    first = first.replace("<!-- contents -->", contents(notebooks, list(ours)))
    trial = not all(run["is_result"] for run in records(notebooks))
    first = first.replace("<!-- trial -->", TRIAL if trial else "")
    names = (p.relative_to(ROOT).with_suffix("").as_posix() for p in pages)
    first = first.replace("<!-- pages -->", "\n".join(names))
    (source / "index.md").write_text(first, encoding="utf-8")


def inside(page: Path, pages: list[Path], source: Path) -> str:
    """A page's text with links that work in the book: files come along, folders lose their link."""

    def kept(found):
        text, target, _ = found.groups()
        path = (page.parent / target).resolve()
        if "://" in target or path in pages or path.suffix == ".ipynb":
            return found[0]
        if path == ROOT / "README.md":
            return f"[{text}]({os.path.relpath(ROOT / 'index.md', page.parent)})"
        if not path.is_file():
            return text
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        return found[0]

    return LINK.sub(kept, page.read_text(encoding="utf-8"))


def records(notebooks: Path) -> list[dict]:
    """What a run left about itself: of the whole course, or of its parts; the recorded laptop run
    of the committed notebooks."""
    paths = [*sorted(notebooks.glob("run-*.json")), *notebooks.glob("course.json")]
    paths = paths or [ROOT / "records" / "course-laptop-simulated.json"]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def contents(notebooks: Path, names: list[str]) -> str:
    """The table of the first page: each notebook with its question, its level and its minutes.

    The minutes are those of the run that the pages show.
    """
    seconds = {}
    for run in (*records(ROOT / "notebooks"), *records(notebooks)):
        seconds |= {_name(n["notebook"]): n["seconds"] for n in run["notebooks"]}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = ["| notebook | level | minutes |", "| --- | --- | --- |"]
    for name in names:
        notebook = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
        title = notebook["cells"][0]["source"][0].strip()
        (question,) = re.findall(rf"\(notebooks/{re.escape(name)}\) \| (.*?) \|", readme)
        more = "" if title.endswith("?") else f"<br> {question}"
        level = notebook["metadata"].get("level", "")
        took = seconds.get(_name(Path(name).stem))
        minutes = "" if took is None else "under 1" if took < 60 else f"{took / 60:.0f}"
        lines.append(f"| [](notebooks/{name}) {more} | {level} | {minutes} |")
    return "\n".join(lines)


def _name(stem: str) -> str:
    """A notebook's name without its number, by which a run of other numbers is found too."""
    return stem.partition("_")[2]


if __name__ == "__main__":
    sys.exit(main())
