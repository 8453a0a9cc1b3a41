# Convenience only: nothing needs it. `make demo` and `make test` set everything up in .venv first.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Each job is a Python of its own: without bytecode on disk it would compile torch anew, seconds each time.
unexport PYTHONDONTWRITEBYTECODE

# The files of these versions and no others, by their SHA-256; the locks are whole, so pip looks for nothing more.
PINNED := pip install --quiet --no-compile --disable-pip-version-check --require-hashes --no-deps

.PHONY: demo test test-cluster soak check-gpu lint bench plan store recover convert schema captions lock sbom clean
.DEFAULT_GOAL := demo

demo: .venv/installed
	@echo "Pruning three small models that were trained on mini-pile, and measuring what they forget: config/embedded.yaml"
	snakemake --cores all --quiet host reason
	@python workflow_scripts/show_results.py --tables results/embedded/tables --figures results/embedded/figures

test: .venv/installed-test
	pytest -q

test-cluster: .venv/installed-test
	@command -v slurmctld slurmd srun > /dev/null && [ "$$(id -u)" = 0 ] || { echo "make test-cluster needs root and SLURM: apt-get install --no-install-recommends slurm-wlm" >&2; exit 1; }
	pytest -q -m cluster tests/test_cluster.py

# Thousands of jobs with kills, edits, cleanings and damage at random: see docs/reliability.md.
soak: .venv/installed-test
	PYTHONPATH=workflow_scripts:tests python tests/soak/soak.py --seed $(or $(SEED),1) --minutes $(or $(MINUTES),30)

# What tests can only fake, on one NVIDIA GPU: results/check-gpu.md is a page of it to send to us.
check-gpu: .venv/installed
	PYTHONPATH=workflow_scripts:tests:benchmarks python tests/gpu_check/check_gpu.py

bench: .venv/installed-test
	for name in masks calibration second_order startup scoring harness evidence streaming report whole; do python benchmarks/$$name.py || exit 1; done

lint: .venv/installed-test
	ruff check .
	ruff format --check .
	PYTHONPATH=workflow_scripts lint-imports --no-cache
	snakefmt --check Snakefile workflow rules
	@# All rules run in snakemake's own environment: its advice of one environment a rule is not followed.
	snakemake --lint > .venv/lint.txt 2>&1 || true
	grep -q "^Lints for rule" .venv/lint.txt
	! grep "^    \* " .venv/lint.txt | grep -v "Specify a conda environment or container for each rule"

plan: .venv/installed
	@python workflow_scripts/plan.py $(or $(CONFIG),config/embedded.yaml)

store: .venv/installed
	@python workflow_scripts/list_store.py $(if $(DELETE),--delete-unused $(DELETE))

recover: .venv/installed
	@python workflow_scripts/recover.py

# A model with pickled weights, as a folder with safetensors: make convert MODEL=owner/name TO=models/name
convert: .venv/installed
	@python workflow_scripts/convert_checkpoint.py --model "$(MODEL)" --revision "$(or $(REVISION),main)" --output "$(TO)"

schema: .venv/installed
	python workflow_scripts/write_schema.py --output config/config.schema.json

captions: .venv/installed
	python workflow_scripts/write_captions.py --output report/tables

.venv/installed: envs/requirements.lock envs/torch.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "memprune needs Python 3.11 or newer")'
	@echo "Installing into .venv, once: PyTorch and the like, a few minutes"
	$(PYTHON) -m venv .venv
	$(PINNED) -r envs/requirements.lock
	pip install --quiet --no-compile --disable-pip-version-check -r envs/torch.lock
	touch $@

.venv/installed-test: .venv/installed envs/requirements-test.lock
	$(PINNED) -r envs/requirements-test.lock
	touch $@

# The software bill of materials: CycloneDX in JSON.
sbom: .venv/installed
	python envs/sbom.py --output sbom.json

# New exact versions, from a new environment; a change of a package that mini-pile is read from is a change
# of the corpus and needs the suite trained anew.
lock:
	sh envs/lock.sh

clean:
	rm -rf .venv .snakemake results
