# Everything a user calls. `make` alone prints this list.
PRESET ?= smoke
DATA ?= simulated
# For a machine without a GPU: make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BIN := .venv/bin
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.DEFAULT_GOAL := help
.PHONY: help setup course test lab book slides notebooks study table-of-truth bench bench-gpu \
	bench-instances bench-peers bench-loader bench-errors sweep check-corpus \
	check-folders check-sweep lint format clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' Makefile

setup: .venv/ready  ## make or update the environment in .venv

course: setup  ## run all notebooks: PRESET=smoke|laptop|paper DATA=name or folder
	@$(BIN)/twodints run --preset "$(PRESET)" --data "$(DATA)"

test: setup  ## run all tests, notebooks included
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TWODINTS_PRESET=smoke $(BIN)/python -m pytest \
		-n 2 --dist loadscope --no-loadscope-reorder \
		--nbval-lax --nbval-current-env tests notebooks

lab: setup  ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab notebooks

book: setup  ## the course as pages that need no network, in book/: FROM=folder of a run
	@$(BIN)/python docs/book/build.py --from "$(FROM)"

slides: setup  ## two notebooks as slides that need no network, in slides/
	@$(BIN)/python docs/book/slides.py

notebooks: setup  ## run the laptop preset and renew the committed notebooks and records
	@$(BIN)/twodints run --preset laptop --refresh

study: setup  ## what the search earns against controls: hours, over as many sittings as you like
	@$(BIN)/twodints study

table-of-truth: setup  ## train every network of a small space: hours, over as many sittings as you like
	@$(BIN)/twodints truth make "$(or $(TABLE),cells-99)"

bench: setup  ## our search against stock MONAI: minutes, writes records/bench-search.json
	@$(BIN)/python benchmarks/search.py

bench-gpu: setup  ## the search step on a CUDA GPU against stock MONAI: records/bench-gpu.json
	@$(BIN)/python benchmarks/gpu.py

bench-instances: setup  ## the metric, tiles and a prediction, timed: records/bench-instances.json
	@$(BIN)/python benchmarks/instances.py

bench-peers: setup .venv-peers/ready  ## ours beside Cellpose, StarDist, InstanSeg: SECONDS=2400 of CPU each
	@$(BIN)/python benchmarks/peers.py --data "$(if $(filter file,$(origin DATA)),micro4,$(DATA))" \
		--cpu-seconds $(or $(SECONDS),2400) --threads $(or $(THREADS),2) \
		--seeds $(or $(SEEDS),1 2 3) $(if $(METHODS),--methods $(METHODS)) \
		$(if $(CODE),--code "$(CODE)")

bench-loader: setup  ## patches a second of the loader: records/bench-loader.json
	@$(BIN)/twodints data make neurips-shaped && $(BIN)/python benchmarks/loader.py

bench-errors: setup  ## kinds of errors of trained rows: records/bench-errors.json
	@$(BIN)/python benchmarks/errors.py --preset "$(if $(filter file,$(origin PRESET)),quarter,$(PRESET))" \
		--data "$(if $(filter file,$(origin DATA)),micro4,$(DATA))"

sweep: setup .venv-sweep/ready  ## rows x seeds by Snakemake: PRESET=quarter DATA=micro4 ROWS=all SEEDS="1 2 3"
	@.venv-sweep/bin/snakemake --cores $(or $(CORES),2) --nolock --keep-going --rerun-incomplete \
		--rerun-triggers mtime --config \
		preset="$(if $(filter file,$(origin PRESET)),quarter,$(PRESET))" \
		data="$(if $(filter file,$(origin DATA)),micro4,$(DATA))" \
		rows="$(or $(ROWS),all)" seeds="$(or $(SEEDS),1 2 3)"

check-corpus: setup  ## odd and bad files at every door: records/check-corpus.json
	@$(BIN)/python benchmarks/corpus.py

check-folders: setup  ## odd folders through every notebook: records/check-folders.json
	@$(BIN)/python benchmarks/folders.py

check-sweep: setup .venv-sweep/ready  ## kill a sweep, start it again: records/check-sweep.json
	@$(BIN)/python benchmarks/sweep_check.py

.venv-sweep/ready: benchmarks/sweep.txt
	@$(BIN)/python -m venv --clear .venv-sweep && \
	.venv-sweep/bin/pip install --quiet -r benchmarks/sweep.txt && touch .venv-sweep/ready

.venv-peers/ready: benchmarks/peers.txt
	@$(BIN)/python -m venv --clear .venv-peers && \
	.venv-peers/bin/pip install --quiet $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") \
		"$$(grep '^torch==' constraints.txt)" && \
	.venv-peers/bin/pip install --quiet -r benchmarks/peers.txt && \
	.venv-peers/bin/pip install --quiet --no-deps cellpose==3.1.1.2 instanseg-torch==0.1.2 && \
	touch .venv-peers/ready

lint: setup  ## check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: setup  ## mend style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:  ## remove results and caches (data stay)
	rm -rf runs .pytest_cache .ruff_cache
	find twodints_lib tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) \
		-prune -exec rm -rf {} +

distclean: clean  ## remove the environments too
	rm -rf .venv .venv-book .venv-peers .venv-sweep .snakemake book slides build *.egg-info

# A .venv whose making was cut short, or of another Python, is made anew; an interrupted
# installation goes on. torch comes first and alone: whatever asks for it later finds the
# tested build in place. The stamp holds the seconds of the longest set-up, for the records.
.venv/ready: constraints.txt pyproject.toml
	@start=$$(date +%s); python=""; \
	if ! { $(BIN)/python -c '$(FITS)' && $(BIN)/python -m pip --version; } >/dev/null 2>&1; then \
		for p in python3 python3.13 python3.12 python3.11; do \
			if $$p -c '$(FITS)' 2>/dev/null; then python=$$p; break; fi; done; \
		if [ -z "$$python" ]; then \
			echo "No Python 3.11, 3.12 or 3.13 found; install one of them." >&2; exit 2; fi; \
		$$python -m venv --clear .venv || { rm -rf .venv; \
			echo "$$python cannot make a virtual environment; install its venv package." >&2; \
			exit 2; }; \
	fi; \
	index="$(TORCH_INDEX)"; \
	echo "Setting up .venv, once, a few minutes: PyTorch ..."; \
	$(BIN)/python -m pip install --quiet $${index:+--index-url "$$index"} \
		"$$(grep '^torch==' constraints.txt)" && \
	echo "... and everything else." && \
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]' && \
	seconds=$$(( $$(date +%s) - start )) && before=$$(cat .venv/ready 2>/dev/null || echo 0) && \
	if [ "$$before" -gt "$$seconds" ]; then seconds=$$before; fi && \
	echo "$$seconds" > .venv/ready
