# Each target installs what it needs. To use another Python: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
TOX := $(VENV)/bin/tox run -q

.PHONY: help test coverage lint services chaos programs long tenth browser package upgrades pictures docs messages fuzz mutants bench bench-cpu bench-queue bench-admin bench-purge bench-sweep bench-encryption bench-limits bench-hot bench-scale bench-peers demo clean

help:
	@echo "make demo      run the demo site; it needs no key and no phone"
	@echo "make test      run the suite on SQLite (4 to 15 minutes)"
	@echo "make coverage  run the suite on SQLite and print the lines that no test reaches"
	@echo "make lint      check style, types, import contracts and migrations"
	@echo "make services  run the suite on PostgreSQL and MariaDB (TELROI_TEST_DB_HOST, _USER, _PASSWORD), and with workers"
	@echo "               on Redis and RabbitMQ (TELROI_TEST_REDIS, TELROI_TEST_RABBITMQ: their URLs)"
	@echo "make chaos     kill 1,000 processes during a call and 1,000 during a check"
	@echo "make programs  run the tests that start other processes: demos, crashes, servers"
	@echo "make long      run all that takes longer than CI, some hours: 100,000 starts, 10,000 webhooks, a full model search,"
	@echo "               all mutants, races 30 times on PostgreSQL and MariaDB, chaos, 5,000 generated requests, upgrades"
	@echo "make tenth     run a tenth of the long tests and mutants, chosen by a seed (TELROI_SEED), and 500 generated requests"
	@echo "make browser   test the pages in a real Chromium (TELROI_CHROMIUM: its path)"
	@echo "make package   build the source distribution and the wheel, and check them as PyPI does"
	@echo "make upgrades  upgrade 200,000 attempts of the release before under load, on SQLite, PostgreSQL and MariaDB"
	@echo "make pictures  take the pictures of the documentation from the demo (TELROI_CHROMIUM: its path)"
	@echo "make docs      build docs/_build/html"
	@echo "make messages  update and compile the translations"
	@echo "make fuzz      send 5,000 generated requests to the demo's API"
	@echo "make mutants   remove each guard in turn and check that a test fails"
	@echo "make bench     measure a verification"
	@echo "make bench-cpu  measure the processor time of a request to each face"
	@echo "make bench-queue  measure how many calls workers place, and how much of the key's budget it can use"
	@echo "make bench-admin  measure the admin with a million attempts"
	@echo "make bench-purge  measure a purge of a million attempts that is killed half-way"
	@echo "make bench-encryption  measure encrypted numbers, and the conversion of a million attempts that is killed half-way"
	@echo "make bench-sweep  measure a sweep with a million attempts"
	@echo "make bench-limits  measure a counted request at several rates, on Redis and in memory"
	@echo "make bench-hot  measure 64 threads on 64 numbers, on one number and on the row of the day's calls"
	@echo "make bench-scale  measure and derive what ten million verifications a day need"
	@echo "make bench-peers  compare a start and a check over HTTP with django-allauth and others"
	@echo "make clean     delete everything that these commands made"

test: $(VENV)/.tox
	@echo "Running the test suite on SQLite. It takes 4 to 15 minutes, and 1 to 3 more the first time."
	@rm -f .tox/test/report.xml
	@status=0; $(TOX) -e test || status=$$?; \
	  $(VENV)/bin/python tests/summary.py $$status .tox/test/report.xml

coverage: $(VENV)/.tox
	$(TOX) -e coverage

lint: $(VENV)/.tox
	$(TOX) -e lint,types,contracts,migrations

services: $(VENV)/.tox
	$(TOX) -e postgres,mariadb,bridges-postgres,bridges-mariadb,brokers

chaos: $(VENV)/.tox
	$(TOX) -e chaos

programs: $(VENV)/.tox
	$(TOX) -e programs

long: $(VENV)/.tox
	$(TOX) -e long,mutants,races-postgres,races-mariadb,chaos,upgrades
	$(TOX) -e fuzz -- --cases 5000

tenth: $(VENV)/.tox
	$(TOX) -e tenth,fuzz

browser: $(VENV)/.tox
	$(TOX) -e browser

package: $(VENV)/.tox
	$(TOX) -e package

upgrades: $(VENV)/.tox
	$(TOX) -e upgrades

pictures: $(VENV)/.tox
	$(TOX) -e pictures

docs: $(VENV)/.tox
	$(TOX) -e docs

messages: $(VENV)/.tox
	$(TOX) -e messages

fuzz: $(VENV)/.tox
	$(TOX) -e fuzz -- --cases 5000

mutants: $(VENV)/.tox
	$(TOX) -e mutants

bench: $(VENV)/.tox
	$(TOX) -e bench

bench-cpu: $(VENV)/.tox
	$(TOX) -e bench-cpu

bench-queue: $(VENV)/.tox
	$(TOX) -e bench-queue

bench-admin: $(VENV)/.tox
	$(TOX) -e bench-admin

bench-purge: $(VENV)/.tox
	$(TOX) -e bench-purge

bench-sweep: $(VENV)/.tox
	$(TOX) -e bench-sweep

bench-encryption: $(VENV)/.tox
	$(TOX) -e bench-encryption

bench-limits: $(VENV)/.tox
	$(TOX) -e bench-limits

bench-hot: $(VENV)/.tox
	$(TOX) -e bench-hot

bench-scale: $(VENV)/.tox
	$(TOX) -e bench-scale

bench-peers: $(VENV)/.tox
	$(TOX) -e bench-peers

demo: $(VENV)/.demo
	@$(VENV)/bin/python example_project/demo.py

clean:
	rm -rf $(VENV) .tox .demo docs/_build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "django-telroi needs Python 3.11 or later, but '$(PYTHON)' is older or missing. Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu it comes with the package python3-venv." >&2; exit 1; }

$(VENV)/.tox: $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check "tox>=4.25"
	@touch $@

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml Makefile
	@echo "Installing django-telroi, its dependencies and the extra for its API's page into $(VENV) ..."
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --editable ".[openapi]"
	@touch $@
