# Needs Python 3.11 or newer and GNU make; everything else goes into .venv.
# Another Python: `make install PYTHON=python3.12`. One test: `make test ARGS="tests/test_graph.py -k cycle"`.

ifeq ($(OS),Windows_NT)
  PYTHON ?= py -3
  BIN := .venv/Scripts
else
  PYTHON ?= python3
  BIN := .venv/bin
endif
PY := $(BIN)/python
EXTRAS := azure,excel,avro,demo,sandbox,connect,dev
# Spark 4 needs a newer pandas than the oldest that odibi takes.
OLDEST_EXTRAS := azure,excel,avro,demo,sandbox,dev
# Two of them have Spark; the third has what mostly waits.
WORKERS ?= 3
ARGS ?=
STAMP := .venv/.installed
# uv installs faster where it is there; pip does the same without it.
ifneq ($(shell command -v uv 2>/dev/null),)
  INSTALL := uv pip install --quiet --compile-bytecode --python .venv
else
  INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --use-pep517
endif

# What shows that all of the engine works on another Spark, bad input included; their Hadoop does not speak to the offline Azure.
SPARK_CORE := -n 2 $(addprefix tests/contracts/test_,engines.py functions.py texts.py) tests/engine/spark \
  tests/engine/test_interop.py tests/test_bad_input.py -k "not ADLS and not azure"
# What another kind of session can break first; `make test-connect ARGS=tests` runs all there is.
CONNECT_CORE := tests/contracts/test_engines.py tests/engine/spark/test_platform.py \
  -k "not ADLS and not what_a_check and not append_refuses and not names_match"
CLUSTER_CORE := tests/engine/spark/test_executors.py tests/engine/spark/test_keep.py tests/contracts/test_engines.py \
  -k "not ADLS and (executors or test_keep or failed_check_leaves or kept_frames) and not by_pandas and not parquet"

.PHONY: help install demo sandbox jars test test-connect test-cluster test-oldest test-matrix lint format bench clean

help:
	@echo "make demo     run the demo pipeline on real data and show its story"
	@echo "make sandbox  install the offline Azure (needs Node.js); without it its tests are skipped"
	@echo "make test     run all tests (ARGS=... goes to pytest, WORKERS=$(WORKERS))"
	@echo "make jars     fetch what Spark needs beside its own jars (needs Java); without it its tests are skipped"
	@echo "make test-connect  run the Spark tests on a Spark Connect session (ARGS=tests: all of them, not the core alone)"
	@echo "make test-cluster  run them on a cluster of processes"
	@echo "make test-oldest  run all tests but Spark's with the oldest libraries that pyproject.toml allows"
	@echo "make test-matrix  run them on Spark 3.5 and on 4.0, each with the Delta of its day"
	@echo "make lint     ruff, mypy, import-linter"
	@echo "make format   let ruff mend and format the code"
	@echo "make bench    measure odibi against the hand-written script"
	@echo "make install  build .venv, and fetch the offline Azure where Node.js is there, Spark's jars where Java is there"
	@echo "make clean    remove .venv and its like and everything that was built"

install: $(STAMP)

$(STAMP): pyproject.toml odibi/_version.py
	@echo "Building .venv; this takes a minute, once"
	@$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'odibi needs Python 3.11 or newer, this is ' + sys.version.split()[0] + '; name another: make install PYTHON=python3.12')"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) --editable ".[$(EXTRAS)]"
	@$(PY) -m compileall -q odibi
	@$(PY) -c "import os, shutil, subprocess, sys; node = shutil.which('node'); failed = node and subprocess.call([sys.executable, '-m', 'odibi', 'sandbox', 'install']); node or print('without Node.js the tests of the offline Azure are skipped'); sys.exit(failed if os.environ.get('CI') else None)"
	@$(PY) -c "import shutil, os, subprocess, sys; java = os.environ.get('JAVA_HOME') or shutil.which('java'); failed = java and subprocess.call([sys.executable, '-m', 'odibi', 'spark', 'jars']); java or print('without Java the tests of Spark are skipped'); sys.exit(failed if os.environ.get('CI') else None)"
	@$(PY) -c "import pathlib; pathlib.Path('$(STAMP)').touch()"

demo: install
	@$(PY) -m odibi demo $(ARGS)
	@echo "(odibi is $(BIN)/odibi)"

sandbox: install
	@$(PY) -m odibi sandbox install

jars: install
	@$(PY) -m odibi spark jars

# All tests that use Spark go to two workers, which have a JVM each.
test: install
	$(PY) -m pytest -q -n $(WORKERS) $(ARGS)

test-connect: export ODIBI_TEST_SPARK := connect
test-cluster: export ODIBI_TEST_SPARK := cluster
test-connect: install
	$(PY) -m pytest -q $(or $(ARGS),$(CONNECT_CORE))

test-cluster: install
	$(PY) -m pytest -q $(or $(ARGS),$(CLUSTER_CORE))

# What odibi itself names is taken at its lower bound. These come with it, and the newest of them would not work with the
# oldest of the others or would hide what is old: they are the ones of Databricks Runtime 16.4, msal that of 17.3, cryptography
# the first that the offline Azure works with.
BESIDE_OLDEST := "numpy==1.26.4" "cryptography==45.0.2" "msal==1.32.3" "azure-storage-blob==12.23.0"

test-oldest: export ODIBI_TEST_SPARK := none
test-oldest: install
	@$(PYTHON) -m venv --clear .venv-oldest
	$(PY) -m uv pip install --quiet --python .venv-oldest --resolution lowest-direct --editable ".[$(OLDEST_EXTRAS)]" $(BESIDE_OLDEST)
	$(subst .venv,.venv-oldest,$(PY)) -m pytest -q -n $(WORKERS) $(ARGS)

# Spark 3.5 with Delta 3.3 is what Databricks Runtime 16.4 and Fabric run, with the pandas of their day; each Spark has an
# environment and jars of its own.
SPARKS := spark35 spark40
spark35 := "pyspark[connect]==3.5.7" "delta-spark==3.3.2" "pandas==2.2.3" "numpy==1.26.4" "pyarrow==15.0.2" "setuptools<81"
spark40 := "pyspark[connect]==4.0.1" "delta-spark==4.4.0" "pandas==2.2.3" "pyarrow==19.0.1"

test-matrix: $(addprefix test-,$(SPARKS))

$(addprefix test-,$(SPARKS)): test-%: install
	@$(PYTHON) -m venv --clear .venv-$*
	$(PY) -m uv pip install --quiet --python .venv-$* --editable ".[$(OLDEST_EXTRAS)]" $($*)
	$(subst .venv,.venv-$*,$(PY)) -m odibi spark jars
	$(subst .venv,.venv-$*,$(PY)) -m pytest -q -m spark $(or $(ARGS),$(SPARK_CORE))

lint: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(BIN)/lint-imports --no-logo

format: install
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: install
	$(PY) benchmarks/medallion.py $(ARGS)
	$(PY) benchmarks/chain.py
	$(PY) benchmarks/soak.py

clean:
	$(PYTHON) -c "import shutil; [shutil.rmtree(d, ignore_errors=True) for d in ('.venv', '.venv-oldest', '.venv-spark35', '.venv-spark40', 'build', 'dist', '.pytest_cache', '.mypy_cache', '.ruff_cache', '.import_linter_cache', '.hypothesis')]"
