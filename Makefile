# Each command makes what it needs. Another Python: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
TOX := $(VENV)/bin/tox run -q

.PHONY: help test lint services chaos programs long browser docs fuzz mutants bench bench-queue bench-admin bench-purge bench-sweep demo clean

help:
	@echo "make demo      a site to click through: no key, no phone"
	@echo "make test      the suite on SQLite (4 to 15 minutes)"
	@echo "make lint      style, types, import contracts, missing migrations"
	@echo "make services  the suite on PostgreSQL and MariaDB (TELROI_TEST_DB_HOST, _USER, _PASSWORD), and with workers"
	@echo "               on Redis and RabbitMQ (TELROI_TEST_REDIS, TELROI_TEST_RABBITMQ: their addresses)"
	@echo "make chaos     a thousand processes killed in the middle of a call, and a thousand in the middle of a check"
	@echo "make programs  what starts programs of its own: demos, crashes, servers"
	@echo "make long      100,000 starts and checks, 10,000 webhooks, and every order of steps in a small model"
	@echo "make browser   the journey in a real Chromium (TELROI_CHROMIUM: its path)"
	@echo "make docs      docs/_build/html"
	@echo "make fuzz      5,000 requests that nobody would send, to the demo's API"
	@echo "make mutants   each guard broken by hand, and a test that fails for it"
	@echo "make bench     what a verification costs"
	@echo "make bench-queue  how many calls a worker places, and how much of the key's budget can be used"
	@echo "make bench-admin  what the admin costs at a million attempts"
	@echo "make bench-purge  a purge of a million attempts, killed half-way"
	@echo "make bench-sweep  a sweep at a million attempts"
	@echo "make clean     forget all of that"

test: $(VENV)/.tox
	@echo "Running the test suite on SQLite. It takes 4 to 15 minutes, and 1 to 3 more the first time."
	@rm -f .tox/test/report.xml
	@status=0; $(TOX) -e test || status=$$?; \
	  $(VENV)/bin/python tests/summary.py $$status .tox/test/report.xml

lint: $(VENV)/.tox
	$(TOX) -e lint,types,contracts,migrations

services: $(VENV)/.tox
	$(TOX) -e postgres,mariadb,brokers

chaos: $(VENV)/.tox
	$(TOX) -e chaos

programs: $(VENV)/.tox
	$(TOX) -e programs

long: $(VENV)/.tox
	$(TOX) -e long

browser: $(VENV)/.tox
	$(TOX) -e browser

docs: $(VENV)/.tox
	$(TOX) -e docs

fuzz: $(VENV)/.tox
	$(TOX) -e fuzz -- --cases 5000

mutants: $(VENV)/.tox
	$(TOX) -e mutants

bench: $(VENV)/.tox
	$(TOX) -e bench

bench-queue: $(VENV)/.tox
	$(TOX) -e bench-queue

bench-admin: $(VENV)/.tox
	$(TOX) -e bench-admin

bench-purge: $(VENV)/.tox
	$(TOX) -e bench-purge

bench-sweep: $(VENV)/.tox
	$(TOX) -e bench-sweep

demo: $(VENV)/.demo
	@$(VENV)/bin/python example_project/demo.py

clean:
	rm -rf $(VENV) .tox .demo docs/_build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "django-telroi needs Python 3.11 or later, and '$(PYTHON)' is not. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu it comes with the package python3-venv." >&2; exit 1; }

$(VENV)/.tox: $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check "tox>=4.25"
	@touch $@

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	@echo "Installing django-telroi and what it stands on into $(VENV) ..."
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --editable .
	@touch $@
