"""What reads records starts at once: nothing heavy is imported to print a table or a difference."""

import subprocess
import sys

import pytest

from twodints_lib.files import ROOT

HEAVY = ("torch", "monai", "jsonschema", "matplotlib", "IPython", "papermill", "skimage.measure")
ROWS = ROOT / "records" / "rows" / "quarter-micro4"
ASK = "import sys; from twodints_lib import cli; code = cli.main(sys.argv[1:]); "
TELL = f"print('imported:', *[m for m in {HEAVY} if m in sys.modules], file=sys.stderr); "


@pytest.mark.parametrize(
    "command",
    [
        *(["table", name] for name in ("3", "4", "5", "presets", "peers", "search", "pretrained")),
        ["diff", str(ROWS / "unet-seed-1.json"), str(ROWS / "dints-1-8-seed-1.json")],
        ["--version"],
    ],
    ids=" ".join,
)
def test_a_command_that_reads_records_imports_nothing_heavy(command):
    code = ASK + TELL + "sys.exit(code)"
    if command == ["--version"]:
        code = "import atexit, sys; atexit.register(lambda: exec(sys.argv.pop())); " + ASK
        command = [*command, TELL]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    assert done.stderr == "imported:\n" and done.stdout.strip()
