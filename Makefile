# Two commands do everything: `make reproduce` and `make test`. Both may be repeated at will.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help reproduce test bench install lint lock schema clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

reproduce: install ## Set up, then make every table and figure of the active study
	@echo "==> snakemake all: the study named in config/config.yaml"
	snakemake all
	@echo "==> done: results/tables, results/figures, results/report.html"

test: install ## Set up, then check style and types and run the tests
	@echo "==> ruff, snakefmt, mypy"
	$(MAKE) --no-print-directory lint
	@echo "==> pytest"
	pytest

bench: install ## Measure the speed of training against the plain loop, about four minutes on two cores
	GOMP_SPINCOUNT=10000 python -m benchmarks.training

install: $(VENV)/installed ## Create .venv with the locked requirements and the package

$(VENV)/installed: requirements.lock pyproject.toml
	@echo "==> $(VENV): locked requirements, about 6.4 GB; the first time takes minutes"
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lint: install
	ruff check
	ruff format --check
	snakefmt --check workflow
	mypy

lock: ## Resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra dev pyproject.toml --output-file requirements.lock

schema: install ## Write workflow/schemas from the typed settings
	python -m clipn.schema

clean: ## Remove the environment and caches; results stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
