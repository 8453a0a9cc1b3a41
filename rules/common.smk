"""The checked configuration, and what the rules compute from it: the rules themselves hold no logic."""

import atexit
import json
import os
import re
import shlex
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

from snakemake.utils import update_config

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from memprune.config import experiment as configuration
from memprune.planning import resources
from memprune.store import source_code, entries
from memprune.devices.allocator import GLIBC_TUNABLES
from memprune.jobs.arguments import option
from memprune.devices.choice import device_class
from memprune.planning.draws import corpus_of, draw_settings
from memprune.errors import UserError
from memprune.jobs.failures import failures
from memprune.devices.gpus import find_gpus
from memprune.planning.leftovers import leftovers
from memprune.planning.parts import parts_of
from memprune.corpus.local_files import local_files
from memprune.models.model_files import input_files
from memprune.planning.sizes import size_of
from memprune.planning.preflight import check_disk, check_experiment, check_store
from memprune.planning.stale import changed_corpus, changed_model, no_longer_fetched, stale_results
from memprune.variants.names import variant_name
from memprune.config.yaml_file import read_yaml

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
            content = read_yaml(DEFAULT_CONFIG)
            update_config(content, config)
        for path in map(str, workflow.configfiles):
            if not path.endswith(".json"):
                read_yaml(path)  # says what Snakemake's own reading lets pass
        checked = configuration.check(content, source)
        check_experiment(checked, source)
        folder = entries.choose(checked.store)
        check_store(folder)
        check_disk(checked, folder, Path("results") / checked.experiment)
        return checked
    except UserError as error:
        sys.exit(f"error: {error}")


def canonical(settings):
    """The settings as one JSON string that is the same for the same settings."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


def source(script, *modules):
    """A digest of what a script does, with all modules that it imports and those that it loads by name.

    As a param it makes a job stale when its code changes, and no other job.
    """
    return f"source: {source_code.digest(SCRIPTS / script, *modules)}"


CONFIG = read_config()
PARTS = parts_of(CONFIG)
RESULTS = f"results/{CONFIG.experiment}"
TABLES = f"{RESULTS}/tables"
FIGURES = f"{RESULTS}/figures"
FIRST_MODEL = next(iter(CONFIG.models))  # its tokenizer is the experiment's
SHOWN = {"models": list(CONFIG.models), "strategies": list(CONFIG.strategies)}
ORDER = canonical(SHOWN)
PUBLISHED = {name: model.published for name, model in CONFIG.models.items() if model.published is not None}

# As many jobs score at one time as this machine has GPUs; `--resources gpu=N` goes before. A cluster's profile
# has that option, since the machine that submits may have none.
GPU = int(
    device_class(CONFIG.evaluation.device) == "cuda"
    or (CONFIG.evaluation.device == "auto" and "gpu" in workflow.global_resources)
)
if gpus := find_gpus():
    workflow.global_resources.setdefault("gpu", len(gpus))

# The scripts are commands of the shell, run by the Python that runs snakemake.
FOLDERS = shlex.quote(f"{SCRIPTS}:{Path(sys.executable).parent}")
shell.prefix(
    "set -euo pipefail; export PYTHONUNBUFFERED=1 MEMPRUNE_PARENT=$PPID"
    f" GLIBC_TUNABLES={GLIBC_TUNABLES} PATH={FOLDERS}:$PATH; "
)


def one_of(names):
    """A pattern of exactly these names; of none if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    draw=r"(member|non_member|perplexity)-\d+",
    model=one_of(CONFIG.models),
    strategy=one_of(CONFIG.strategies),
    level=r"0\.\d+|\d(\.\d+)?e-\d+",
    variant=f"dense|({one_of(CONFIG.strategies)})@[^/]+",
    part=r"\d+",


# Corpus


def member_draws():
    """The names of the draws of members."""
    return [f"member-{part}" for part in range(CONFIG.member_draws)]


def draws():
    """The names of all draws."""
    return [*member_draws(), "non_member-0", "perplexity-0"]


def draw_files(wildcards):
    """The local files that a draw is read from."""
    return local_files(*corpus_of(CONFIG, wildcards.draw))


def draw_spec(wildcards):
    """The settings of one draw; of the context lengths only their longest matters, in the window."""
    return canonical(draw_settings(CONFIG, wildcards.draw))


def draw_source(wildcards):
    """The digest of the code that draws, with its own corpus's and no other's."""
    corpus, _ = corpus_of(CONFIG, wildcards.draw)
    return source("draw_samples.py", f"memprune.corpus.sources.{corpus.source}")


# Models


def model_files(wildcards):
    """What a model's manifest is made from: its local files, or the record of having fetched them.

    Whether a local file has changed is told by its content, not its time (see `rules/planning.smk`). All chains of
    jobs begin here, so stale results are looked for here, before Snakemake chooses the jobs.
    """
    force_stale()
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return f"{RESULTS}/models/{wildcards.model}/fetched.json"
    return [ancient(str(path)) for path in input_files(model.path)]


def model_place(wildcards):
    """The option of resolve_model.py that says where the model is."""
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return option("--fetched", f"{RESULTS}/models/{wildcards.model}/fetched.json")
    return option("--folder", model.path)


@cache
def model_weights(name):
    """How many weights a model has; one of unknown size is taken for a large one."""
    try:
        return size_of(CONFIG.models[name]).weights
    except UserError:
        return resources.UNKNOWN


def model_threads(wildcards):
    """Threads of a job on a model: one for each 64 million weights, 16 at most.

    Small models' jobs run side by side.
    """
    return min(1 + model_weights(wildcards.model) // 2**26, 16)


# What jobs ask for; a machine takes no notice of it, a cluster does


def asked(estimate):
    """The memory and runtime of a rule's jobs; `estimate(weights, threads)` gives `planning.resources`."""

    def of_attempt(wildcards, threads, attempt):
        return estimate(model_weights(wildcards.model), threads).at(attempt)

    return {
        "mem_mb": lambda wildcards, threads, attempt: of_attempt(wildcards, threads, attempt).memory,
        "runtime": lambda wildcards, threads, attempt: of_attempt(wildcards, threads, attempt).runtime,
    }


def grouped(name):
    """The group of a small model's jobs, several of which a profile may submit as one; none for others."""
    return lambda wildcards: name if model_weights(wildcards.model) < resources.SMALL else None


# Masks


def masks():
    """The masks of all variants, each with its table of zeros."""
    return [
        f"{RESULTS}/masks/{model}/{variant}.{ending}"
        for model in CONFIG.models
        for variant in CONFIG.variants(model)[1:]
        for ending in ("safetensors", "csv")
    ]


def mask_spec(wildcards):
    """What a mask depends on: its strategy's selection and its level, not the strategy's name."""
    selection = CONFIG.strategies[wildcards.strategy].selection
    return canonical({"selection": asdict(selection), "level": float(wildcards.level)})


def mask_source(wildcards):
    """The digest of the code that makes a mask, with its own criterion's and no other's."""
    criterion = CONFIG.strategies[wildcards.strategy].criterion
    return source("compute_mask.py", f"memprune.variants.criteria.{criterion}")


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
    return canonical(CONFIG.evaluation_settings)


def receipts(model, variant):
    """The receipts of a variant's parts; none where one job scores all of it."""
    if PARTS == 1:
        return []
    folder = f"{RESULTS}/scores/{model}/{variant}.parts"
    return [f"{folder}/{part}.json" for part in range(PARTS)]


def scoring_resources(weights, threads):
    """What a job that scores shards asks for."""
    return resources.score_shards(weights, threads, GPU, CONFIG)


# Where parts have scored, an evaluation only reads what they stored.


def evaluation_gpu(wildcards):
    return GPU if PARTS == 1 else 0


def evaluation_threads(wildcards):
    return model_threads(wildcards) if PARTS == 1 else 1


def evaluation_resources(weights, threads):
    return scoring_resources(weights, threads) if PARTS == 1 else resources.collect_scores()


# Measures


def metrics_source(wildcards):
    """The digest of the code that measures, with the configured metrics' and no others'."""
    names = dict.fromkeys(name for name, _ in CONFIG.measured)
    return source("measure.py", *(f"memprune.metrics.{name}" for name in names))


def measures(kind):
    """The files of measures of all variants of all models."""
    return [
        f"{RESULTS}/measures/{model}/{variant}.{kind}.parquet"
        for model in CONFIG.models
        for variant in CONFIG.variants(model)
    ]


# Tables and figures


def scores(kind):
    """The score files of all variants of all models."""
    return [
        f"{RESULTS}/scores/{model}/{variant}.{kind}.parquet"
        for model in CONFIG.models
        for variant in CONFIG.variants(model)
    ]


def tables_spec():
    """What tables show beside scores: the order of models and strategies, and published shares."""
    return canonical({**SHOWN, "published": PUBLISHED})


def pruned_models():
    """The models that have masks: all, unless there is no strategy."""
    return list(CONFIG.models) if CONFIG.strategies else []


def table_names():
    """The files of the tables; of published shares only where a model has one."""
    return TABLE_NAMES + (["published.csv"] if PUBLISHED else [])


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
