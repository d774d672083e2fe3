"""Other places: locales that are not UTF-8, odd folders, another working directory."""

import ast
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from twodints_lib.files import ROOT

# PYTHONUTF8=0 keeps Python from taking UTF-8 where the locale says ASCII.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def texts_without_encoding(source: str) -> list[str]:
    """The calls of a module that read or write text in the encoding of the user's locale."""
    found = []
    for call in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        told = {k.arg or "encoding" for k in call.keywords}  # None: of a dict, which is trusted
        modes = [a.value for a in call.args if isinstance(a, ast.Constant)]
        plain = isinstance(call.func, ast.Name) and name == "open"
        binary = any(isinstance(m, str) and "b" in m and len(m) <= 3 for m in modes)
        text = name in ("read_text", "write_text") or (plain and not binary)
        if text and "encoding" not in told:
            found.append(ast.unparse(call))
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "twodints_lib").rglob("*.py")), ids=lambda p: p.stem
)
def test_no_text_depends_on_the_users_locale(path):
    assert not texts_without_encoding(path.read_text(encoding="utf-8"))


def test_a_text_without_encoding_is_seen():
    assert texts_without_encoding("p.read_text(); open(p); open(p, 'w'); p.write_text('b')")
    assert not texts_without_encoding("open(p, 'rb'); p.read_text(encoding='utf-8')")


def called(folder, *args, **environment):
    """The command in an odd folder, in a process of its own."""
    given = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "TERM": "dumb"} | environment
    command = [sys.executable, "-m", "twodints_lib.cli", *args]
    return subprocess.run(command, capture_output=True, cwd=folder, env=given)


@pytest.mark.parametrize("locale", [{}, ASCII], ids=["UTF-8", "ASCII"])
def test_spaces_and_letters_of_others_are_no_obstacle(tmp_path, locale):
    odd = tmp_path / "Zellen \u00e4 \u540d, two words"
    labels = np.zeros((30, 30), np.uint16)
    labels[5:15, 5:15], labels[5:15, 16:25] = 1, 2
    for part in ("pred", "truth"):
        (odd / part).mkdir(parents=True)
        tifffile.imwrite(odd / part / "B\u00e4r 1_label.tif", labels)
    done = called(odd, "evaluate", "pred", "truth", "--csv", "t.csv", **locale)
    assert done.returncode == 0 and b"mean F1 1.0000" in done.stdout, done.stderr
    assert "B\u00e4r 1" in (odd / "t.csv").read_text(encoding="utf-8")
    again = called(odd, "evaluate", "pred", str(odd / "truth"), "--json", **locale)
    assert json.loads(again.stdout)["mean_f1"] == 1 and b"\x1b[" not in again.stdout
    none = called(odd, "evaluate", "pred", "tr\u00fcth", **locale)
    assert none.returncode == 2 and none.stderr.count(b"\n") == 1
