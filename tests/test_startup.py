"""What reads records starts at once: nothing heavy is imported to print a table or a difference."""

import resource
import subprocess
import sys

import pytest

from twodints_lib.files import ROOT

HEAVY = ("torch", "monai", "jsonschema", "matplotlib", "IPython", "papermill", "scipy.stats")
ROWS = ROOT / "records" / "rows" / "quarter-micro4"
ASK = f"""
import sys
from twodints_lib import cli
code = cli.main(sys.argv[1:])
print("imported:", *[m for m in {HEAVY} if m in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    "command",
    [
        *(
            ["table", n]
            for n in ("3", "4", "5", "presets", "peers", "search", "pretrained", "placed")
        ),
        ["diff", str(ROWS / "unet-seed-1.json"), str(ROWS / "dints-1-8-seed-1.json")],
    ],
    ids=lambda command: " ".join(command[:2])[:14],
)
def test_a_command_that_reads_records_starts_at_once(command):
    before = cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-c", ASK, *command], capture_output=True, text=True, check=True
    )
    assert done.stderr == "imported:\n" and done.stdout.strip()
    assert cpu_seconds() - before < 2  # about one, and slow machines are not failures
