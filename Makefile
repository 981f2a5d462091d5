# Everything a fresh machine needs is Python 3.11+, its venv module and make.
PYTHON ?= python3
BIN := .venv/bin

# Python keeps what it compiles, or each worker of a test run and each process that tests start would do it anew.
unexport PYTHONDONTWRITEBYTECODE

# `make demo` is the first thing to try.
.PHONY: install infra demo demo-cloud pulumi quick test fuzz soak lint lint-workflows lint-project docs constraints bench windows clean
.DEFAULT_GOAL := demo

.venv/runner: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

# the pip that comes with an older Python knows no dependency groups
.venv/dev: .venv/runner
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[azure]' --group dev
	touch $@

# Azurite, by the npm and the node that come as a Python package
.venv/azurite: tests/azurite/package-lock.json .venv/dev
	$(BIN)/python -m tests.emulator.azurite install
	touch $@

# The oldest ffmpeg that is supported, for the tests: 4.2.2, in a folder of its own beside the newest.
.venv/ffmpeg-4.2: .venv/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $@ imageio-ffmpeg==0.4.9
	touch $@

install: .venv/runner

# What `pulumi up` and `runner` need on Azure.
infra:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	cd infra && ../$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt

# One of the files is cut short, so that you see a failure; that is exit code 1.
demo: .venv/runner
	rm -rf demo
	$(BIN)/python tools/demo_media.py demo/in
	$(BIN)/runner convert demo/in -o demo/out || test $$? -eq 1
	find demo/out -name '*.mp3' -exec ls -sh {} +

# The same on an emulated Azure: deployed, converted there, looked at, cleaned up, destroyed.
demo-cloud: .venv/azurite
	test -d demo/in || $(BIN)/python tools/demo_media.py demo/in
	$(BIN)/python tools/demo_cloud.py demo/in

# Pulumi's CLI, for the tests of infra that need its engine; they are skipped without one.
pulumi:
	tools/pulumi/build.sh

# How many tests run at a time: two for each core, as many of them wait.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')

test: .venv/dev .venv/azurite .venv/ffmpeg-4.2
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# What needs neither ffmpeg nor Azurite nor Pulumi: under a minute, for while you write.
quick: .venv/dev
	$(BIN)/python -m pytest -n auto --dist worksteal -m 'not needs_services'

# Ten thousand damaged plans, records and ledgers; RUNNER_FUZZ_SEED=… tries others.
fuzz: .venv/dev
	RUNNER_FUZZ=10000 $(BIN)/python -m pytest -n auto --timeout 3600 tests/test_fuzz.py

# An hour of faults, kills and second runners by mistake; RUNNER_SOAK_SEED=… has others.
soak: .venv/dev .venv/azurite
	RUNNER_SOAK=$${RUNNER_SOAK:-3600} $(BIN)/python -m pytest --timeout 0 tests/azure/test_soak.py

lint: .venv/dev lint-workflows lint-project
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 runner
	$(BIN)/lint-imports

# The workflows of this project and those that docs/ offers. actionlint is a Go program; its PyPI package
# fetches a binary from GitHub while it installs. .ci/run has Go.
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
WORKFLOWS = $(wildcard .github/workflows/*.yml docs/examples/*.yml)
lint-workflows: .venv/dev
	@if command -v go >/dev/null; then \
		set -x; go run $(ACTIONLINT) -shellcheck $(BIN)/shellcheck -pyflakes '' $(WORKFLOWS); \
	else \
		echo 'The workflows are not checked: actionlint is built by Go, which is not installed here.' >&2; \
	fi

# What GitHub and pre-commit read. The schemas come with check-jsonschema.
SCHEMA := $(BIN)/check-jsonschema --builtin-schema
lint-project: .venv/dev
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/pre-commit validate-config

# The site, into build/site; any warning fails it, such as one of a link that leads nowhere.
docs:
	test -x build/docs/bin/python || $(PYTHON) -m venv build/docs
	build/docs/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	build/docs/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group docs
	build/docs/bin/mkdocs build --strict

# The versions of all that a clone can ask for, on every system, from an empty environment. Those that
# still fit stay as they are; `make constraints UPGRADE=--upgrade` takes the newest.
constraints:
	$(PYTHON) -m venv --clear build/constraints
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check uv
	UV_CUSTOM_COMPILE_COMMAND='make constraints' build/constraints/bin/uv pip compile --quiet --universal \
	    --python-version 3.11 --no-annotate $(UPGRADE) --extra azure --group dev pyproject.toml -o constraints.txt

# The command and its tests on Windows, by Wine, which it sets up: an hour, as each start takes seconds there.
windows:
	tools/windows/wine.sh --tests

# About twenty minutes, and only worth it on a machine that does nothing else.
bench: .venv/azurite
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf .venv demo build dist .mypy_cache .ruff_cache .pytest_cache
