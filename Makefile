# Two commands do everything: `make reproduce` and `make test`. Both can be rerun safely.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
CRAWLER := .crawler
PEERS := .peers
DOCS := .docs
SLURM := .slurm
# Real data for `make bench`: captions as `caption TAB address`, gzip; a tar of photographs.
CAPTIONS ?= ../shared/real/Validation_GCC-1.1.0-Validation.tsv.gz
ARCHIVE ?= ../shared/real/flickr8k-1000.tar
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Else each of hundreds of processes compiles this package, up to a second each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help reproduce verify test test-slurm bench gpu house install crawler peers slurm docs lint lock schema clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

reproduce: install ## Set up, then make every table and figure of the active study
	@echo "==> snakemake all: the study named in config/config.yaml"
	snakemake all
	@echo "==> done: results/tables, results/figures, results/report.html"
	@echo "    dvc repro && dvc plots show: record these results in dvc.lock and copy them to DVC's cache, then plot them"

verify: reproduce ## Make the study, and say whether every number and dvc.lock are those that were recorded
	@dvc repro --quiet > /dev/null && dvc status --quiet
	@clipn study verify
	@git diff --quiet HEAD -- dvc.lock || { echo "dvc.lock: is not that of this commit: git diff HEAD -- dvc.lock"; exit 1; }

test: install ## Set up, then check style and types and run the tests
	@$(MAKE) --no-print-directory crawler || echo "==> without img2dataset: the tests that run it are skipped"
	@$(MAKE) --no-print-directory $(DOCS)/installed || echo "==> without MkDocs: the test that builds the site is skipped"
	@echo "==> ruff, snakefmt, mypy"
	$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory slurm || echo "==> without the plugin for Slurm: its quick test is skipped"
	@echo "==> pytest, without Slurm itself: make test-slurm"
	pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not slurm"

test-slurm: install slurm ## As root: install Slurm from Debian or Ubuntu, boot it here, and run the reduced demo on it
	command -v slurmctld slurmd munged > /dev/null || { apt-get update && \
		DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends slurm-wlm munge; }
	pytest -m slurm tests/slurm

bench: reproduce ## Measure speed against the plain way: training, captions, verification, faults, evaluation, bookkeeping; against other packages
	@$(MAKE) --no-print-directory peers || echo "==> without other packages: they are not compared with"
	GOMP_SPINCOUNT=10000 python -m benchmarks.training
	python -m benchmarks.captions $(CAPTIONS)
	python -m benchmarks.verify $(ARCHIVE)
	python -m benchmarks.faults
	GOMP_SPINCOUNT=10000 python -m benchmarks.evaluation
	python -m benchmarks.bookkeeping
	GOMP_SPINCOUNT=10000 python -m benchmarks.peers
	python -m benchmarks.rates
	python -m benchmarks.imports

gpu: install ## Measure on a GPU, within nine minutes: its tests, speed, and the demo's training against a CPU's
	benchmarks/gpu.sh

house: install ## Measure the structure: folders, imports, functions, comments, rules
	@python -m benchmarks.house

install: $(VENV)/installed ## Create .venv with the locked requirements and the package

$(VENV)/installed: requirements.lock pyproject.toml
	@echo "==> $(VENV): locked requirements, about 6.4 GB; the first time takes minutes"
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

crawler: $(CRAWLER)/installed ## Create .crawler with img2dataset, whose requirements conflict with ours

$(CRAWLER)/installed: workflow/envs/img2dataset.lock
	@echo "==> $(CRAWLER): img2dataset, about 800 MB"
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 13) or sys.exit("img2dataset needs Python 3.11 or 3.12: make crawler PYTHON=python3.12")'
	test -x $(CRAWLER)/bin/python || $(PYTHON) -m venv $(CRAWLER)
	$(CRAWLER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

peers: $(PEERS)/installed ## Create .peers with the packages that `make bench` compares with; they use our .venv

$(PEERS)/installed: benchmarks/peers.txt | $(VENV)/installed
	@echo "==> $(PEERS): pytorch-ood, torchmetrics and CLIP_benchmark without what they need, 25 MB"
	rm -rf $(PEERS)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(PEERS) --requirement $<
	@touch $@

docs: $(DOCS)/installed ## Build the documentation into site/; every dead link is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict
	@echo "==> done: python -m http.server --directory site, then open http://localhost:8000"

$(DOCS)/installed: docs/requirements.lock
	@echo "==> $(DOCS): MkDocs with its theme, about 170 MB"
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

slurm: $(SLURM)/installed ## Create .slurm with Snakemake's plugin for Slurm, which uses our .venv and is not in it

$(SLURM)/installed: tests/slurm/plugin.txt | $(VENV)/installed
	@echo "==> $(SLURM): the plugin without what it needs, 1 MB"
	rm -rf $(SLURM)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(SLURM) --requirement $<
	@touch $@

lint: install
	ruff check
	ruff format --check
	snakefmt --check workflow
	mypy

lock: ## Resolve the locks again, requirements.lock from pyproject.toml first (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra dev pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header workflow/envs/img2dataset.in --output-file workflow/envs/img2dataset.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --group docs --output-file docs/requirements.lock

schema: install ## Write workflow/schemas from the typed settings, and the profile for Slurm from their estimates
	python -m clipn.cli.schema
	python -m clipn.cli.slurm_profile

clean: ## Remove the environment and caches; results stay
	rm -rf $(VENV) $(CRAWLER) $(PEERS) $(SLURM) $(DOCS) site .mypy_cache .pytest_cache .ruff_cache
