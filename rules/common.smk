"""The checked configuration, and what the rules compute from it: the rules themselves hold no logic."""

import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from snakemake.utils import update_config

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from memprune import config as configuration
from memprune import sources
from memprune.errors import UserError
from memprune.leftovers import leftovers
from memprune.preflight import check_local_models, check_store
from memprune.variants import variant_name

DEFAULT_CONFIG = Path(workflow.basedir) / "config/embedded.yaml"


def read_config():
    """The checked configuration: the files given by --configfile, else the default one; then --config.

    Local models, as far as their configuration and headers show, and the store are checked before any job
    starts.
    """
    source = ", ".join(map(os.path.relpath, workflow.configfiles)) or "config/embedded.yaml"
    content = config
    try:
        if not workflow.configfiles:
            content = configuration.read_yaml(DEFAULT_CONFIG)
            update_config(content, config)
        checked = configuration.check(content, source)
        check_local_models(checked, source)
        check_store(store_folder(checked))
        return checked
    except UserError as error:
        sys.exit(f"error: {error}")


def store_folder(checked):
    """The store's folder: MEMPRUNE_STORE goes before the configuration."""
    return os.environ.get("MEMPRUNE_STORE") or checked.store


def canonical(settings):
    """The settings as one JSON string that is the same for the same settings."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


def source(script, *modules):
    """A digest of what a script does, with all modules that it imports and those that it loads by name.

    As a param it makes a job stale when its code changes, and no other job.
    """
    return f"source: {sources.digest(SCRIPTS / script, *modules)}"


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
STORE = shlex.quote(store_folder(CONFIG))
# A pass makes large arrays and drops them: kept by the process, in huge pages, they are not zeroed anew
# by the system each time. Other C libraries than glibc do not read this.
MALLOC = ":".join(
    f"glibc.malloc.{setting}"
    for setting in ("hugetlb=1", f"mmap_threshold={2**32}", f"trim_threshold={2**33}", f"top_pad={2**26}")
)
shell.prefix(
    f"set -euo pipefail; export PYTHONUNBUFFERED=1 GLIBC_TUNABLES={MALLOC} MEMPRUNE_STORE={STORE}"
    f" PATH={FOLDERS}:$PATH; "
)


wildcard_constraints:
    model="|".join(map(re.escape, CONFIG.models)),
    strategy="|".join(map(re.escape, CONFIG.strategies)),
    level=r"0\.\d+|\d(\.\d+)?e-\d+",
    variant="dense|(" + "|".join(map(re.escape, CONFIG.strategies)) + r")@[^/]+",


# Corpus


def corpus_files():
    """The local files that the corpus is read from, but for mini-pile's, which a rule makes."""
    corpus = CONFIG.corpus
    if corpus.source == "files":
        return [*corpus.train, *corpus.validation, *corpus.test]
    if corpus.source == "hub" and Path(corpus.dataset).is_dir():
        return sorted(str(path) for path in Path(corpus.dataset).rglob("*") if path.is_file())
    return []


def samples_spec():
    """The settings of the draw; of the context lengths only their longest matters, in the window."""
    samples = CONFIG.samples.model_dump(exclude={"context_lengths", "anchor"})
    corpus = CONFIG.corpus.model_dump()
    return canonical({**samples, "window": CONFIG.samples.window, "corpus": corpus, "seed": CONFIG.seed})


# Models


def model_files(wildcards):
    """What a model's manifest is made from: its local files, or the record of having fetched them."""
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return f"{RESULTS}/models/{wildcards.model}/fetched.json"
    return sorted(str(p) for p in Path(model.path).iterdir() if p.suffix in {".safetensors", ".json"})


def model_place(wildcards):
    """The options of resolve_model.py that say where the model is."""
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return f"--fetched {RESULTS}/models/{wildcards.model}/fetched.json"
    return f"--folder {shlex.quote(model.path)}"


def model_threads(wildcards):
    """Threads of a job on a model: one for each 128 MB of a local model, 16 for one from the Hub.

    Small models' jobs run side by side.
    """
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return 16
    size = sum(path.stat().st_size for path in Path(model.path).glob("*.safetensors"))
    return min(1 + size // 2**27, 16)


# Masks


def mask_spec(wildcards):
    """What a mask depends on: its strategy's selection and its level, not the strategy's name."""
    selection = CONFIG.strategies[wildcards.strategy].selection
    return canonical({"selection": asdict(selection), "level": float(wildcards.level)})


def mask_source(wildcards):
    """The digest of the code that makes a mask, with its own criterion's and no other's."""
    criterion = CONFIG.strategies[wildcards.strategy].criterion
    return source("compute_mask.py", f"memprune.criteria.{criterion}")


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


def evaluation_spec():
    """The settings that scores depend on."""
    samples = CONFIG.samples.model_dump(include={"context_lengths", "suffix", "anchor"})
    return canonical({**samples, **CONFIG.evaluation.model_dump()})


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
        f"{RESULTS}/masks/{wildcards.model}/{variant_name(strategy, levels[-1])}.csv"
        for strategy in CONFIG.strategies
        for levels in [CONFIG.levels(wildcards.model, strategy)]
    ]


def both(name):
    """A figure's two files."""
    return {"svg": f"{FIGURES}/{name}.svg", "png": f"{FIGURES}/{name}.png"}


LEFTOVERS = leftovers(Path(RESULTS), CONFIG)
if LEFTOVERS and workflow.is_main_process:
    print(LEFTOVERS, file=sys.stderr)
