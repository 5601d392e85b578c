# Needs make and Python >= 3.11, nothing else. Every target makes .venv first, and renews it when the requirements change.
.DEFAULT_GOAL := help
.PHONY: help demo check test lint bench faults soak schemas lock clean
# What a person has set for a fleet of their own must not steer the demo or the tests.
unexport TENANTPLAN_MAIN_URL TENANTPLAN_FLEET ORG_DB_PREFIX ORG_DB_BASE_URL ORG_DB_POOL_SIZE ORG_DB_MAX_OVERFLOW PYTHONPATH
# An installed package has its bytecode beside it; so does a checkout, from the second start on.
unexport PYTHONDONTWRITEBYTECODE

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
NAMES := python3 python3.11 python3.12 python3.13 python3.14
ON_16 := closing creators former_logins in_the_way isolation_beside login_passwords lock provisioning purge shared_roles
PG15  := /usr/lib/postgresql/15/bin/postgres
APT   := DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Options::=--force-confold

help:
	@echo "make demo    validate, plan and apply the sample fleet on an embedded PostgreSQL"
	@echo "make check   before a commit: style, types, layers and the unit tests, within a minute"
	@echo "make test    the tests, on PostgreSQL 18, 16 and 15"
	@echo "make faults  the long fault cases"
	@echo "make soak    300 lives of fleets under attack, from a SEED of now: hours; COUNT and SEED are yours to set"
	@echo "make lint    style, types, layers, workflows"
	@echo "make bench   the benchmarks"
	@echo "make schemas JSON Schemas of the YAML, from the models"
	@echo "make lock    renew requirements.txt from pyproject.toml"
	@echo "make clean   stop the demo's server and remove what the targets made"

# Debian's python3 comes without venv; root can add it.
$(READY): requirements.txt pyproject.toml Makefile
	@fits() { command -v $$1 >/dev/null && $$1 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	choose() { for name in $(NAMES); do if fits $$name; then echo $$name; return; fi; done; }; \
	python=$$(choose); \
	if [ -z "$$python" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		($(APT) update && $(APT) install python3-venv) </dev/null >/dev/null && python=$$(choose); \
	fi; \
	if [ -z "$$python" ]; then echo "Python 3.11 or newer with venv is needed (Debian: apt install python3-venv)" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || $$python -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Made to be run twice: the second run finds nothing to change.
demo: $(READY)
	@set -e; run() { printf '\n$$ tenantplan %s\n' "$$*"; $(BIN)/tenantplan "$$@"; }; \
	run validate; \
	run plan --embedded; \
	run apply --embedded --auto-approve; \
	run status; \
	run plan --embedded --detailed-exitcode; \
	run audit verify; \
	printf '%s\n' "" \
		"It works. The server keeps running on .tenantplan/. What to try next (PATH=$(CURDIR)/$(BIN):\$$PATH):" \
		"  edit a file in tenants/, then    tenantplan plan      and    tenantplan apply" \
		"  who changed what                 tenantplan audit list" \
		"  change something by hand         tenantplan dev psql  and    tenantplan drift" \
		"  a fleet of your own              tenantplan init ../my-fleet" \
		"  stop and remove it all           make clean"

# All of them on 18, those that are about the server on 15, too, and of these what is about roles and locks on 16, which is between the two. 16 and 18 come with the requirements. 15 is Debian's; where it cannot be had, its tests are skipped by name.
test: $(READY)
	@if [ ! -x $(PG15) ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing postgresql-15 for the tests"; \
		mkdir -p /etc/postgresql-common; \
		[ -e /etc/postgresql-common/createcluster.conf ] || \
			echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf; \
		($(APT) update && $(APT) install --no-install-recommends postgresql-15) </dev/null >/dev/null \
			|| echo "postgresql-15 cannot be had here: its tests are skipped"; \
	fi
	$(BIN)/python -m pytest -m "not slow" -rs --durations=10
	$(BIN)/python -m pytest -m "not slow and not once" -rs --pg 16 tests/integration $(ON_16:%=tests/acceptance/test_%.py)
	$(BIN)/python -m pytest -m "not slow and not once" -rs --pg 15 tests/integration tests/acceptance

faults: $(READY)
	$(BIN)/python -m pytest -m slow -rs

soak: $(READY)
	COUNT=$${COUNT:-300} SEED=$${SEED:-$$(date +%s)} $(BIN)/python -m pytest -m slow -rs \
		tests/acceptance/test_faults_lives.py tests/acceptance/test_names_and_places.py tests/acceptance/test_faults_fleet.py

# Any folder of trees, by tenantplan and by the tool they were written for: make trees TREES=folder [PG="15 18"] [PRISMA=folder] [TYPEORM=folder]
trees: $(READY)
	cd tests && PYTHONPATH=.$${PYTHONPATH:+:$$PYTHONPATH} ../$(BIN)/python -m real_trees $(abspath $(TREES)) \
		--pg $(or $(PG),18) $(if $(PRISMA),--prisma $(abspath $(PRISMA))) $(if $(TYPEORM),--typeorm $(abspath $(TYPEORM)))

define STATIC
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
endef

check: $(READY)
	$(STATIC)
	$(BIN)/python -m pytest -q -n auto tests/unit

lint: $(READY)
	$(STATIC)
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

bench: $(READY)
	$(BIN)/python bench/run.py --write bench/RESULTS.md

schemas: $(READY)
	$(BIN)/tenantplan schema export

# Hashes of every platform's wheels, and no address of an index.
lock:
	@lock=$$(mktemp -d) && trap 'rm -rf "$$lock"' EXIT && python3 -m venv "$$lock" && "$$lock/bin/pip" install -q uv && \
	"$$lock/bin/uv" pip compile -q pyproject.toml --extra embedded --group dev --universal --python-version 3.11 \
		--upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url -o "$$lock/requirements.txt" && \
	{ echo "# Everything that runs, tests and checks tenantplan, locked by hash. Renewed by: make lock"; \
	  cat "$$lock/requirements.txt"; } >requirements.txt

clean:
	@if [ -x $(BIN)/tenantplan ] && [ -d .tenantplan ]; then $(BIN)/tenantplan dev down; fi
	rm -rf .tenantplan $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests migrations bench -name __pycache__ -type d -prune -exec rm -rf {} +
