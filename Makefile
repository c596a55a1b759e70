# make demo: train, tag and score on the bundled sample.  make test: the tests.  Both install what they need into .venv.

# The first interpreter of a version that TensorFlow 2.21 supports; make demo PYTHON=/path/to/python3.11 chooses another.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
DEMO := runs/demo

.PHONY: demo test test-all bench-deps clean

demo: .venv/installed
	@mkdir -p $(DEMO)
	@echo "--- 1 of 5: vectors and vocabularies"
	$(PY) embvec.py --emb_path embeddings/sample.50d.txt --wrd_dim 50 --train_path data/sample/train.txt \
		--total_path data/sample/dev.txt data/sample/test.txt --out_path $(DEMO)/sample.50d.pkl > $(DEMO)/vocab.txt
	@echo "--- 2 of 5: training"
	$(PY) train.py --config_path configs/sample.yaml --emb_path $(DEMO)/sample.50d.pkl --wrd_dim 50 \
		--checkpoint_dir $(DEMO)/checkpoint --summary_dir $(DEMO)/summaries
	@echo "--- 3 of 5: tagging the test file"
	$(PY) inference.py --mode bucket --restore $(DEMO)/checkpoint/ner_model < data/sample/test.txt > $(DEMO)/pred.txt
	@echo "--- 4 of 5: the baseline, each word's most frequent tag"
	$(PY) etc/baseline.py data/sample/train.txt < data/sample/test.txt > $(DEMO)/baseline.txt
	perl etc/conlleval < $(DEMO)/baseline.txt
	@echo "--- 5 of 5: our tagger"
	perl etc/conlleval < $(DEMO)/pred.txt
	@$(PY) etc/demo_summary.py $(DEMO)

test: .venv/installed-dev
	$(PY) -m pytest

test-all: .venv/installed-dev
	$(PY) -m pytest -m "slow or not slow"

bench-deps: .venv/installed-dev
	$(PY) -m pip install -r requirements-bench.txt

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10, 3.11 or 3.12 found; install one, or say make PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/python
	$(PY) -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(PY) -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(DEMO) .pytest_cache
