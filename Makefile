# Commands for users and developers; `make help` lists them.
# Settings pass through: `PLAYS_PORT=9000 make run`, `make test ARGS='-k quotes -x'`.

PYTHON ?= python3
DOCKER ?= docker
IMAGE ?= plays-service
ARGS ?=

VENV := .venv
BENCH := .venv-bench
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The package is installed editable, so only these ask for another install.
INSTALL_INPUTS := setup.cfg setup.py pyproject.toml $(wildcard plays_service/*/*/*.[ch])

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test coverage sanitize fuzz crash cluster-crash cluster-network faults mutate schemathesis soak lint types format bench-aggregate bench-service bench-scale dist dist-test release audit image image-test browser-large clean

help: ## List the commands
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' Makefile | expand -t 18

run: $(VENV)/.run ## Start the service on port 8000, with its data in ./data
	@exec $(BIN)/plays-service serve $(ARGS)

# One more than there are cores: many tests wait for real processes.
PROCESSES := $(shell expr $$(nproc 2>/dev/null || echo 1) + 1)
test: $(VENV)/.test ## Run the whole test suite
	$(BIN)/python -m pytest --numprocesses=$(PROCESSES) --dist=worksteal $(ARGS)

coverage: $(VENV)/.test ## Run it more slowly, and report how much of the code it reaches
	$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal --cov --cov-report=term $(ARGS)

# A copy, so that no build gets into another's way: objects of other limits would be taken again.
# ASan does not know what Python leaks.
SANITIZED := build/sanitized
SANITIZED_TESTS := $(addprefix tests/unit/test_,kernel.py \
    $(if $(SANITIZE_TINY),,csv_contract.py csv_property.py csv_splits.py groupfile.py kernel_rows.py \
    result_summary.py views.py))
sanitize: $(VENV)/.test ## Run the aggregation's tests with AddressSanitizer and UBSan (SANITIZE_TINY=1: tiny limits)
	@rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)/source && cp -r tests benchmarks pyproject.toml $(SANITIZED)
	@cp -r plays_service setup.py setup.cfg pyproject.toml README.md LICENSE $(SANITIZED)/source
	@PLAYS_KERNEL_SANITIZE=1 PLAYS_KERNEL_TINY=$(SANITIZE_TINY) $(PIP) install --no-deps \
	    --target $(SANITIZED) --upgrade $(SANITIZED)/source
	cd $(SANITIZED) && export ASAN_OPTIONS=detect_leaks=0 \
	    LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" && \
	    $(abspath $(BIN))/python -c 'import plays_service.aggregation._kernel' && \
	    $(abspath $(BIN))/python -m pytest -k 'not pure' $(SANITIZED_TESTS) $(ARGS)

SECONDS ?= 60
fuzz: $(VENV)/.test ## Fuzz the kernel against the pure implementation, with clang (SECONDS=60)
	$(BIN)/python tests/fuzz/run.py $(SECONDS)

KILLS ?= 500
SEED ?= 1
crash: $(VENV)/.test ## Kill the service and its workers again and again, and see that nothing is lost (KILLS=500 SEED=1)
	$(BIN)/python -m tests.crash.campaign --kills $(KILLS) --seed $(SEED)

COUNT ?= 10000
mutate: $(VENV)/.test ## Send damaged uploads to a real server: COUNT=10000 CSVs, and as many forms (SEED=1)
	MUTATIONS=$(COUNT) MUTATION_SEED=$(SEED) $(BIN)/python -m pytest tests/mutation \
	    --timeout=0 --log-cli-level=INFO $(ARGS)

EXAMPLES ?= 500
schemathesis: $(VENV)/.test ## Look for requests that are not answered as /openapi.json says (EXAMPLES=500 a call, SEED=1)
	SCHEMATHESIS_EXAMPLES=$(EXAMPLES) SCHEMATHESIS_SEED=$(SEED) $(BIN)/python -m pytest \
	    tests/schemathesis --timeout=0 $(ARGS)

# Most of the time they wait for the service to try again, so more run at once than there are cores.
faults: $(VENV)/.test ## Let every single operation on the disk fail, in every way
	PLAYS_TEST_FAULTS=all $(BIN)/python -m pytest --numprocesses=6 --timeout=3600 \
	    --log-level=INFO -rP tests/faults $(ARGS)

MINUTES ?= 30
soak: $(VENV)/.test ## Mixed load with kills; what it takes must stay flat (MINUTES=30): build/soak
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

cluster-crash: $(VENV)/.test ## Kill replicas, Celery workers and RabbitMQ again and again (KILLS=500 SEED=1)
	$(BIN)/python -m tests.cluster.campaign --kills $(KILLS) --seed $(SEED)

cluster-network: $(VENV)/.test ## Cut hosts off from each other, let them hang and die (root; network namespaces)
	PLAYS_TEST_NETWORK=all $(BIN)/python -m pytest --numprocesses=0 --timeout=0 -o log_cli=true \
	    tests/cluster/test_hosts.py $(ARGS)

lint: $(VENV)/.lint ## Check the code's style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.lint ## Check the code's types
	$(BIN)/mypy

format: $(VENV)/.lint ## Bring the code into the project's style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

# The package's byte code is kept, as that of what is installed is: to compile it at each start is no part of the job.
bench-aggregate bench-service bench-scale: export PYTHONDONTWRITEBYTECODE =

bench-aggregate: $(BENCH)/.aggregate ## Measure the aggregation beside DuckDB, Polars and others
	@$(BENCH)/bin/python -m benchmarks.aggregate $(ARGS)

bench-service: $(BENCH)/.service ## Measure the whole service beside the prototype's stack (needs RabbitMQ)
	@$(BENCH)/bin/python -m benchmarks.service $(ARGS)

bench-scale: $(BENCH)/.service ## Measure Celery workers beside processes and the prototype's stack (needs RabbitMQ)
	@$(BENCH)/bin/python -m benchmarks.scale $(ARGS)

dist: $(VENV)/.dist ## Build the sdist and a wheel for this machine into ./dist, and check their metadata
	@rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/python -m twine check --strict dist/*

dist-test: $(VENV)/.test dist ## Try what `make dist` builds in clean environments (PYTHONS='...': with these, too)
	$(BIN)/python -m pytest --numprocesses=auto tests/packaging/check_packages.py $(ARGS)

release: ## Commit and tag a version: make release VERSION=1.2.3
	@$(PYTHON) tools/release.py make '$(VERSION)'

audit: $(VENV)/.dist ## Look for known vulnerabilities in what the service depends on
	$(BIN)/python -m pip_audit --skip-editable

# Of one service, then of the cluster; ARGS='-k ...' chooses.
image-test: $(VENV)/.test ## Build the images and try them in real containers (needs a Docker engine)
	$(BIN)/python -m pytest --numprocesses=0 tests/image/check_image.py tests/image/check_cluster.py $(ARGS)

browser-large: $(VENV)/.test ## Upload 1 GiB through the page and watch the browser's memory (needs Chromium)
	$(BIN)/python -m pytest tests/browser/check_large.py $(ARGS)

image: ## Build the Docker image
	$(DOCKER) build --tag $(IMAGE) \
	    --build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' plays_service/__init__.py)" \
	    --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" $(ARGS) .

clean: ## Remove all that was built or installed here; ./data stays
	rm -rf $(VENV) $(BENCH) build dist *.egg-info .coverage .coverage.* coverage.xml htmlcov
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find plays_service tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
	find plays_service -name '*.so' -delete

# Stamps, so that what is installed already costs nothing. The larger sets hold the smaller.
$(VENV)/.run: $(VENV)/.made $(INSTALL_INPUTS)
	@echo 'Installing plays-service into $(VENV)'
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.made $(INSTALL_INPUTS)
	@echo 'Installing plays-service and what its tests need into $(VENV)'
	@$(PIP) install --editable '.[test]'
	@touch $(VENV)/.run $@

$(VENV)/.lint: $(VENV)/.made $(INSTALL_INPUTS)
	@echo 'Installing plays-service, its tests and its linters into $(VENV)'
	@$(PIP) install --editable '.[lint, test]'
	@touch $(VENV)/.run $(VENV)/.test $@

$(VENV)/.dist: $(VENV)/.made setup.cfg
	@echo 'Installing what builds and checks packages into $(VENV)'
	@$(PIP) install --editable '.[dist]'
	@touch $@

$(BENCH)/.aggregate: $(BENCH)/.made $(INSTALL_INPUTS) benchmarks/aggregate/requirements.txt
	@echo 'Installing plays-service and what it is compared with into $(BENCH)'
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install \
	    --editable . --requirement benchmarks/aggregate/requirements.txt
	@touch $@

$(BENCH)/.service: $(BENCH)/.made $(INSTALL_INPUTS) benchmarks/service/requirements.txt
	@echo 'Installing plays-service and what it is compared with into $(BENCH)'
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install \
	    --editable . --requirement benchmarks/service/requirements.txt
	@touch $@

# Asked beforehand: Debian's own message comes late, is long, and leaves half an environment.
$(VENV)/.made $(BENCH)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'Python 3.11 or newer is needed, and $(PYTHON) is not that. Name another: make PYTHON=python3.13 ...' >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo '$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv' >&2; \
	    exit 1; }
	@$(PYTHON) -m venv --clear $(@D)
	@touch $@
