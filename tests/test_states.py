"""Dials that travel: every state is in the page, and a browser without a kernel turns them."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from twodints_lib import lab, plots
from twodints_lib.errors import InputError
from twodints_lib.lab.optics import default_dials
from twodints_lib.plots import laboratory, pictures

SHADES = {("a", 1): 10, ("a", 2): 80, ("a", 3): 150, ("b", 1): 10, ("b", 2): 200, ("b", 3): 250}


def shade(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), value).save(buffer, "png")
    return buffer.getvalue()


def draw(kind: str, size: int) -> tuple[bytes, str]:
    value = SHADES[kind, size]
    return shade(value), f"{kind} at {size} is </script> {value}"


DIALS = {"kind": ["a", "b"], "size": (1, 2, 3)}
SEEN = """() => { const i = document.querySelector("img"), c = document.createElement("canvas");
  c.getContext("2d").drawImage(i, 0, 0);
  return c.getContext("2d").getImageData(2, 2, 1, 1).data[0]; }
"""


@pytest.fixture(scope="module")
def html():
    return plots.states_html(DIALS, draw, "A shade of grey.", "stamp")


def test_every_state_is_there_once_and_the_first_without_a_script(html):
    still = html[: html.index("<script>")]
    assert re.findall(r'alt="(.*?)"', still) == ["A shade of grey. a at 2 is &lt;/script&gt; 80"]
    assert '<div class="dials" hidden>' in still and "stamp" in still
    assert len(set(re.findall(r"data:image/png;base64,[\w+/=]+", html))) == 5  # of six, two alike
    assert html.count("</script>") == 1 and not re.search(r"(src|href)=.?http", html)


def test_dials_and_pictures_that_cannot_be_shown_are_refused():
    with pytest.raises(InputError, match="at least one dial"):
        plots.states_html({}, draw, "nothing")
    with pytest.raises(InputError, match="PNG, WebP nor SVG"):
        plots.states_html(DIALS, lambda kind, size: (b"GIF89a", ""), "a gif")


def test_a_smoke_run_says_so_under_its_states(tiny_setup, monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "display", lambda data, **how: shown.append(data))
    plots.states(DIALS, draw, tiny_setup, "A shade of grey.")
    assert "not a result" in shown[0]["text/html"] and tiny_setup.stamp in shown[0]["text/html"]
    assert shown[0]["text/plain"] == "A shade of grey."


def turn(page):
    """Turn both dials by the keyboard; what is seen and told before, between and after."""
    told = [(page.evaluate(SEEN), page.inner_text(".told"))]
    page.focus('[data-dial="size"]')
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('img').complete")
    told.append((page.evaluate(SEEN), page.inner_text(".told")))
    page.select_option('[data-dial="kind"]', label="b")
    page.wait_for_function("document.querySelector('img').complete")
    told.append((page.evaluate(SEEN), page.inner_text(".told")))
    return told


WANTED = [(SHADES[s], f"{s[0]} at {s[1]} is </script> {SHADES[s]}") for s in
          (("a", 2), ("a", 3), ("b", 3))]  # fmt: skip


def test_from_a_file_a_key_turns_the_dial_and_the_picture_changes(html, browser_page, tmp_path):
    (tmp_path / "page.html").write_text(f"<!doctype html><body>{html}</body>", "utf-8")
    browser_page.goto(f"file://{tmp_path / 'page.html'}")
    asked = len(browser_page.asked)
    assert turn(browser_page) == WANTED
    dial, image = browser_page.locator('[data-dial="size"]'), browser_page.locator("img")
    assert dial.get_attribute("aria-valuetext") == "3" == browser_page.inner_text("output")
    assert image.get_attribute("alt") == f"A shade of grey. {WANTED[-1][1]}"
    assert all(x.startswith("data:") for x in browser_page.asked[asked:])


def test_as_jupyterlab_inserts_it_and_twice_in_a_page(html, browser_page):
    insert = """html => { for (let copy = 0; copy < 2; copy++) {
      const host = document.createElement("div"); host.innerHTML = html;
      host.querySelectorAll("script").forEach(old => { const script = document.createElement(
        "script"); script.textContent = old.textContent; old.replaceWith(script); });
      document.body.appendChild(host); } }"""
    browser_page.goto("about:blank")
    browser_page.evaluate(insert, html)
    assert browser_page.locator(".dials:visible").count() == 2
    assert turn(browser_page) == WANTED
    assert browser_page.locator(".told").nth(1).inner_text() == WANTED[0][1]


def test_without_scripts_the_first_picture_stands(html, browser_page, tmp_path):
    (tmp_path / "page.html").write_text(f"<!doctype html><body>{html}</body>", "utf-8")
    still = browser_page.context.browser.new_context(java_script_enabled=False).new_page()
    still.goto(f"file://{tmp_path / 'page.html'}")
    assert still.locator("img").is_visible() and not still.locator(".dials").is_visible()
    still.context.close()


@pytest.mark.parametrize("modality", lab.MODALITIES)
def test_the_laboratory_turns_one_dial_and_scores_what_a_threshold_finds(modality):
    usual = default_dials(modality)
    assert laboratory.turned(modality, "blur", "as in real images") == usual
    assert laboratory.turned(modality, "blur", "high").blur == 3.0
    picture, line = plots.lab_state(modality, 1, "noise", "low")
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size[0] == 4 * laboratory.VIEW + 6
    assert re.fullmatch(rf"{modality}, noise 0.3. Otsu's threshold: Dice [\d.]+, F1 [\d.]+\.", line)


def test_the_laboratory_looks_where_the_cells_are():
    labels = np.zeros((300, 300), int)
    labels[190:200, 10:60] = 1
    assert labels[laboratory.busiest(labels)].sum() == 500


def test_a_threshold_finds_dark_cells_too():
    labels = np.zeros((60, 60), int)
    labels[10:25, 10:25] = labels[35:50, 30:45] = 1
    for image in (labels * 200.0, 255 - labels * 200.0):
        assert laboratory.threshold_cells(image).max() == 2
