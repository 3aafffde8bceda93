# All that is needed is make and Python 3.11 or later: everything else goes into .venv, from locks with hashes.
#
#   make demo      train on this machine: no AWS account, no Docker needed; DATA_FILE=/path/to/prices.csv for real data
#   make demo-cluster  the same training by one process and by worker tasks (docs/workers.md), held against each other
#   make test      each kind of test, a share of the long tables; PYTEST_ARGS="-k plan" for some of them
#   make check     what CI runs: ruff, mypy, import-linter, hadolint, bandit, zizmor, every test
#   make audit     ask PyPI for known vulnerabilities of all that the locks name; needs the network, CI runs it too
#   make fmt       format and fix
#   make dist      the wheel and the source distribution, in dist/
#   make docs      the site of the documentation, in build/site
#   make bench     measure; Terraform and the guide's script too, when the environment says where they are
#   make lock      renew the locks in requirements/
#   make clean     stop the embedded AWS; remove .venv and whatever was made, but for results/

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
SUITE_ARGS ?=
BENCH_ARGS ?=
LOCALEMU_PYTHON ?= 3.13
BIN := $(VENV)/bin
UV_COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links
# What an editable install does, without fetching a build tool that no lock names.
LINK := $(BIN)/python -c "import os, pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'reconciler.pth').write_text(os.getcwd())"
# As pip does for what it installs: PYTHONDONTWRITEBYTECODE would have each start compile this project's modules again.
COMPILE := $(BIN)/python -m compileall -q reconciler model
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo demo-cluster test check audit fmt docs dist lock clean bench
help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/demo $(if $(DATA_FILE),,data/sample.csv)
	$(BIN)/python -m reconciler apply deploy.yaml --local

# Each environment of cluster.yaml is a deploy of its own. Forecasts differ as docs/model.md says, by less than 2 % of loss.
demo-cluster: $(VENV)/dask data/sample.csv
	rm -rf results/cluster-demo
	$(BIN)/python -m reconciler apply cluster.yaml --local --env alone
	$(BIN)/python -m reconciler apply cluster.yaml --local --env workers
	$(BIN)/python -m model compare --alike 0.02 results/cluster-demo/alone/* results/cluster-demo/workers/*

test: $(VENV)/dev
	@echo 'each kind of test, and of long tables and dear files a share, in some four minutes on two cores that are free;'
	@echo '`make check` runs every one'
	@$(BIN)/python -m tests.suite $(SUITE_ARGS) $(if $(PYTEST_ARGS),-- $(PYTEST_ARGS))

check: $(VENV)/dev
	@$(MAKE) --no-print-directory --keep-going $(VENV)/ministack $(VENV)/localemu || echo 'an emulator of AWS is missing here: its tests are skipped'
	@echo 'the linters and every test, in 20 to 25 minutes on two cores that are free'
	@MINISTACK_BIN=$(VENV)/ministack/bin/ministack LOCALEMU_BIN=$(VENV)/localemu/bin/localemu \
		$(BIN)/python -m tests.suite --check $(SUITE_ARGS) $(if $(PYTEST_ARGS),-- $(PYTEST_ARGS))

# Who knows of vulnerabilities is asked over the network: PyPI has no current list of them as a package.
audit: $(VENV)/audit
	for lock in requirements/*.txt; do $(VENV)/audit/bin/pip-audit --progress-spinner off --require-hashes --disable-pip --requirement $$lock || exit 1; done

fmt: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: $(VENV)/dev
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('dist')" >/dev/null
	@ls dist

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'build/site/index.html'

bench: $(VENV)/dev
	$(BIN)/python -m bench $(BENCH_ARGS)

# model.txt is what the image installs; demo.txt adds the reconciler and the embedded AWS; dev.txt the tools. dask.txt is
# what the image installs when it is built with REQUIREMENTS=dask. mlflow.txt is a server that tests track to, audit.txt what
# asks for known vulnerabilities. ministack.txt and localemu.txt are other emulators of AWS, against which tests run.
lock: $(VENV)/dev
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['model'], sep='\n')" \
		| $(UV_COMPILE) - --output-file requirements/model.txt
	$(UV_COMPILE) pyproject.toml --extra local --extra model --constraint requirements/model.txt --output-file requirements/demo.txt
	$(UV_COMPILE) pyproject.toml --extra local --extra model --extra dev --constraint requirements/demo.txt --output-file requirements/dev.txt
	$(BIN)/python -c "import tomllib; e = tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']; print(*e['model'], *e['dask'], sep='\n')" \
		| $(UV_COMPILE) - --constraint requirements/dev.txt --output-file requirements/dask.txt
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')" \
		| $(UV_COMPILE) - --constraint requirements/dev.txt --output-file requirements/docs.txt
	echo 'mlflow>=3' | $(UV_COMPILE) - --output-file requirements/mlflow.txt
	echo 'pip-audit>=2.9' | $(UV_COMPILE) - --constraint requirements/dev.txt --output-file requirements/audit.txt
	echo 'ministack>=1.5' | $(UV_COMPILE) - --output-file requirements/ministack.txt
	echo 'localemu>=1.3' | $(patsubst 3.11,3.13,$(filter-out --universal,$(UV_COMPILE))) - --output-file requirements/localemu.txt

clean:
	@if [ -x $(BIN)/python ] && [ -d .reconciler ]; then $(BIN)/python -m reconciler local stop || true; fi
	rm -rf $(VENV) .reconciler data/sample.csv output build dist *.egg-info .coverage* .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

data/sample.csv: | $(VENV)/demo
	$(BIN)/python -m model.sample data/sample.csv

$(VENV)/demo: requirements/demo.txt | $(BIN)/python
	@echo 'installing requirements/demo.txt into $(VENV) (a minute or less)'
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/demo.txt
	@$(LINK)
	@$(COMPILE)
	@touch $@

$(VENV)/dask: requirements/dask.txt | $(VENV)/demo
	@echo 'installing requirements/dask.txt into $(VENV) (a minute or less)'
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dask.txt
	@touch $@

$(VENV)/dev: requirements/dev.txt | $(BIN)/python
	@echo 'installing requirements/dev.txt into $(VENV) (a minute or less)'
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	@$(LINK)
	@$(COMPILE)
	@touch $@

$(VENV)/docs: requirements/docs.txt | $(BIN)/python
	@echo 'installing requirements/docs.txt into $(VENV)'
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/docs.txt
	@touch $@

# An environment of its own, since it wants other versions. The tests find it with MLFLOW_BIN=.venv/mlflow/bin/mlflow.
$(VENV)/mlflow: requirements/mlflow.txt | $(VENV)/dev
	@echo 'installing requirements/mlflow.txt into $@'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $@
	@$(BIN)/uv pip install --quiet --python $@ --require-hashes --requirement requirements/mlflow.txt
	@touch $@

# An environment of its own, so that what asks isn't among what is asked about.
$(VENV)/audit: requirements/audit.txt | $(VENV)/dev
	@echo 'installing requirements/audit.txt into $@'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $@
	@$(BIN)/uv pip install --quiet --python $@ --require-hashes --requirement requirements/audit.txt
	@touch $@

# Emulators of AWS by others, each in an environment of its own: a second opinion for tests/emulators.
$(VENV)/ministack: requirements/ministack.txt | $(VENV)/dev
	@echo 'installing requirements/ministack.txt into $@'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $@
	@$(BIN)/uv pip install --quiet --python $@ --require-hashes --requirement requirements/ministack.txt || { rm -rf $@; exit 1; }
	@touch $@

# It says that Python 3.10 is enough, and is written for 3.13; what it needs doesn't fit together for 3.14 yet.
$(VENV)/localemu: requirements/localemu.txt | $(VENV)/dev
	@echo 'installing requirements/localemu.txt into $@'
	@$(BIN)/uv venv --quiet --clear --no-python-downloads --python '$(LOCALEMU_PYTHON)' $@
	@$(BIN)/uv pip install --quiet --python $@ --require-hashes --requirement requirements/localemu.txt || { rm -rf $@; exit 1; }
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "Python 3.11 or later is needed, and $(PYTHON) is %d.%d: try make PYTHON=python3.13" % v[:2])'
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made (on Debian and Ubuntu: apt install python3-venv)" >&2; rm -rf $(VENV); exit 1; }
