# Needs Python 3.11 or newer and make; each target does the set-up it needs.
#   make demo            the example project, with two front ends to try it from
#   make test            linters, then the suite on every database and Django at hand
#   make test ROWS=sqlite ARGS="-k origins"

ROWS ?=
ARGS ?=
BIN := .venv/bin
NEWEST := .venv-newest/bin

# A name on PATH proves little (a pyenv shim may refuse to start, Debian's python3 may lack venv): each is asked to run.
# $(1): the least minor version; $(2): candidates, best first.
PYENV_PYTHONS = $$(ls -d "$$(pyenv root 2>/dev/null)"/versions/3.*/bin/python 2>/dev/null | sort -rV)
find_python = for candidate in $(2) $(PYENV_PYTHONS); do \
	"$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, $(1)))' 2>/dev/null \
	&& { echo "$$candidate"; break; }; done; :

.PHONY: help
help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' Makefile | expand -t 20

# --- environments -----------------------------------------------------------------------------------------------------

.PHONY: venv
venv: .venv/.stamp .venv-newest/.stamp mariadb-driver django-tests  ## both virtual environments, with pinned versions

.venv/.stamp: requirements/dev.txt requirements/django-lowest.txt
	@set -e; python="$(PYTHON)"; \
	test -n "$$python" || python="$$($(call find_python,11,python3.11 python3 python3.12 python3.13 python3.14))"; \
	test -n "$$python" || { echo "No Python 3.11 or newer (with venv and ensurepip) was found." \
		"Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$python is not Python 3.11 or newer." >&2; exit 1; }; \
	echo "Setting up .venv with $$("$$python" --version) and Django 5.2 (once, about a minute)"; \
	"$$python" -m venv --clear .venv; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements/dev.txt -r requirements/django-lowest.txt
	@touch $@

# Where no Python takes a newer Django there is nothing to build, and the next run looks again.
.venv-newest/.stamp: requirements/dev.txt requirements/django-newest.txt
	@set -e; python="$$($(call find_python,12,$(PYTHON_NEWEST) python3.14 python3.13 python3.12 python3))"; \
	test -n "$$python" || { echo "No Python 3.12 or newer was found: Django 5.2 is the newest that can be tested here."; \
		exit 0; }; \
	echo "Setting up .venv-newest with $$("$$python" --version) and the newest Django (once, about a minute)"; \
	"$$python" -m venv --clear .venv-newest; \
	$(NEWEST)/python -m pip install -qq --disable-pip-version-check \
		-r requirements/dev.txt -r requirements/django-newest.txt; \
	touch $@

.PHONY: mariadb-driver
mariadb-driver: .venv/.stamp
	@$(BIN)/python -c 'import MySQLdb' 2>/dev/null && exit 0; \
	pkg-config --exists libmariadb 2>/dev/null || pkg-config --exists mysqlclient 2>/dev/null || { \
		config="$$(command -v mariadb_config || command -v mysql_config)" || { \
			echo "MariaDB's C headers were not found, so its driver is not installed" \
				"(Debian: apt-get install libmariadb-dev pkg-config gcc)."; exit 0; }; \
		export MYSQLCLIENT_CFLAGS="$$("$$config" --cflags)" MYSQLCLIENT_LDFLAGS="$$("$$config" --libs)"; }; \
	echo "Building the MariaDB driver"; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements/mariadb.txt \
		|| echo "The MariaDB driver did not build (see above)."

# Django's own tests come with its source alone; each environment gets those of its Django.
.PHONY: django-tests
django-tests: .venv/.stamp .venv-newest/.stamp
	@for python in $(BIN)/python $(NEWEST)/python; do \
		test ! -x "$$python" || "$$python" -m tests.django_suite.fetch || exit 1; done

.PHONY: pins
pins:  ## resolve requirements/dev.txt anew (needs uv)
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --annotation-style line \
		--extra redis --extra yaml --no-emit-package django pyproject.toml requirements/dev.in -o requirements/dev.txt

# --- work -------------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: .venv/.stamp  ## the example project on http://127.0.0.1:8000, and two front ends
	@$(BIN)/python manage.py demo $(ARGS)

.PHONY: test
test: venv lint  ## everything: linters, then the suite on each database and Django
	@$(BIN)/python tests/matrix.py $(ROWS) -- $(ARGS)

.PHONY: coverage
coverage: .venv/.stamp  ## which lines the suite runs, on SQLite
	$(BIN)/python -m coverage erase
	DATABASE_URL=sqlite://:memory: $(BIN)/python -m coverage run -m pytest -q -m "not (browser or servers)" -n auto $(ARGS)
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

.PHONY: lint
lint: .venv/.stamp  ## ruff, mypy, import-linter, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run --settings tests.settings

.PHONY: format
format: .venv/.stamp  ## ruff's formatter and safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: docs
docs: .venv/.stamp  ## the documentation as pages, in build/docs
	$(BIN)/python -m sphinx -W --keep-going -E -q -b html docs build/docs

.PHONY: messages
messages: .venv/.stamp  ## bring the translations up to date with the code (needs GNU gettext)
	$(BIN)/python -m tests.catalogues

.PHONY: dist
dist: .venv/.stamp  ## what is published: wheel and source distribution, in dist
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

.PHONY: picture
picture: .venv/.stamp  ## draw docs/story.png anew (needs Chromium and openssl)
	$(BIN)/python -m docs.picture

.PHONY: screenshots
screenshots: .venv/.stamp  ## photograph the admin's pages for docs/ (needs Chromium and PostgreSQL)
	@$(BIN)/python -m docs.screenshots

.PHONY: clean
clean:  ## remove what the targets above made
	rm -rf .venv .venv-newest .nox .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf .coverage .coverage.* htmlcov dist build example_project/db.sqlite3*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
