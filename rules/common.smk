"""The checked configuration, and what only a Snakefile can do: what rules compute is in `memprune.planning`."""

import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.utils import update_config

# Not `workflow.basedir`: where this is a module of another workflow, that is the other's folder.
if not workflow.current_basedir.is_local:
    sys.exit(
        "error: memprune runs its scripts from its folder: clone it, and give the module its Snakefile's path"
    )
PROJECT = Path(workflow.current_basedir).parent
SCRIPTS = PROJECT / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from memprune.config import experiment as configuration
from memprune.config.yaml_file import read_yaml
from memprune.devices.allocator import GLIBC_TUNABLES
from memprune.devices.choice import device_class
from memprune.devices.gpus import find_gpus, given_by_slurm
from memprune.errors import UserError
from memprune.evaluation.text_kinds import KINDS
from memprune.jobs.arguments import option
from memprune.jobs.display import set_display
from memprune.jobs.failures import print_at_exit
from memprune.jobs.shell_words import check_folders, escaped
from memprune.models.model_files import input_files
from memprune.planning import change_resources, params, paths, resources
from memprune.planning.categories import category
from memprune.planning.damaged import damaged_results, unlink_lost
from memprune.planning.draws import (
    SPLITS,
    all_draws,
    counts_files,
    draw_files,
    draws_left_out,
    draws_unlike,
    fitted_draws,
    member_draws,
    non_member_draws,
    perplexity_draw,
    text_draw,
)
from memprune.planning.leftovers import leftovers
from memprune.planning.method_inputs import method_inputs, uses_device
from memprune.planning.params import source
from memprune.planning.parts import parts_of, scores_itself
from memprune.planning.preflight import check_all
from memprune.planning.sizes import assumed_sizes
from memprune.planning.stale import changed_sources, set_back, stale_results
from memprune.planning.tables import quantities_drawn, table_names, tables_in_words
from memprune.store import entries


def given_config():
    """What the experiment is, and the words that say where that stands.

    It is the files given by --configfile, else the default one; then --config. As a module it is the `config` of
    the outer workflow's `module` statement alone.
    """
    if not workflow.modifier.is_main_snakefile():
        if (moved := workflow.modifier.path_modifier.replace_prefix("results/")) != "results/":
            # Jobs are told paths in their parameters, too, where Snakemake does not change them.
            raise UserError(
                f"module {__name__}: prefix or replace_prefix: found {moved} for results/, allowed: none"
            )
        return config, f"module {__name__}"
    if not workflow.configfiles:
        content = read_yaml(PROJECT / "config/embedded.yaml")
        update_config(content, config)
        return content, "config/embedded.yaml"
    for path in map(str, workflow.configfiles):
        if not path.endswith(".json"):
            read_yaml(path)  # says what Snakemake's own reading lets pass
    return config, ", ".join(map(os.path.relpath, workflow.configfiles))


def read_config():
    """The checked configuration.

    Local models, as far as their configuration and headers show, and the store are checked before any job
    starts.
    """
    try:
        check_folders(SCRIPTS, Path(sys.executable).parent)
        content, source = given_config()
        checked = configuration.check(content, source)
        check_all(checked, source)
        return checked
    except UserError as error:
        sys.exit(f"error: {error}")


CONFIG = read_config()
RESULTS = paths.results_of(CONFIG)
TABLES = f"{RESULTS}/tables"
FIGURES = f"{RESULTS}/figures"
FIRST_MODEL = next(iter(CONFIG.models))  # its tokenizer is the experiment's
PRUNED_MODELS = CONFIG.studied if paths.pruning(CONFIG) else []
SIZES = assumed_sizes(CONFIG)
# To describe a model that stands for a variant: those that are studied have its size.
CHECKPOINT = resources.resolve_model(SIZES[CONFIG.studied[0]], 1)

# As many jobs score at one time as this machine has GPUs; `--resources gpu=N` goes before. A cluster's profile
# has that option, since the machine that submits may have none; a job there does not see it, and must ask for the
# same as the run that submitted it.
if given := given_by_slurm():
    workflow.global_resources.setdefault("gpu", given)
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
    f" GLIBC_TUNABLES={GLIBC_TUNABLES} PATH={escaped(FOLDERS)}:$PATH; "
)


def one_of(names):
    """A pattern of exactly these names; of none if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


LEVEL = r"0\.\d+|1\.0|\d(\.\d+)?e-\d+|\d+"  # a level that is given
TARGET = r"perplexity\+[\d.e-]+"  # a level that is found


wildcard_constraints:
    draw=rf"({one_of(SPLITS)})-\d+-\d+",
    model=one_of(CONFIG.models),
    strategy=one_of(CONFIG.strategies),
    level=rf"{LEVEL}|{TARGET}",
    variant=rf"dense|({one_of(CONFIG.strategies)})@({LEVEL}|{TARGET})",
    part=r"\d+",
    kind=one_of(CONFIG.text_kinds),
    task=one_of(paths.task_names(CONFIG)),
    quantity="sparsity|removed|bytes|perplexity",


def shown_table(name, ending):
    """A table's file, as `snakemake --report` shows it."""
    return report(
        f"{TABLES}/{name}.{ending}",
        caption=f"../report/tables/{name}.rst",
        category=category(name),
        subcategory="Tables",
        labels={"table": name.replace("_", " ")},
    )


def shown_figure(name, caption, category, **labels):
    """A figure's two files, of which `snakemake --report` shows the SVG."""
    files = paths.figure(FIGURES, name)
    svg = report(
        files["svg"],
        caption=f"../report/figures/{caption}.rst",
        category=category,
        subcategory="Figures",
        labels={"figure": caption.replace("_", " "), **labels},
    )
    return files | {"svg": svg}


def of_model(choose):
    """`choose(size)` of a job's model, as threads or group: see `memprune.planning.resources`."""
    return lambda wildcards: choose(SIZES[wildcards.model])


def asked(estimate):
    """The memory and runtime of a rule's jobs: `estimate(size, threads)` is of `memprune.planning.resources`."""

    def at(wildcards, threads, attempt):
        return estimate(SIZES[wildcards.model], threads).at(attempt)

    return {
        "mem_mb": lambda wildcards, threads, attempt: at(wildcards, threads, attempt).memory,
        "runtime": lambda wildcards, threads, attempt: at(wildcards, threads, attempt).runtime,
    }


def variant_of(wildcards):
    """The name of the variant that a job makes."""
    return f"{wildcards.strategy}@{wildcards.level}"


def inputs_of(wildcards):
    """The files that a variant's change is made from, by the names of the method's inputs."""
    return method_inputs(CONFIG, wildcards.model, variant_of(wildcards))


def in_chain(name, before):
    """The group of a small model's jobs, one for each number of changes that they stand after.

    Of two of a chain the later may wait for what another rule gathers of the earlier one's variant, and a group
    may not wait for a job that waits for it.
    """

    def group(wildcards):
        count = len(before(CONFIG, wildcards.model, wildcards.get("variant") or variant_of(wildcards)))
        return resources.group(f"{name}-after-{count}" if count else name)(SIZES[wildcards.model])

    return group


def asked_by(estimate):
    """The memory and runtime of jobs on a strategy: `estimate(strategy, size, threads, GPU, CONFIG)`."""

    def at(wildcards, threads, attempt):
        return estimate(wildcards.strategy, SIZES[wildcards.model], threads, GPU, CONFIG).at(attempt)

    return {
        "mem_mb": lambda wildcards, threads, attempt: at(wildcards, threads, attempt).memory,
        "runtime": lambda wildcards, threads, attempt: at(wildcards, threads, attempt).runtime,
    }


def tell_made_again(results):
    """Name one of some results that are made again, with the reason in words, and count the others."""
    if results:
        path, why = next(iter(results.items()))
        more = f"; and {len(results) - 1} more" if len(results) > 1 else ""
        print(f"made again: {path} ({why}){more}", file=sys.stderr)


LEFTOVERS = leftovers(Path(RESULTS), CONFIG)
if LEFTOVERS and workflow.is_main_process:
    print(LEFTOVERS, file=sys.stderr)
if workflow.is_main_process:
    try:
        tell_made_again(dict.fromkeys(unlink_lost(Path(RESULTS)), "lost from the store"))
    except UserError as error:
        sys.exit(f"error: {error}")


def in_words(rule):
    """What a rule's jobs do, by its docstring, else its name."""
    return workflow.get_rule(rule).docstring or rule.replace("_", " ")


def asks_for_bars(settings):
    """Whether a user who has a terminal asked for no less than the course of the jobs, and for no more."""
    less = {Quietness.ALL, Quietness.PROGRESS, Quietness.RULES} & set(settings.quiet or ())
    return not (less or settings.dryrun or settings.verbose)


# A workflow that uses this one as a module shows itself as it likes.
if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    set_display(logger, asks_for_bars(workflow.output_settings), in_words)
