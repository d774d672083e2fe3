"""`make check-sweep`: kill a sweep in the middle, start it again; is anything done twice?

Smoke preset, simulated data, local executor. Then a sweep with a row that does not exist: the
others must finish and the exit code must not be zero. Writes records/check-sweep.json.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from twodints_lib import files
from twodints_lib.runs import environment

SNAKEMAKE = [str(files.ROOT / ".venv-sweep" / "bin" / "snakemake"), "--cores", "1", "--nolock"]
SNAKEMAKE += ["--keep-going", "--rerun-incomplete", "--rerun-triggers", "mtime", "--quiet", "all"]
ROWS, SEEDS = "unet segresnet-deconv", "1 2"


def command(rows: str) -> list[str]:
    """A sweep over these rows."""
    told = ["preset=smoke", "data=simulated", f"rows={rows}", f"seeds={SEEDS}"]
    return [*SNAKEMAKE, "--config", f"python={sys.executable}", *told]


def marks(folder: Path) -> dict:
    """{record: (time it was written, seconds of training)} of all finished rows."""
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("rows/*/*.json")}


def check(good: bool, what: str):
    """Stop with what went wrong."""
    if not good:
        sys.exit(f"sweep check: {what}")


def main():
    """Run the check and write its record."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        folder, env = Path(folder), os.environ | {"TWODINTS_RUNS": folder}
        first = subprocess.Popen(command(ROWS), cwd=files.ROOT, env=env, start_new_session=True)
        while not marks(folder):
            check(first.poll() is None, "the sweep ended before its first row")
            time.sleep(0.2)
        time.sleep(3)  # into the second job
        os.killpg(first.pid, signal.SIGKILL)
        before = marks(folder)
        check(len(before) < 4, "killed too late to show anything")
        again = subprocess.run(command(ROWS), cwd=files.ROOT, env=env)
        after = marks(folder)
        check(again.returncode == 0 and len(after) == 4, f"{len(after)} of 4 rows in the end")
        check(all(after[k] == v for k, v in before.items()), "a finished row was made again")
        trained = list(folder.glob("store/*/record.json"))
        check(len(trained) == 4, f"{len(trained)} trainings for 4 rows")
        table = next(folder.glob("sweep/smoke-simulated-*/table-4.txt")).read_text()
        check("not run" in table and "UNet" in table, "the table does not say what is missing")
        idle = subprocess.run(command(ROWS), cwd=files.ROOT, env=env)
        check(idle.returncode == 0 and marks(folder) == after, "a whole sweep was not left alone")
        bad = subprocess.run(command("no-such-row dints-0.5-8"), cwd=files.ROOT, env=env)
        check(bad.returncode != 0, "a failed job went unnoticed")
        check(len(marks(folder)) == 6, "one failed row took others with it")
    record = {"check": "sweep", "rows": ROWS.split(), "seeds": SEEDS.split()}
    record |= {"finished before the kill": len(before), "trainings": len(trained)}
    record |= {"commit": environment.commit(), "hardware": environment.hardware()}
    record |= {"seconds": round(time.perf_counter() - start)}
    files.write_json(files.ROOT / "records" / "check-sweep.json", record)
    print(f"sweep check passed: {record}")


if __name__ == "__main__":
    main()
