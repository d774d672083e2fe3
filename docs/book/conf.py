"""Sphinx's settings for the book. Nothing here may make a page ask the network for anything."""

import hashlib
from base64 import b64decode
from importlib.metadata import distribution
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util.fileutil import copy_asset

project = "2DiNTS, a course"
author = "The 2DiNTS course authors"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
exclude_patterns = []

nb_execution_mode = "off"  # the notebooks come with their outputs
nb_ipywidgets_js = {}  # those scripts would come from elsewhere
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]  # sliders of a live session

html_theme = "sphinx_book_theme"
html_title = "2DiNTS, a course"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_show_search_summary = False  # would read other pages, which a browser forbids for files
html_copy_source = True
html_sourcelink_suffix = ""
highlight_language = "none"  # of the pages; notebooks name their own
html_theme_options = {
    "navbar_persistent": [],
    "home_page_in_toc": True,
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "search_bar_text": "Search the course",
}
mathjax_path = "tex-svg.js"  # draws its letters itself, so that no font has to be loaded


def _mathjax(app, error):
    """Lay the formulas' script beside the pages."""
    files = distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline")
    script = Path(files, "static", "mathjax", "tex-svg.js")
    if error is None:
        copy_asset(script, Path(app.outdir, "_static"))


def _read_aloud(app, tree):
    """Give each picture of a notebook the text that its output carries; myst-nb drops it."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    cells = nbformat.read(path, as_version=4).cells
    outputs = [o for c in cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    told = {}
    for output in outputs:
        name = hashlib.sha256(b64decode(output.data["image/png"])).hexdigest()
        told[name] = output.metadata.get("image/png", {}).get("alt", "")
    for image in tree.findall(nodes.image):
        if text := told.get(Path(image["uri"]).stem):
            image["alt"] = text


def setup(app):
    app.connect("doctree-read", _read_aloud)
    app.connect("build-finished", _mathjax)
