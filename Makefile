# make run    set everything up and open the dashboard    (WORKSPACE=folder, PORT=8501)
# make test   set everything up, the browser too, and run all checks and tests
# make bench  measure against the budgets
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
WORKSPACE ?=

.DELETE_ON_ERROR:
.PHONY: run test lint bench evidence test-lowest screenshots garages clean

run: $(VENV)/.installed
	OPENMAX_WORKSPACE="$(WORKSPACE)" $(BIN)/streamlit run app.py --server.port $(PORT)

test: lint $(VENV)/.browser
	$(BIN)/python -m pytest tests/unit tests/app -n auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest tests/browser -n auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest tests/cluster

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/oxlint

bench: $(VENV)/.browser
	$(BIN)/python -m tests.benchmarks

# Which method is the default, and why: minutes to half an hour, see tests/benchmarks/evidence.py.
evidence: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.evidence

# The oldest versions that requirements.txt allows, in an environment of their own.
test-lowest: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet uv
	$(BIN)/uv venv --quiet --clear .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct \
		-r requirements.txt -r assets/serve/requirements.txt \
		"pytest>=9" "pytest-timeout>=2.4" "hypothesis>=6.150" "httpx>=0.28" \
		"pytorch-ood>=0.4" "osr-metrics>=0.5" "MAPIE>=1.6" "zugzwang>=1.1"
	.venv-lowest/bin/python -m pytest tests/unit tests/app

screenshots: $(VENV)/.browser
	$(BIN)/python -m tests.browser.screenshots

# The garages' pictures and network, made anew by Blender's renderer: about an hour on two cores.
garages: $(VENV)/.installed
	$(PYTHON) -m venv .venv-garages
	.venv-garages/bin/pip install --quiet --requirement assets/garages/requirements.txt
	.venv-garages/bin/python assets/garages/render.py build/garages
	$(BIN)/python assets/garages/pack.py build/garages

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "On Debian or Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.installed: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt assets/serve/requirements.txt $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

$(VENV)/.browser: tests/browser/install_browser.sh $(VENV)/.installed-dev
	sh tests/browser/install_browser.sh $(BIN)/python
	@touch $@

clean:
	rm -rf $(VENV) .venv-lowest .venv-garages build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
