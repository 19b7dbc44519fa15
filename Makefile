# make install   the environment alone: .venv with cinefeast in it
# make demo      install, then the main job on MovieLens 100K: data, features, models, metrics, recommendations
# make test      every check: ruff, mypy, import-linter, sqlfluff, pytest (which builds a small made-up data set with dbt)
# make test-slow the tests that take longer: benches, load with faults, killed builds, variants of rankers, synth to warehouse
# make audit     known vulnerabilities of the installed packages, by pip-audit; fails where there are any
# make truth     every feature online against history, for 10,000 users and every film, on SQLite and Redis
# make soak      events by four writers while dbt builds, every fifth killed, and feast materializes: SECONDS=600
# make bulkhead  the worst day: Redis killed, disk full, ledger damaged, a worker stopped, the clock wrong, slow bodies and a
#                bulk load at once, beside eight readers: SECONDS=120; ends with one line of JSON
# make collect   the TMDb collector against a stub that answers from real documents ($CINEFEAST_REAL_DATA) and fails often
# make diagram   docs/architecture.svg anew from docs/architecture.dot, by Graphviz (apt-get install graphviz)
# make tables    the tables of the documentation anew from docs/results
# make peers     implicit and RecTools on our split, in an environment of their own, beside what is trained here:
#                PROTOCOL=leave-one-out, EPOCHS=30 and SECONDS=600 for SASRec, THREADS=1, PEERS="--peer rectools_ease"
# make load      Locust, in an environment of its own, on a running `cinefeast serve`: CLIENTS=8, SECONDS=20, USERS=900,
#                HOST=http://127.0.0.1:8000; KEY, or the first of CINEFEAST_READ_KEYS, is sent as key. The server needs a
#                higher CINEFEAST_READ_LIMIT: 100000/second
# make clean     remove what a run wrote (workspace/), not the environment

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PEERS_VENV ?= .venv-peers
LOAD_VENV ?= .venv-load
PROTOCOL ?= time
EPOCHS ?= 30
THREADS ?= 1
CLIENTS ?= 1
USERS ?= 900
HOST ?= http://127.0.0.1:8000
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder  # in the order of tests/order.py

.PHONY: install demo test test-slow audit truth soak bulkhead collect lint diagram tables peers load clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: install
	$(BIN)/cinefeast demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --processes 0 --quiet dbt_project/models dbt_project/tests

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PARALLEL) -rs

# but for truth, soak, bulkhead and collect: these want much time or real data
test-slow: install
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PARALLEL) -m 'slow and not scale' -rs

audit: install
	$(BIN)/python .ci/audit.py

truth: install
	$(BIN)/pytest -m slow -s tests/features/test_truth_at_scale.py

soak: install
	SECONDS=$(or $(SECONDS),600) $(BIN)/pytest -m slow -s tests/serving/test_soak.py

bulkhead: install
	@SECONDS=$(or $(SECONDS),120) $(BIN)/pytest -m slow -s --show-capture=no tests/bulkhead

collect: install
	$(BIN)/pytest -m slow -rs -s tests/ingest/test_collector_at_scale.py

# the hash says which source the picture was made of: tests/test_architecture.py compares it
diagram:
	@command -v dot >/dev/null || { echo "error: no dot; next: apt-get install graphviz" >&2; exit 1; }
	dot -Tsvg docs/architecture.dot > docs/.architecture.svg
	echo "<!-- made from architecture.dot, sha256 $$(sha256sum < docs/architecture.dot | cut -d' ' -f1) -->" >> docs/.architecture.svg
	mv docs/.architecture.svg docs/architecture.svg

tables: install
	$(BIN)/cinefeast tables

$(PEERS_VENV)/.installed: tests/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: -r tests/peers/requirements.txt
	touch $@

peers: install $(PEERS_VENV)/.installed
	$(BIN)/cinefeast peers export --protocol $(PROTOCOL)
	OMP_NUM_THREADS=$(THREADS) $(PEERS_VENV)/bin/python tests/peers/run.py \
		$${CINEFEAST_WORKSPACE:-workspace}/peers/$(PROTOCOL) --epochs $(EPOCHS) $(if $(SECONDS),--seconds $(SECONDS)) $(PEERS)
	$(BIN)/cinefeast peers measure --protocol $(PROTOCOL)

$(LOAD_VENV)/.installed: tests/load/requirements.txt
	$(PYTHON) -m venv $(LOAD_VENV)
	$(LOAD_VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/load/requirements.txt
	touch $@

load: $(LOAD_VENV)/.installed
	USERS=$(USERS) $(LOAD_VENV)/bin/locust -f tests/load/locustfile.py --headless --only-summary --host $(HOST) \
		--users $(CLIENTS) --spawn-rate $(CLIENTS) --run-time $(or $(SECONDS),20)s

clean:
	rm -rf workspace dbt_project/target dbt_project/logs
