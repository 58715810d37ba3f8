# Everything that is run, by people and by CI. On a fresh machine with Rust and CPython `make demo` and
# `make test` do all their own set-up. `.venv` is of the newest CPython here, `.venv-oldest` of the oldest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Where a person has it set each of the hundreds of processes that the tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

PYTHONS = $(shell scripts/pythons)
NEWEST = $(lastword $(PYTHONS))
OLDEST = $(firstword $(PYTHONS))
# One environment where the oldest is the newest.
VENVS = $(if $(filter $(NEWEST),$(OLDEST)),.venv,.venv-oldest .venv)
# `.venv-python3.12` and the like, of those between.
ALL_VENVS = $(patsubst %,.venv-%,$(notdir $(filter-out $(OLDEST) $(NEWEST),$(PYTHONS)))) $(VENVS)
SOURCES := $(shell find src python kernelspec Cargo.toml Cargo.lock pyproject.toml README.md LICENSE -type f -not -name '*.pyc')

.PHONY: help demo test test-all test-rust test-python test-lab lab-ready screenshots lab lessons docs programs bench regrtest suites ecosystem load fuzz soak endurance limits lint wheel clean shapes torch older

help: ## say what each target does
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv/ready ## run the tour through the kernel, print its memory table, write the page with its charts
	.venv/bin/python scripts/demo.py

test: ## Rust, JupyterLab, Python on the newest CPython here, and what turns on CPython's insides on the oldest
	$(MAKE) -j 2 test-rust lab-ready $(VENVS:=/ready)
	$(MAKE) test-python FIRST=.venv:tests/lab

test-all: ## the same, all of Python's on every supported CPython here
	$(MAKE) test VENVS="$(strip $(ALL_VENVS))" INSIDES=%

test-rust: ## the Rust tests: no Python needed
	cargo test --locked

# What is one process, joined by commas. The files of notebook/ and graph/ are one each: a look at all objects is dearer the
# more a process has loaded.
comma := ,
beside := $(patsubst %,tests/tracer/test_%.py,life_tools memray system)
tracer := $(subst $() $(),$(comma),$(filter-out $(beside),$(sort $(wildcard tests/tracer/test_*.py))))
TESTS = $(tracer) tests/lessons $(beside) tests/docs,tests/examples \
	$(filter-out tests/graph/test_torch.py,$(sort $(wildcard tests/notebook/test_*.py tests/graph/test_*.py)))
# What turns on CPython's insides, and the lessons: `make test` runs these with the oldest too. The rest only with the newest.
INSIDES = $(tracer) tests/lessons tests/graph/% $(patsubst %,tests/notebook/test_%.py,life limit_safe roots)
tests_of = $(if $(filter .venv,$1),$(TESTS),$(filter $(INSIDES),$(TESTS)))
# One more than there are processors, as some tests only wait.
AT_ONCE = $(shell expr $$(nproc) + 1)
# What takes longest goes first.
FIRST =
test-python: $(VENVS:=/ready) ## the Python tests, through the installed kernel
	printf '%s\n' $(FIRST) $(foreach venv,$(VENVS),$(addprefix $(venv):,$(call tests_of,$(venv)))) | xargs -n 1 -P $(AT_ONCE) \
		bash -c 'what=$${0#*:}; $${0%%:*}/bin/python -m pytest -q -p no:cacheprovider $${what//,/ }; code=$$?; echo "$$SECONDS s $$0"; exit $$code'

screenshots: lab-ready ## every chart in JupyterLab and Notebook 7, light, dark and untrusted; live; of a dead kernel; in nbconvert's page
	.venv/bin/python -m pytest tests/lab/test_pictures.py tests/lab/test_lookout.py
	@echo "The pictures: $(CURDIR)/out/lab/pictures-*.png, live*.png, warning*.png, last*.png"

test-lab: lab-ready ## the tour in JupyterLab in a real browser
	.venv/bin/python -m pytest tests/lab

lab-ready: .venv/ready
	scripts/chromium
	scripts/install .venv --group lab

lab: .venv/ready ## open JupyterLab on the lessons
	scripts/install .venv --group lab
	.venv/bin/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) \
		--LabApp.default_url=/lab/tree/notebooks/index.ipynb

lessons: .venv/ready ## run the lessons and write the outputs that they hold, where these are stale
	.venv/bin/python -m scripts.lessons

docs: .venv/ready ## write docs/reference.md from the docstrings
	.venv/bin/python -m scripts.reference

programs: .venv/ready ## draw the memory of the programs of examples/ into docs/programs
	.venv/bin/python -m scripts.programs

bench: .venv/ready ## measure the tracer, the graph and the kernel beside other tools, and how fast charts are drawn
	scripts/install .venv --group bench
	scripts/install .venv filprofiler==2024.11.2 || echo "Fil does not install here" >&2
	scripts/install .venv xeus-python==0.19.* || echo "xeus-python does not install here" >&2
	scripts/valgrind || true
	failed=; for part in instructions edges charts tracer graph kernel; do \
		.venv/bin/python benchmarks/$$part.py || failed+=" $$part"; done; \
	[ -z "$$failed" ] || { echo "goals were missed in:$$failed" >&2; exit 1; }

regrtest: $(VENVS:=/ready) ## CPython's and numpy's own tests with the tracer on and off: the same results?
	for venv in $(VENVS); do for suite in cpython numpy; do \
		$$venv/bin/python tests/suites/compare.py $$suite; done; done

suites: .venv/ready ## ipykernel's own tests of a kernel, from PyPI, and jupyter_kernel_test against this kernel
	scripts/install .venv --group suites
	.venv/bin/python tests/suites/wire.py
	.venv/bin/python -m pytest tests/notebook/test_conformance.py

ecosystem: lab-ready ## widgets, plots, tables, clusters, runners of notebooks, the debugger: each driven through this kernel
	scripts/install .venv --group ecosystem
	.venv/bin/python -m pytest tests/ecosystem

load: .venv/ready ## late readers, 200 MB of output and buffers, 10,000 cells, random bytes, restarts
	CELLHEAP_LOAD=1 .venv/bin/python -m pytest -s --timeout 1800 tests/notebook/test_wire_load.py

FUZZ_SECONDS = 60
fuzz: ## FUZZ_SECONDS (60) each of random greetings, frames and messages against the wire
	for target in greeting frames messages; do scripts/fuzz $$target $(FUZZ_SECONDS); done

MINUTES = 20
soak: .venv/ready ## MINUTES (20) of threads, forks, imports, collections and magics at once in one kernel
	.venv/bin/python tests/soak/soak.py --minutes $(MINUTES)

endurance: $(VENVS:=/ready) ## a notebook of 100,000 cells and a million pieces of code, by the books and by RSS
	for venv in $(VENVS); do \
		CELLHEAP_ENDURANCE=1 $$venv/bin/python -m pytest -s --timeout 3600 tests/tracer/test_life_long.py; done

PROGRAMS = 1000
limits: $(VENVS:=/ready) ## PROGRAMS (1000) random programs under random limits
	for venv in $(VENVS); do \
		CELLHEAP_PROGRAMS=$(PROGRAMS) $$venv/bin/python -m pytest --timeout 36000 tests/notebook/test_limit_programs.py; done

SHAPES = 2000
shapes: $(VENVS:=/ready) ## what deleting SHAPES (2000) random objects gives back, predicted and then freed
	for venv in $(VENVS); do \
		CELLHEAP_SHAPES=$(SHAPES) $$venv/bin/python -m pytest --timeout 36000 tests/graph/test_predictions.py; done

torch: .venv/ready ## torch's tensors (its wheels are 3 GB): their lines, who holds them, what goes with them
	scripts/install .venv --group torch
	.venv/bin/python -m pytest tests/graph/test_torch.py

older: .venv-older/tools .venv-older/ready ## the wire, cells and history with the oldest IPython that we allow
	scripts/install .venv-older "ipython==8.20.*"
	.venv-older/bin/python -m pytest $(patsubst %,tests/notebook/test_%.py,cells history kernel lazy order outputs remembered report)

lint: .venv/ready ## formatters, clippy with and without Python, ruff, mypy, the stub against the module
	scripts/install .venv --group dev
	for crate in . tests/judge fuzz; do cargo fmt --check --manifest-path $$crate/Cargo.toml; done
	cargo clippy --locked --all-targets -- -D warnings
	PYO3_PYTHON=$(CURDIR)/.venv/bin/python cargo clippy --locked --all-targets --features python -- -D warnings
	cargo clippy --locked --manifest-path tests/judge/Cargo.toml --target-dir target/judge -- -D warnings
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/stubtest cellheap._core --allowlist <(echo 'cellheap._core.__all__')  # pyo3 makes that list

wheel: .venv/tools ## build a wheel for every supported CPython here, into dist/
	.venv/bin/maturin build --release --locked --out dist --interpreter $(PYTHONS)

clean: ## remove what was built, the environments too
	rm -rf target dist out .venv .venv-* .pytest_cache .mypy_cache .ruff_cache

.venv/tools .venv/ready: PYTHON = $(NEWEST)
.venv-oldest/tools .venv-oldest/ready .venv-older/tools .venv-older/ready: PYTHON = $(OLDEST)
.venv-python%/tools .venv-python%/ready: PYTHON = $(filter %/$(patsubst .venv-%,%,$(@D)),$(PYTHONS))

# An environment with what builds and tests cellheap.
%/tools: pyproject.toml scripts/venv
	scripts/venv $* "$(PYTHON)" test
	touch $@

# The same with cellheap's wheel in it, built from what is here.
%/ready: %/tools $(SOURCES)
	@command -v cargo >/dev/null || { echo "cellheap needs Rust 1.89 or newer: cargo was not found" >&2; exit 1; }
	rm -rf $*/wheel
	$*/bin/maturin build --release --locked --out $*/wheel --interpreter $*/bin/python
	scripts/install $* --force-reinstall --no-deps $*/wheel/*.whl
	scripts/install $* $*/wheel/*.whl
	touch $@
