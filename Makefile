PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install test pytest test-lowest lint docs demo features clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[train,tables,docs,dev]"
	touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A file's tests share what they train, so a worker takes whole files, those of slow tests first (tests/conftest.py).
WORKERS := --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Compiled modules are kept: the tests start a hundred processes that import them.
pytest test-lowest: export PYTHONDONTWRITEBYTECODE :=

test: lint pytest

pytest: install
	$(BIN)/pytest $(WORKERS)

# The same tests with the lowest versions that pyproject.toml names, in an environment of their own.
LOWEST := .venv-lowest

test-lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) tests/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/lowest.txt --editable ".[train,tables,plot,dev]"
	$(LOWEST)/bin/pytest $(WORKERS)

# The documentation as a site, in build/site; a warning is an error. The tests build it too.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Five orders, twelve families and 36 species of invented birds: drawn, learned twice from scratch on the
# CPU, and answered at every level.
DEMO    := demo
LEARN   := --data $(DEMO)/birds --backbone resnet10 --weights none --image-size 64 --epochs 12 \
           --batch-size 32 --backbone-learning-rate 0.1

demo features: export HIERTAX_CACHE := build/cache

demo: install
	rm -rf $(DEMO)
	$(BIN)/hiertax build --dataset sketchbirds --out $(DEMO)/sketchbirds.json
	$(BIN)/hiertrain draw --out $(DEMO)/birds --per-class-train 20
	for method in vanilla_single ours; do \
	  $(BIN)/hiertrain --hierarchy $(DEMO)/sketchbirds.json $(LEARN) --method $$method --out $(DEMO)/$$method || exit 1; \
	done
	for method in vanilla_single ours; do $(BIN)/hiertrain evaluate $(DEMO)/$$method || exit 1; done
	mkdir $(DEMO)/shown
	for bird in 01 07 14 22 28 35; do cp -r $(DEMO)/birds/test/$$bird.* $(DEMO)/shown && rm $(DEMO)/shown/$$bird.*/000[1-9].jpg; done
	$(BIN)/hiertrain predict $(DEMO)/ours $(DEMO)/shown
	$(BIN)/hiertrain report $(DEMO)/vanilla_single $(DEMO)/ours --image $(DEMO)/shown --out $(DEMO)/report.html

# The features that the package ships, so that `hiertax cluster` has something to try, and the hierarchies found in
# them. The network learns the species alone: what it knows of families and orders it has from the pictures. Another
# machine rounds otherwise and gets other features of the same kind.
FEATURES := build/features
SPECIES  := --data $(FEATURES)/birds --backbone resnet10 --weights none --image-size 64 --epochs 16 --batch-size 32 \
            --backbone-learning-rate 0.1 --limit-per-class 24 --device cpu

features: install
	rm -rf $(FEATURES)
	$(BIN)/hiertrain draw --out $(FEATURES)/birds
	$(BIN)/hiertax build --dataset folder --root $(FEATURES)/birds --levels species --root-label bird --out $(FEATURES)/species.json
	$(BIN)/hiertrain --hierarchy $(FEATURES)/species.json $(SPECIES) --method vanilla_single --out $(FEATURES)/run
	$(BIN)/hiertrain extract --run $(FEATURES)/run --hierarchy hierarchies/sketchbirds.json --limit-per-class 5 \
	  --out taxonomy/data/sketchbirds_features.npz
	$(BIN)/hiertax cluster --method hc --levels 3 --out hierarchies/sketchbirds_hc.json
	$(BIN)/hiertax cluster --method dft --levels 3 --out hierarchies/sketchbirds_dft.json

clean:
	rm -rf $(VENV) $(LOWEST) demo build
