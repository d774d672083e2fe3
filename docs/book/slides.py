"""Make slides of the notebooks whose cells say where a slide begins; they need no network.

    python docs/book/slides.py [--from FOLDER] [--out FOLDER]

A cell's place is its metadata `slideshow.slide_type`, which JupyterLab shows and edits: slide,
subslide, fragment, skip, notes. reveal.js and the formulas' script come from `.venv-book`.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from build import HERE, ROOT, tools

WHERE = """
from importlib.metadata import distribution
print(distribution("sphinx-revealjs").locate_file("sphinx_revealjs/_static/revealjs"))
print(distribution("sphinx-mathjax-offline").locate_file(
    "sphinx-mathjax-offline/static/mathjax/tex-svg.js"))
"""
STAMP = ".twodints-slides"


def main() -> int:
    """Make the slides; 0 when they are there, 2 after bad input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", default="", help="executed notebooks of a run")
    parser.add_argument("--out", default=ROOT / "slides", help="their folder (default: slides/)")
    args = parser.parse_args()
    try:
        pages = make(Path(args.source or ROOT / "notebooks"), Path(args.out))
    except ValueError as error:
        print(f"slides: {error}", file=sys.stderr)
        return 2
    print("\n".join(f"Open {page} in a browser; s opens the speaker's view." for page in pages))
    return 0


def make(notebooks: Path, out: Path, parts: tuple[Path, Path] | None = None) -> list[Path]:
    """Write slides of every notebook in a folder that has some; their pages.

    `parts`: the folder of reveal.js and the formulas' script, by default those of `.venv-book`.
    ValueError where the one folder has no such notebook, or the other holds something else.
    """
    if out.exists() and not (out / STAMP).exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: holds something else; give an empty or a new folder.")
    books = [p for p in sorted(notebooks.glob("[0-9]*.ipynb")) if has_slides(p)]
    if not books:
        raise ValueError(f"{notebooks}: has no notebook with slides; give a run's folder.")
    reveal, script = parts or _parts()
    shutil.rmtree(out, ignore_errors=True)
    (out / "parts").mkdir(parents=True)
    (out / STAMP).touch()
    for name in ("dist", "plugin/notes"):
        shutil.copytree(reveal / name, out / "parts" / "reveal" / name)
    shutil.copy(script, out / "parts" / "tex-svg.js")
    made = []
    for book in books:
        made.append(out / f"{book.stem}.html")
        made[-1].write_text(page(book), encoding="utf-8")
    return made


def has_slides(notebook: Path) -> bool:
    """Whether a cell of the notebook begins a slide."""
    cells = nbformat.read(notebook, as_version=4).cells
    return any(c.metadata.get("slideshow", {}).get("slide_type") == "slide" for c in cells)


def page(notebook: Path) -> str:
    """The slides of a notebook as HTML, which reads the rest from the folder parts/ beside it."""
    from nbconvert import SlidesExporter

    exporter = SlidesExporter(
        extra_template_basedirs=[str(HERE)],
        template_name="slides",
        reveal_url_prefix="parts/reveal",
        exclude_output_prompt=True,
    )
    return exporter.from_filename(str(notebook))[0]


def _parts() -> tuple[Path, Path]:
    told = subprocess.run([tools(), "-c", WHERE], capture_output=True, text=True, check=True)
    reveal, script = map(Path, told.stdout.splitlines())
    return reveal, script


if __name__ == "__main__":
    sys.exit(main())
