# Rows of Table 4 x seeds, each by the notebook one_row under papermill. `make sweep` runs it on this machine;
# `snakemake --profile profiles/slurm` sends the same jobs to a cluster. A finished job is its
# executed notebook and the row's record; neither is ever made twice.
import os
import subprocess
from pathlib import Path

RUNS = os.environ.get("TWODINTS_RUNS") or "runs"
PYTHON = config.get("python", ".venv/bin/python")
PRESET, DATA = config.get("preset", "quarter"), config.get("data", "micro4")
ROWS = config.get("rows", "all").split()
if ROWS == ["all"]:
    ROWS = [
        "unet", "segresnet-nontrainable", "segresnet-deconv", "segresnet-pixelshuffle",
        "dints-0.5-8", "dints-1-8", "dints-1-8-384", "dints-1-12", "dints-1-8-six",
    ]
SEEDS = str(config.get("seeds", "1 2 3")).split()
if Path(DATA).is_dir():
    DATA = str(Path(DATA).resolve())
# What is done is found by its name: other data, another cap or other code have another.
SCALE_OF = "import sys; from twodints_lib.reproduction import table4; print(table4.sweep_scale(*sys.argv[1:]))"
asked = [PYTHON, "-c", SCALE_OF, PRESET, DATA, str(config.get("max_steps", 0))]
SCALE = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
OUT = f"{RUNS}/sweep/{SCALE}"
(NOTEBOOK,) = (path.name for path in Path("notebooks").glob("*_one_row.ipynb"))
STEPS = f"-p max_steps {config['max_steps']}" if "max_steps" in config else ""


rule all:
    input:
        expand(OUT + "/{row}-seed-{seed}/" + NOTEBOOK, row=ROWS, seed=SEEDS),


rule row:
    output:
        OUT + "/{row}-seed-{seed}/" + NOTEBOOK,
    threads: 1
    resources:
        mem_mb=8000,
        runtime=config.get("minutes", 240),
    shell:
        "OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads} {PYTHON} -m twodints_lib.cli run "
        "--only one_row --preset {PRESET} --data '{DATA}' -p row {wildcards.row} -p seed {wildcards.seed} "
        "{STEPS} --out \"$(dirname {output:q})\""


def gather():
    """One table of what there is; rows that are missing say so."""
    scale = SCALE.rpartition("-")[0]
    shell("{PYTHON} -m twodints_lib.cli table 4 --rows {scale:q} > {OUT:q}/table-4.txt || true")
    print(f"table: {OUT}/table-4.txt")


onsuccess:
    gather()


onerror:
    gather()
