# make train   train the quick-start detector        make lint            style and types
# make test    run the tests                         make test-upstream   the same, upstream stack
# make test-slow   the few that take minutes          make tables          tables of models, from metafiles
# make soak    what takes hours: many kills (SOAK_KILLS each, SOAK_SEED), long trainings, every compiled design
# make test-gpu    the tests that need CUDA           make benchmark-gpu   fill the accelerator tables of docs/performance.md, in hours
# make heads   try every kind of stock head with every family, and write docs/heads.md; what is in HEADS_FILE is not tried again
# make dist    wheel and source archive, in dist/     make docs            the site of the documentation, in build/site
# make benchmark   train four small backbones on shapes, and compare them by accuracy and cost
# Each sets up the environment it needs first; a second run installs nothing.
PYTHON ?= python3
# Empty: the tested torch. Another, such as 2.4.1 or newest, is installed into
# an environment of its own.
TORCH_VERSION ?=
# One process a core, one thread each: threads of several processes would wait
# for each other.
PYTEST_ARGS ?= -n 2 --dist loadfile
PYTEST = OMP_NUM_THREADS=1 $(1)/python -m pytest --durations=10 --durations-min=1 $(PYTEST_ARGS)
QUICKSTART ?= configs/quickstart/mask-rcnn_pvt-v2-b0_fpn_shapes.py

VENV := .venv$(addprefix -torch-,$(TORCH_VERSION))
UPSTREAM_VENV := .venv-upstream$(addprefix -torch-,$(TORCH_VERSION))
BIN := $(VENV)/bin
UPSTREAM_BIN := $(UPSTREAM_VENV)/bin
SOURCES = $(shell git ls-files '*.py')
# An environment of yours, which BIN may name, is taken as it is.
OWN_READY = $(if $(filter $(VENV)/bin,$(BIN)),$(VENV)/ready)

.PHONY: train benchmark test test-slow soak test-gpu test-upstream benchmark-gpu lint format tables heads docs dist clean distclean

train: $(VENV)/ready
	$(BIN)/python tools/train.py $(QUICKSTART)

# Half of the quick starts' epochs. All is below BENCHMARK_DIR; a second run
# trains nothing again. Opens the page where there is a screen.
BENCHMARK_DIR ?= work_dirs/benchmark
BENCHMARK_ARGS ?=
SHAPES = configs/quickstart/mask-rcnn_$(1)_fpn_shapes.py
benchmark: $(VENV)/ready
	@mkdir -p $(BENCHMARK_DIR)
	$(BIN)/python tools/benchmark.py sweep --recipe mask-rcnn_shapes --work-dir $(BENCHMARK_DIR) --size 128 \
	    --backbones pvt-v2-b0=$(call SHAPES,pvt-v2-b0) cvt-mini=$(call SHAPES,cvt-mini) t2t-mini=$(call SHAPES,t2t-mini) \
	    'resnet-18=mmdet.ResNet{"depth": 18, "norm_eval": false}' \
	    --page $(BENCHMARK_DIR)/page.html --json $(BENCHMARK_DIR)/all.json --csv $(BENCHMARK_DIR)/accuracy.csv --markdown $(BENCHMARK_DIR)/tables.md \
	    --cfg-options train_cfg.max_epochs=2 train_cfg.val_interval=2 param_scheduler.1.end=2 param_scheduler.1.T_max=2 \
	    $(BENCHMARK_ARGS)
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then $(BIN)/python -m webbrowser -t file://$(abspath $(BENCHMARK_DIR))/page.html; fi

test: $(VENV)/ready
	$(call PYTEST,$(BIN))

test-slow: $(VENV)/ready
	@requirements/chromium.sh
	$(call PYTEST,$(BIN)) -m 'slow and not soak' --dist load

# What docs/reliability.md has the figures of.
soak: export SOAK_KILLS ?= 13
soak: export SOAK_SEED ?= 1
soak: export SOAK_ITERATIONS ?= 200
soak: $(VENV)/ready
	$(call PYTEST,$(BIN)) -m 'slow or soak' --dist load -rP \
	    -k 'soak or killed_at_random or stays_finite'

# One process, as all would share one device. BIN names another environment,
# whose PyTorch fits your driver: make test-gpu BIN=/path/to/env/bin. It needs
# what `pip install -e .[openmmlab,tests]` installs.
test-gpu: $(OWN_READY)
	$(BIN)/python -m pytest -q -m gpu tests/device tests/tools/test_stays_finite.py

# Not what PyTorch alone decides, which `make test` has seen.
test-upstream: $(UPSTREAM_VENV)/ready
	$(call PYTEST,$(UPSTREAM_BIN)) -m 'upstream or not (slow or soak or gpu)' \
	    -k 'not without_graph_breaks and not test_export and not damaged'

benchmark-gpu: $(VENV)/ready
	$(BIN)/python tools/benchmark_accelerator.py $(BENCHMARK_ARGS)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	$(BIN)/codespell $$(git ls-files)
	@echo pylint, for code that repeats itself
	@$(BIN)/pylint $(SOURCES)
	$(BIN)/python .ci/check_files.py

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

HEADS_FILE ?= work_dirs/heads.json
heads: $(VENV)/ready
	@mkdir -p $(dir $(HEADS_FILE))
	PYTHONPATH=.:tests OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m stock_heads.every $(HEADS_FILE)

tables: $(VENV)/ready
	$(BIN)/python .ci/model_tables.py

# Opened from the disk or from a server, it asks nobody else for anything.
SITE ?= build/site
docs: $(OWN_READY)
	$(BIN)/python -m sphinx -W --keep-going -q -c docs -d $(SITE)/.doctrees . $(SITE)
	@echo $(SITE)/index.html

# The wheel is of the source archive, so that this lacks nothing.
dist: $(OWN_READY)
	rm -rf dist
	$(BIN)/python -c 'from setuptools import build_meta; build_meta.build_sdist("dist")'
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --no-cache-dir --wheel-dir dist dist/*.tar.gz

$(VENV)/ready: STACK = openmmlab
$(UPSTREAM_VENV)/ready: STACK = upstream
$(VENV)/ready $(UPSTREAM_VENV)/ready: setup.cfg requirements/install.sh $(wildcard requirements/*.txt)
	@TORCH_VERSION=$(TORCH_VERSION) requirements/install.sh $(@D) $(STACK) $(PYTHON)
	@touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-*
