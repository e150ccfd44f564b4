# Paths are relative and programs run as `python -m`: the checkout may lie in a folder with spaces in its name.
.DEFAULT_GOAL := help
.ONESHELL:
.NOTPARALLEL:
.SHELLFLAGS := -euc
.PHONY: help setup demo audit chaos screenshots quality-figure quality-table quality-standard test test-slow test-quality quantized-smollm2 quantized-smollm2-rtn csim-sweep smollm2-text headline lint style types imports dashboard clean lock FORCE

PYTHON := .venv/bin/python
WORKERS ?= 2# processes of the test run
PYTEST_ARGS ?=

export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NODE_USE_SYSTEM_CA := 1# npm trusts the certificates that the system trusts, as uv does
unexport PYTHONHOME VIRTUAL_ENV UV_SYSTEM_PYTHON UV_PYTHON MAKEFLAGS MFLAGS

# Vite 8 wants Node ^20.19 or >= 22.12.
node_suits := node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || a == 22 && b >= 12 || a == 20 && b >= 19 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1

help: ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## .venv with every dependency at its locked version, and flexdse in it
	@say() { echo "make: $$*" >&2; }
	missing() { say "$$1 is missing: install the Debian package $$2 (apt-get install $$2)"; exit 1; }
	command -v git >/dev/null || missing git git
	command -v g++ >/dev/null || missing g++ g++
	locks="requirements.lock"
	{ $(node_suits); } || locks="requirements.lock requirements-node.lock"
	state=$$({ pwd; echo "$$locks"; cat requirements.lock requirements-node.lock pyproject.toml; } | sha256sum)
	ready() { [ -x .venv/bin/flexdse ] && [ "$$(cat .venv/state 2>/dev/null)" = "$$state" ] && $(PYTHON) -c '' 2>/dev/null; }
	if ready; then exit 0; fi
	mkdir -p build
	exec 9>build/setup.lock
	if command -v flock >/dev/null; then flock 9; fi
	if ready; then exit 0; fi
	# A moved checkout has the old place in its scripts; a removed Python leaves a dangling link.
	if [ "$$(cat .venv/location 2>/dev/null)" != "$$PWD" ] || ! $(PYTHON) -c '' 2>/dev/null; then
	    python="" found=""
	    for name in python3.11 python3; do
	        IFS=:
	        for folder in $$PATH; do
	            # Tried, not only looked up: a version manager's shim may exist and yet refuse.
	            "$$folder/$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
	            found="$$folder/$$name"
	            if "$$found" -c 'import ensurepip, venv' 2>/dev/null; then python="$$found"; break 2; fi
	        done
	    done
	    unset IFS
	    [ -n "$$found" ] || missing "Python 3.11 or newer" python3
	    [ -n "$$python" ] || missing "the venv module of $$found" python3-venv
	    say "creating .venv with $$python"
	    rm -rf .venv
	    "$$python" -m venv .venv
	    pwd > .venv/location
	fi
	rm -f .venv/state
	awk '/^uv==/ { inside = 1 } inside { print } inside && !/\\$$/ { exit }' requirements.lock > .venv/uv.lock
	uv_version=$$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' .venv/uv.lock)
	if [ "$$($(PYTHON) -m uv --version 2>/dev/null | cut -d' ' -f2)" != "$$uv_version" ]; then
	    say "installing uv $$uv_version"
	    $(PYTHON) -m pip install --quiet --require-hashes --no-deps -r .venv/uv.lock
	fi
	say "installing the packages of $$locks"
	$(PYTHON) -m uv pip sync --quiet --require-hashes --python $(PYTHON) $$locks
	$(PYTHON) -m uv pip install --quiet --no-deps --no-build-isolation --python $(PYTHON) --editable .
	echo "$$state" > .venv/state

demo: setup dashboard ## explore a design end to end and show the dashboard (DEMO_ONCE=1: exit when done)
	@exec $(PYTHON) -m flexdse.demo

test: setup dashboard ## the test suite without what takes minutes
	@exec $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-slow: setup dashboard ## the tests that take minutes
	@exec $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal -m slow $(PYTEST_ARGS)

lint: style types imports ## style, types and the direction of imports

test-quality: setup ## the tests that need PyTorch, an extra that the lock leaves out
	@exec $(PYTHON) -m pytest -n0 -m needs_torch tests/quantize $(PYTEST_ARGS)

# Where the quantized checkpoints go: far too large for git, and made again in minutes.
QUANTIZED ?= build/quantized

quantized-smollm2: setup ## SmolLM2-135M as W4A8KV8, W8A8KV8 and W4A4KV8 checkpoints for generated designs, in build/quantized
	@for scheme in w4a8kv8 w8a8kv8 w4a4kv8; do
	    out="$(QUANTIZED)/smollm2-135m-$$scheme"
	    [ -f "$$out/quantized.safetensors" ] || $(PYTHON) -m flexdse.cli quantize --model smollm2-135m --scheme $$scheme \
	        --cache build/quality --out "$$out"
	done

quantized-smollm2-rtn: setup ## the W8A8KV8 checkpoint by rounding to nearest: a minute instead of several
	@out="$(QUANTIZED)/smollm2-135m-w8a8kv8-rtn"
	[ -f "$$out/quantized.safetensors" ] || exec $(PYTHON) -m flexdse.cli quantize --model smollm2-135m --scheme w8a8kv8 \
	    --rounding rtn --calibration-windows 2 --cache build/quality --out "$$out"

style: setup
	@$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: setup
	@exec $(PYTHON) -m mypy

imports: setup
	@exec $(PYTHON) -c 'from importlinter.cli import lint_imports_command as main; main()' --no-logo

audit: setup ## the locked packages against the advisories of osv.dev; says so where it cannot be reached
	@exec $(PYTHON) .ci/audit.py

headline: setup ## our designs beside FlexLLM, simulated and synthesized: docs/headline.md, build/bench/headline.json
	@mkdir -p build/bench
	exec $(PYTHON) -m benchmarks.headline

csim-sweep: setup ## 50 random designs through generation, lint and C simulation, written to build/bench/csim_sweep.json
	@exec $(PYTHON) -m benchmarks.csim_sweep

smollm2-text: quantized-smollm2 ## SmolLM2-135M through the generated C++, every value checked, build/bench/smollm2_text.json
	@exec $(PYTHON) -m benchmarks.smollm2_text --checkpoints $(QUANTIZED)

bench-models: ## speed and accuracy of the cost models, written to build/bench/models.json
bench-%: setup FORCE
	@mkdir -p build/bench
	rm -f "build/bench/$*.json"
	exec $(PYTHON) -m benchmarks.$(subst -,_,$*)

quality-figure: setup ## the plot of docs/quality.md, from the recorded measurements
	@exec $(PYTHON) -m benchmarks.quality --figure docs/images/quality.svg

# The schemes that searches compare, measured as a whole beside the random mixtures of the shipped table.
QUALITY_SCHEMES = w8a8kv8 w6a8kv8 w4a8kv8 w4a8kv4 w4a6kv8 w8a4kv8 w4a4kv8 w4a4kv8h8 w4a4kv4

quality-table: bench-quality_table ## the sensitivity table that is shipped, measured anew: 20 minutes on two idle cores
	cp build/bench/quality-table/smollm2-135m.json spec/catalog/quality/smollm2-135m.json
	FLEXDSE_QUALITY_TABLES=spec/catalog/quality $(PYTHON) -m flexdse.cli quality-verify --model smollm2-135m \
	    --cache build/bench/quality-table $(addprefix --scheme ,$(QUALITY_SCHEMES))

# The standard protocol needs WikiText-2's wiki.test.raw, which no package carries.
quality-standard: setup ## the standard-protocol figures of docs/quality.md; WIKITEXT=path/to/wiki.test.raw
	@[ -f "$(WIKITEXT)" ] || { echo "WIKITEXT=path/to/wiki.test.raw: the raw test text of WikiText-2"; exit 2; }
	@set -e; measure() { $(PYTHON) -m flexdse.cli quality --model smollm2-135m --text "$(WIKITEXT)" --wikitext-rows \
	    --max-windows 4 --cache build/quality --out spec/catalog/quality/smollm2-135m-standard.json "$$@"; }; \
	measure --scheme w8a8kv8 --scheme w4a8kv8 --scheme w4a4kv8; \
	measure --scheme w4a4kv8 --rounding rtn; measure --scheme w4a4kv8 --rounding rtn --no-rotation

fuzz-api: bench-fuzz_api ## schemathesis over a running service, 2,000 cases, written to build/bench/fuzz_api.json

chaos: setup ## jobs, workers, broker and databases killed at random, written to build/bench/chaos.json
	@rm -f build/bench/chaos.json
	exec $(PYTHON) -m benchmarks.chaos

dashboard: setup ## build dashboard/dist where its sources changed
	@[ -f dashboard/package.json ] || exit 0
	content() { find dashboard -type d \( -name node_modules -o -name dist -o -name .vite -o -name coverage \) -prune \
	    -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum; }
	mkdir -p build
	if [ -f dashboard/dist/index.html ] && [ "$$(cat build/dashboard.state 2>/dev/null)" = "$$(content)" ]; then exit 0; fi
	{ $(node_suits); } || export PATH="$$PWD/.venv/bin:$$PATH"
	packages=$$(cat dashboard/package.json dashboard/package-lock.json | sha256sum)
	cd dashboard
	if [ "$$(cat node_modules/.state 2>/dev/null)" != "$$packages" ]; then
	    echo "make: installing the packages of the dashboard" >&2
	    npm ci --no-audit --no-fund --loglevel=error
	    echo "$$packages" > node_modules/.state
	fi
	echo "make: building the dashboard" >&2
	npm run --silent build
	cd ..
	content > build/dashboard.state

lock: setup ## resolve pyproject.toml into the lock files again (UPGRADE=--upgrade: to the newest versions)
	@compile() { $(PYTHON) -m uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 $(UPGRADE) "$$@"; }
	compile --group dev pyproject.toml --output-file requirements.lock
	compile --group pyproject.toml:node --output-file requirements-node.lock

screenshots: setup dashboard ## every view of the dashboard in both themes, in build/screenshots, and the pictures of README and docs
	@$(PYTHON) -m pytest -q tests/dashboard/test_browser.py tests/dashboard/test_views.py
	$(PYTHON) dashboard/pictures.py

clean: ## everything that a build, a test or a benchmark left, but not .venv
	@rm -rf build dist dashboard/dist dashboard/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

FORCE:
