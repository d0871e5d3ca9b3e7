# make train   train the quick-start detector        make lint            style and types
# make test    run the tests                         make test-upstream   the same, upstream stack
# make test-slow   the few that take minutes          make tables          configs/*/README.md, from metafiles
# make test-gpu    the tests that need CUDA           make benchmark-gpu   fill the accelerator tables of docs/performance.md, in hours
# Each sets up the environment it needs first; a second run installs nothing.
PYTHON ?= python3
# One process a core, one thread each: threads of several processes would wait
# for each other.
PYTEST_ARGS ?= -n 2 --dist loadfile
PYTEST = OMP_NUM_THREADS=1 $(1)/python -m pytest $(PYTEST_ARGS)
QUICKSTART ?= configs/quickstart/mask-rcnn_pvt-v2-b0_fpn_shapes.py

BIN := .venv/bin
UPSTREAM_BIN := .venv-upstream/bin
SOURCES = $(shell git ls-files '*.py')

.PHONY: train test test-slow test-gpu test-upstream benchmark-gpu lint format tables clean distclean

train: .venv/ready
	$(BIN)/python tools/train.py $(QUICKSTART)

test: .venv/ready
	$(call PYTEST,$(BIN))

test-slow: .venv/ready
	$(call PYTEST,$(BIN)) -m slow --dist load

# One process, as all would share one device. BIN names another environment,
# whose PyTorch fits your driver: make test-gpu BIN=/path/to/env/bin. It needs
# what `pip install -e .[openmmlab,tests]` installs.
test-gpu: $(if $(filter .venv/bin,$(BIN)),.venv/ready)
	$(BIN)/python -m pytest -q -m gpu tests/device

test-upstream: .venv-upstream/ready
	$(call PYTEST,$(UPSTREAM_BIN))

benchmark-gpu: .venv/ready
	$(BIN)/python tools/benchmark_accelerator.py $(BENCHMARK_ARGS)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell $$(git ls-files)
	@echo pylint, for code that repeats itself
	@$(BIN)/pylint $(SOURCES)
	$(BIN)/python .ci/check_files.py

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tables: .venv/ready
	$(BIN)/python .ci/model_tables.py

.venv/ready: STACK = openmmlab
.venv-upstream/ready: STACK = upstream
.venv/ready .venv-upstream/ready: setup.cfg requirements/install.sh $(wildcard requirements/*.txt)
	@requirements/install.sh $(@D) $(STACK) $(PYTHON)
	@touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-upstream
