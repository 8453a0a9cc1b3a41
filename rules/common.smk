"""The checked configuration, and what the rules compute from it: the rules themselves hold no logic."""

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from snakemake.utils import update_config

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from memprune import config as configuration
from memprune.errors import UserError
from memprune.preflight import check_local_models

DEFAULT_CONFIG = Path(workflow.basedir) / "config/embedded.yaml"


def read_config():
    """The checked configuration: the files given by --configfile, else the default one; then --config.

    Local models are checked as far as their configuration and headers show, before any job starts.
    """
    source = ", ".join(map(os.path.relpath, workflow.configfiles)) or "config/embedded.yaml"
    content = config
    try:
        if not workflow.configfiles:
            content = configuration.read_yaml(DEFAULT_CONFIG)
            update_config(content, config)
        checked = configuration.check(content, source)
        check_local_models(checked, source)
        return checked
    except UserError as error:
        sys.exit(f"error: {error}")


def canonical(settings):
    """The settings as one JSON string that is the same for the same settings."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


CONFIG = read_config()
RESULTS = f"results/{CONFIG.experiment}"
TABLES = f"{RESULTS}/tables"
FIGURES = f"{RESULTS}/figures"
EMBEDDED = CONFIG.corpus.source == "embedded"
FIRST_MODEL = next(iter(CONFIG.models))  # its tokenizer is the experiment's
ORDER = canonical({"models": list(CONFIG.models), "strategies": list(CONFIG.strategies)})

# One job at a time on a machine's GPU; `--resources gpu=N` allows more.
GPU = int(CONFIG.evaluation.device != "cpu" and shutil.which("nvidia-smi") is not None)
workflow.global_resources.setdefault("gpu", 1)

# The scripts are commands of the shell, run by the Python that runs snakemake.
FOLDERS = shlex.quote(f"{SCRIPTS}:{Path(sys.executable).parent}")
shell.prefix(f"set -euo pipefail; export PYTHONUNBUFFERED=1 PATH={FOLDERS}:$PATH; ")


wildcard_constraints:
    model="|".join(map(re.escape, CONFIG.models)),
    strategy="|".join(map(re.escape, CONFIG.strategies)),
    level=r"0\.\d+|\d(\.\d+)?e-\d+",
    variant="dense|(" + "|".join(map(re.escape, CONFIG.strategies)) + r")@[^/]+",


# Corpus


def corpus_files():
    """The local files that the corpus is read from."""
    corpus = CONFIG.corpus
    return [*corpus.train, *corpus.validation, *corpus.test] if corpus.source == "files" else []


def samples_spec():
    """The settings of the draw; of the context lengths only their longest matters, in the window."""
    samples = CONFIG.samples.model_dump(exclude={"context_lengths"})
    corpus = CONFIG.corpus.model_dump()
    return canonical({**samples, "window": CONFIG.samples.window, "corpus": corpus, "seed": CONFIG.seed})


# Models


def model_files(wildcards):
    """What a model's manifest is made from: its local files, or the record of having fetched them."""
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return f"{RESULTS}/models/{wildcards.model}/fetched.json"
    return sorted(str(p) for p in Path(model.path).iterdir() if p.suffix in {".safetensors", ".json"})


def model_source(wildcards):
    """The options of resolve_model.py that say where the model is."""
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return f"--fetched {RESULTS}/models/{wildcards.model}/fetched.json"
    return f"--folder {shlex.quote(model.path)}"


# Masks


def mask_spec(wildcards):
    """The strategy's settings but its list of levels, and the one level of this mask."""
    strategy = CONFIG.strategies[wildcards.strategy].model_dump(exclude={"levels"})
    return canonical({**strategy, "strategy": wildcards.strategy, "level": float(wildcards.level)})


# Evaluation


def mask_of_variant(wildcards):
    """The mask of a pruned variant; none for `dense`, the unpruned model."""
    if wildcards.variant == "dense":
        return []
    return f"{RESULTS}/masks/{wildcards.model}/{wildcards.variant}.safetensors"


def mask_option(wildcards):
    """The option of evaluate.py that names the mask."""
    mask = mask_of_variant(wildcards)
    return f"--mask {mask}" if mask else ""


def evaluation_spec(wildcards):
    """The settings that scores depend on."""
    return canonical(
        {
            "model": wildcards.model,
            "variant": wildcards.variant,
            "context_lengths": CONFIG.samples.context_lengths,
            "suffix": CONFIG.samples.suffix,
            **CONFIG.evaluation.model_dump(),
        }
    )


# Tables and figures


def scores(kind):
    """The score files of all variants of all models."""
    return [
        f"{RESULTS}/scores/{model}/{variant}.{kind}.parquet"
        for model in CONFIG.models
        for variant in CONFIG.variants(model)
    ]


def highest_levels(wildcards):
    """The tables of zeros of every strategy at its highest level for one model."""
    return [
        f"{RESULTS}/masks/{wildcards.model}/{configuration.variant_name(strategy, levels[-1])}.csv"
        for strategy in CONFIG.strategies
        for levels in [CONFIG.levels(wildcards.model, strategy)]
    ]


def both(name):
    """A figure's two files."""
    return {"svg": f"{FIGURES}/{name}.svg", "png": f"{FIGURES}/{name}.png"}
