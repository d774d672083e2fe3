# Everything a user calls. `make` alone prints this list.
PRESET ?= smoke
DATA ?= simulated
# For a machine without a GPU: make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup course test lab notebooks lint format clean distclean

help:  ## this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/'

setup: .venv/ready  ## make or update the environment in .venv

course: setup  ## run all notebooks: PRESET=smoke|laptop|paper DATA=name or folder
	@$(BIN)/twodints run --preset "$(PRESET)" --data "$(DATA)"

test: setup  ## run all tests, notebooks included
	@OMP_NUM_THREADS=1 TWODINTS_PRESET=smoke $(BIN)/python -m pytest -n 2 --dist loadscope \
		--nbval-lax --nbval-current-env tests notebooks

lab: setup  ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab notebooks

notebooks: setup  ## run the laptop preset and renew the committed notebooks and records
	@$(BIN)/twodints run --preset laptop --refresh

lint: setup  ## check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: setup  ## mend style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:  ## remove results (data stay)
	rm -rf runs .pytest_cache .ruff_cache

distclean: clean  ## remove the environment too
	rm -rf .venv *.egg-info

# torch comes first and alone: whatever asks for it later finds the tested build in place.
.venv/ready: constraints.txt pyproject.toml
	@python=""; for p in python3 python3.13 python3.12 python3.11; do \
		if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
		then python=$$p; break; fi; done; \
	if [ -z "$$python" ]; then echo "No Python 3.11, 3.12 or 3.13 found; install one of them." >&2; exit 2; fi; \
	start=$$(date +%s); \
	test -x $(BIN)/python || $$python -m venv .venv || { rm -rf .venv; \
		echo "$$python cannot make a virtual environment; install its venv package." >&2; exit 2; }; \
	echo "Setting up .venv: a few minutes, once."; \
	index="$(TORCH_INDEX)"; \
	$(BIN)/python -m pip install --quiet $${index:+--index-url $$index} \
		"$$(grep '^torch==' constraints.txt)" && \
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]' && \
	echo "$$(( $$(date +%s) - start ))" > .venv/ready
