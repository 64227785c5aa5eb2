# Two commands do everything: `make reproduce` and `make test`. Both may be repeated at will.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
CRAWLER := .crawler
PEERS := .peers
# Real data for `make bench`: captions as `caption TAB address`, gzip; a tar of photographs.
CAPTIONS ?= ../shared/real/Validation_GCC-1.1.0-Validation.tsv.gz
ARCHIVE ?= ../shared/real/flickr8k-1000.tar
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help reproduce verify test bench gpu house install crawler peers lint lock schema clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

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
	@echo "==> ruff, snakefmt, mypy"
	$(MAKE) --no-print-directory lint
	@echo "==> pytest"
	pytest -n 2 --dist loadfile --no-loadscope-reorder

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

lint: install
	ruff check
	ruff format --check
	snakefmt --check workflow
	mypy

lock: ## Resolve requirements.lock again from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra dev pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header workflow/envs/img2dataset.in --output-file workflow/envs/img2dataset.lock

schema: install ## Write workflow/schemas from the typed settings
	python -m clipn.cli.schema

clean: ## Remove the environment and caches; results stay
	rm -rf $(VENV) $(CRAWLER) $(PEERS) .mypy_cache .pytest_cache .ruff_cache
