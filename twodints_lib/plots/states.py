"""Dials that travel: every state is drawn beforehand, and a page without a kernel shows them.

ipywidgets needs a Python that runs. Here each choice of the dials is one picture and one line of
text, all of them inside one HTML output that loads nothing: it works in JupyterLab, in exported
HTML, in the book and from a folder. Where scripts don't run the first picture is simply there.
"""

import base64
import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from html import escape

from twodints_lib.errors import InputError
from twodints_lib.plots import pictures

KINDS = {b"\x89PNG": "image/png", b"RIFF": "image/webp", b"<svg": "image/svg+xml"}
STYLE = """<style>
.states-box{max-width:%(width)dpx;margin:0}
.states-box img{width:100%%;max-width:100%%;background:#fff;image-rendering:%(scaling)s}
.states-box .dials{display:flex;flex-wrap:wrap;gap:.3em 1.5em;margin:.4em 0}
.states-box .dials[hidden]{display:none}
.states-box label{display:inline-flex;align-items:center;gap:.5em}
.states-box input{width:9em}
.states-box .told{font-weight:bold;margin:.3em 0;min-height:2.6em}
</style>"""
SCRIPT = """<script>(function () {
  const kept = %s;
  document.querySelectorAll('[data-states="%s"]').forEach(function (box) {
    if (box.dataset.ready) return;
    box.dataset.ready = "yes";
    const image = box.querySelector("img"), first = image.src;
    const dials = Array.from(box.querySelectorAll("[data-dial]"));
    function show() {
      const state = kept.states[dials.map(function (d) { return d.value; }).join()];
      image.src = kept.pictures[state[0]] || first;
      image.alt = kept.alt + " " + state[1];
      box.querySelector(".told").textContent = state[1];
      dials.forEach(function (dial, i) {
        if (dial.type !== "range") return;
        const name = kept.values[i][dial.value];
        dial.setAttribute("aria-valuetext", name);
        dial.parentNode.querySelector("output").textContent = name;
      });
    }
    dials.forEach(function (dial) { dial.addEventListener("input", show); });
    box.querySelector(".dials").hidden = false;
    show();
  });
})();</script>"""


def states(
    dials: dict[str, Sequence], draw: Callable[..., tuple[bytes, str]], setup, alt: str,
    width: int = 640, sharp: bool = False,
) -> None:  # fmt: skip
    """Display dials over pictures that are all drawn now, at once; see `states_html`."""
    html = states_html(dials, draw, alt, pictures.note(setup), width, sharp)
    pictures.display({"text/html": html, "text/plain": alt}, raw=True)


def states_html(
    dials: dict[str, Sequence], draw: Callable[..., tuple[bytes, str]], alt: str, note: str = "",
    width: int = 640, sharp: bool = False,
) -> str:  # fmt: skip
    """One piece of HTML with a dial for each name and a picture for each choice of values.

    `dials` {name: values}: words become a list to choose from, numbers a slider; what is shown
    first has the value in the middle of each slider and the first word of each list. `draw` takes
    one value a dial, by name, and gives a picture (PNG, WebP or SVG bytes) and one line of text.
    Pictures that are equal are kept once. `sharp` shows pixels as squares when enlarged.
    """
    if not dials or not all(len(values) for values in dials.values()):
        raise InputError("dials: one has no value; give at least one dial, each with values.")
    names = list(dials)
    sliders = [not isinstance(values[0], str) for values in dials.values()]
    start = [len(v) // 2 if s else 0 for v, s in zip(dials.values(), sliders, strict=True)]
    found, addresses = {}, []
    for place in itertools.product(*(range(len(values)) for values in dials.values())):
        chosen = {name: dials[name][i] for name, i in zip(names, place, strict=True)}
        picture, line = draw(**chosen)
        address = _address(picture)
        if address not in addresses:
            addresses.append(address)
        found[",".join(map(str, place))] = (addresses.index(address), line)
    first, line = found[",".join(map(str, start))]
    kept = {
        "alt": alt,
        "values": [[_text(v) for v in values] for values in dials.values()],
        "states": found,
        "pictures": [a if i != first else None for i, a in enumerate(addresses)],
    }
    told = json.dumps(kept, separators=(",", ":")).replace("</", "<\\/")
    mark = hashlib.sha256(told.encode()).hexdigest()[:12]
    boxes = "".join(map(_dial, names, kept["values"], sliders, start))
    look = {"width": width, "scaling": "pixelated" if sharp else "auto"}
    return (
        f'{STYLE % look}<div class="states-box" data-states="{mark}">'
        f'<img src="{addresses[first]}" alt="{escape(f"{alt} {line}")}">'
        f'<p class="told" role="status">{escape(line)}</p>'
        f'<div class="dials" hidden>{boxes}</div><small>{escape(note)}</small></div>'
        f"{SCRIPT % (told, mark)}"
    )


def _dial(name: str, values: list[str], slider: bool, start: int) -> str:
    """A list to choose from, or a slider with its value beside it."""
    if not slider:
        options = "".join(f'<option value="{i}">{escape(v)}</option>' for i, v in enumerate(values))
        return (
            f'<label>{escape(name)} <select data-dial="{escape(name)}">{options}</select></label>'
        )
    ends = f'min="0" max="{len(values) - 1}" step="1" value="{start}"'
    return (
        f'<label>{escape(name)} <input type="range" data-dial="{escape(name)}" {ends}>'
        f"<output>{escape(values[start])}</output></label>"
    )


def _text(value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _address(picture: bytes) -> str:
    """A picture as an address that holds it."""
    kind = next((kind for start, kind in KINDS.items() if picture.startswith(start)), None)
    if kind is None:
        raise InputError("picture: is neither PNG, WebP nor SVG; give the bytes of one of them.")
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"
