# make demo: train, tag and score on the bundled sample.  make test: the tests.
# make cc: the C++ side.  make demo-cc: from the demo's checkpoint to C++ predictions.
# make docs: docs/ as a site, in docs/_build/.  Each installs what it needs into .venv.

# The first interpreter of a version that TensorFlow 2.21 supports; make demo PYTHON=/path/to/python3.11 chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
DEMO := runs/demo
EXPORTED := inference/exported

FOLDERS := $(filter-out docs,$(patsubst %/,%,$(wildcard */)))

# docker/ and these targets: docs/containers.md.
IMAGES := $(foreach channel,nightly stable,$(foreach image,trainer server,build_docker_$(channel)_build_$(image)))

.PHONY: demo demo-cc cc lint format test test-all fuzz docs bench-deps browser-deps container-deps clean \
	build_docker_nightly_build build_docker_stable_build $(IMAGES) $(FOLDERS)

demo: .venv/installed
	@mkdir -p $(DEMO)
	@echo "--- 1 of 5: vectors and vocabularies"
	$(PY) embvec.py --emb_path embeddings/sample.50d.txt --wrd_dim 50 --train_path data/sample/train.txt \
		--total_path data/sample/dev.txt data/sample/test.txt --out_path $(DEMO)/sample.50d.pkl > $(DEMO)/vocab.txt
	@echo "--- 2 of 5: training"
	$(PY) train.py --config_path configs/sample.yaml --emb_path $(DEMO)/sample.50d.pkl --wrd_dim 50 \
		--checkpoint_dir $(DEMO)/checkpoint --summary_dir $(DEMO)/summaries --overwrite
	@echo "--- 3 of 5: tagging the test file"
	$(PY) inference.py --mode bucket --restore $(DEMO)/checkpoint/ner_model < data/sample/test.txt > $(DEMO)/pred.txt
	@echo "--- 4 of 5: the baseline, each word's most frequent tag"
	$(PY) etc/baseline.py data/sample/train.txt < data/sample/test.txt > $(DEMO)/baseline.txt
	perl etc/conlleval < $(DEMO)/baseline.txt
	@echo "--- 5 of 5: our tagger"
	perl etc/conlleval < $(DEMO)/pred.txt
	@$(PY) etc/demo_summary.py $(DEMO)

# The cmake of the machine, or the one that pip installs.
CMAKE = $(shell command -v cmake || echo $(CURDIR)/.venv/bin/cmake)

cc: .venv/installed-dev
	$(CMAKE) -S inference/cc -B inference/cc/build -DPython3_EXECUTABLE=$(CURDIR)/$(PY) > /dev/null
	$(CMAKE) --build inference/cc/build -j2 -- --no-print-directory -s

demo-cc: cc
	@test -f $(DEMO)/checkpoint/ner_model.json || $(MAKE) --no-print-directory demo
	@echo "--- 1 of 6: the graph that tags, with its weights beside it"
	@mkdir -p $(EXPORTED)
	$(PY) inference/export.py --restore $(DEMO)/checkpoint --export $(EXPORTED)/ner_model --export-pb $(EXPORTED) \
		> $(EXPORTED)/operations.txt
	@echo "--- 2 of 6: one file, the weights in it"
	$(PY) inference/freeze.py --model_dir $(EXPORTED) --output_node_names logits_indices,sentence_lengths \
		--frozen_model_name ner_frozen.pb
	@echo "--- 3 of 6: one file whose weights are mapped into memory"
	inference/cc/build/convert_graphdef_memmapped_format --in_graph=$(EXPORTED)/ner_frozen.pb \
		--out_graph=$(EXPORTED)/ner_frozen.pb.memmapped
	@echo "--- 4 of 6: one file for the engine, which needs no TensorFlow"
	$(PY) inference/export.py --restore $(DEMO)/checkpoint --engine $(EXPORTED)/ner_model.etagger
	@echo "--- 5 of 6: tagging the test file in C++"
	inference/cc/build/inference $(EXPORTED)/ner_frozen.pb $(EXPORTED)/vocab.txt < data/sample/test.txt > $(DEMO)/pred.cc.txt
	inference/cc/build/inference_mm $(EXPORTED)/ner_frozen.pb.memmapped $(EXPORTED)/vocab.txt < data/sample/test.txt > $(DEMO)/pred.mm.txt
	inference/cc/build/etagger $(EXPORTED)/ner_model.etagger < data/sample/test.txt > $(DEMO)/pred.engine.txt
	@echo "--- 6 of 6: the same tags as in Python?"
	$(PY) inference.py --mode bucket --restore $(DEMO)/checkpoint/ner_model < data/sample/test.txt > $(DEMO)/pred.txt
	cmp $(DEMO)/pred.cc.txt $(DEMO)/pred.txt && cmp $(DEMO)/pred.mm.txt $(DEMO)/pred.txt && cmp $(DEMO)/pred.engine.txt $(DEMO)/pred.txt && echo "the same, byte for byte"

# What clang-format formats: all of C++ but the tables that a script of ours makes.
CC_FILES = $(filter-out %/unicode_lower.inc %/unicode_sentence.inc %/unicode_wordpiece.inc, \
	$(shell find inference/cc -name build -prune -o -name '*.cc' -print -o -name '*.h' -print -o -name '*.inc' -print))

lint: .venv/installed-dev
	.venv/bin/ruff format --check --quiet . || { echo "make: some Python is not formatted; make format" >&2; exit 1; }
	.venv/bin/ruff check --quiet .
	.venv/bin/clang-format --dry-run -Werror $(CC_FILES)
	.venv/bin/mypy

format: .venv/installed-dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --select I --fix --quiet .
	.venv/bin/clang-format -i $(CC_FILES)

test: .venv/installed-dev lint cc
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-all: .venv/installed-dev lint cc
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow or not slow"

# make fuzz SECONDS=600: each fuzz target for so long.
SECONDS = 600

fuzz: .venv/installed-dev
	$(PY) inference/cc/fuzz/run.py --seconds $(SECONDS)

# Every warning is an error, such as a link that leads nowhere.
docs: .venv/installed-docs
	$(PY) -m sphinx -q -W --keep-going -n -b html docs docs/_build
	@echo "docs/_build/index.html"

bench-deps: .venv/installed-dev
	$(PY) -m pip install -r requirements-bench.txt

# What drives Chromium in the tests of the server's page; the browser itself is Debian's package
# chromium. Without either these tests skip.
browser-deps: .venv/bin/python
	$(PY) -m pip install --disable-pip-version-check -q --upgrade --target .browser -r requirements-browser.txt

# What checks docker/ in the tests, which skip without it.
container-deps: .venv/bin/python
	$(PY) -m pip install --disable-pip-version-check -q --upgrade --target .containers -r requirements-containers.txt

build_docker_nightly_build: build_docker_nightly_build_trainer build_docker_nightly_build_server
build_docker_stable_build: build_docker_stable_build_trainer build_docker_stable_build_server

$(IMAGES): build_docker_%:
	sh docker/build.sh $(subst _build_, ,$*)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10 to 3.13 found; install one, or say make PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/python
	$(PY) -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt requirements-serve.txt .venv/installed
	$(PY) -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	@touch $@

.venv/installed-docs: requirements-docs.txt .venv/installed
	$(PY) -m pip install --disable-pip-version-check -q -r requirements-docs.txt
	@touch $@

$(FOLDERS):
	@echo "make: $@ is a folder, not a target; README.md says what make can do" >&2; exit 2

clean:
	rm -rf $(DEMO) .pytest_cache .ruff_cache .mypy_cache docs/_build docs/made
