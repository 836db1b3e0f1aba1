# Everything runs in .venv, which the first target that needs it makes, with the releases of requirements.lock: what was
# tested. The versions of codecs in it decide bitstreams.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed-$(shell cat pyproject.toml requirements.lock | cksum | cut -d' ' -f1)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check full newest lock mutants conformance benchmark spec clean
.SUFFIXES:

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) --requirement requirements.lock
	$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f .venv/.installed-* && touch $@

demo: $(STAMP)        ## an anchor and a proposal under the mini conditions: coded, validated, scored, reported
	rm -rf demo-output  # a run of other sources is not gone on with
	$(BIN)/refsw demo --output demo-output

test: $(STAMP)        ## the whole test suite, a few minutes
	$(BIN)/python -m pytest -n 2

check: $(STAMP)       ## style, types, import rules, rendered files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/render_spec.py --check
	$(BIN)/python -m pytest tests/test_architecture.py

full: $(STAMP)        ## what takes longer: 140,000 mutations of streams, 100,000 of packets, exhaustive tables
	$(BIN)/python -m pytest -n 2 -m 'slow or not slow'

newest:               ## the whole test suite with the newest release of everything, in a fresh environment
	rm -rf .venv-newest
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python $(PIP_INSTALL) --editable '.[demo,dev]'
	.venv-newest/bin/python -m pip freeze --exclude-editable
	.venv-newest/bin/python -m pytest -n 2

# One version of each package, whatever the Python and the system, so that all of them make the same bitstreams.
lock:                 ## requirements.lock anew, from the newest releases that pyproject.toml admits: then test, and commit
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP_INSTALL) uv
	.venv-lock/bin/uv pip compile --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 \
	    --extra demo --extra dev --custom-compile-command 'make lock' --no-annotate \
	    --output-file requirements.lock pyproject.toml
	rm -rf .venv-lock

# Its survivors are for people to look at: a change that nothing can tell from the decoder, and that has no reason in
# tools/equivalent_mutants.json yet, counts as not noticed. It fails where less than 95 % are noticed.
mutants: $(STAMP)     ## 200 mutations of the decoder, a few minutes: which of them the vectors notice
	$(BIN)/python tools/mutate_decoder.py --count 200

conformance: $(STAMP) ## every vector through refsw and the independent decoder, and what the vectors cover
	$(BIN)/refsw conformance run conformance/suites --strict-errors -j 2 --fresh \
	    -o conformance-report/refsw
	$(BIN)/refsw conformance run conformance/suites --decoder independent -j 2 --fresh -o conformance-report/independent
	$(BIN)/refsw conformance coverage conformance/suites -o conformance-report/coverage.md

benchmark: $(STAMP)   ## speed and memory as ratios in one run
	$(BIN)/python tools/benchmark.py
	$(BIN)/python tools/benchmark_updates.py
	$(BIN)/python tools/benchmark_updates.py --effort 3
	$(BIN)/python tools/benchmark_anchors.py
	$(BIN)/python tools/benchmark_cost.py
	$(BIN)/python tools/benchmark_carriage.py

spec: $(STAMP)        ## render the tables of spec/ from the declaration in refsw/syntax
	$(BIN)/python tools/render_spec.py

clean:
	rm -rf .venv .venv-newest .venv-lock demo-output conformance-report .mypy_cache .ruff_cache build dist
