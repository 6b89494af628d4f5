# Commands for users and developers; `make help` lists them.
# Settings pass through: `PLAYS_PORT=9000 make run`, `make test ARGS='-k quotes -x'`.

PYTHON ?= python3
DOCKER ?= docker
IMAGE ?= plays-service
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The package is installed editable, so only these ask for another install.
INSTALL_INPUTS := setup.cfg setup.py pyproject.toml $(wildcard plays_service/*/*/*.[ch])

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint types format image clean

help: ## List the commands
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' Makefile | expand -t 10

run: $(VENV)/.run ## Start the service on port 8000, with its data in ./data
	@exec $(BIN)/plays-service serve $(ARGS)

test: $(VENV)/.test ## Run the whole test suite and report its coverage
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

lint: $(VENV)/.lint ## Check the code's style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.lint ## Check the code's types
	$(BIN)/mypy

format: $(VENV)/.lint ## Bring the code into the project's style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

image: ## Build the Docker image
	$(DOCKER) build --tag $(IMAGE) \
	    --build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' plays_service/__init__.py)" \
	    --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" $(ARGS) .

clean: ## Remove all that was built or installed here; ./data stays
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* coverage.xml htmlcov
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find plays_service tests -name __pycache__ -prune -exec rm -rf {} +
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

# Asked beforehand: Debian's own message comes late, is long, and leaves half an environment.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'Python 3.11 or newer is needed, and $(PYTHON) is not that. Name another: make PYTHON=python3.13 ...' >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo '$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv' >&2; \
	    exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@
