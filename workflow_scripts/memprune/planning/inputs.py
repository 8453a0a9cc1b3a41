"""What a configuration asks of files and models that cannot be had, as far as names and sizes show it.

Nothing is opened but a model's configuration and files that define tasks: this is looked at before every run.
"""

import re
from pathlib import Path

from memprune.config.corpora import ENDINGS
from memprune.config.experiment import Config
from memprune.config.values import task_name
from memprune.corpus.task_files import read_task_file
from memprune.errors import UserError
from memprune.models.model_files import input_files
from memprune.planning.draws import SPLITS, corpus_of, counts_files, draw_files
from memprune.planning.paths import checkpoint_folders, task_files, task_names
from memprune.planning.sizes import size_of
from memprune.variants.computed_here import check_decoder

# Draws that between them read all splits that any reads.
READ = ("member", "perplexity", "non_member", "calibration")
# Inputs of methods that take text through a model.
COMPUTED = {
    "activations": "a method that weighs inputs",
    "gradients": "a method that takes gradients",
    "calibration": "a method that solves by calibration text",
    "retraining": "finetuning",
}
TASK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


def check_files(config: Config) -> None:
    """Raise UserError unless all local files that samples are drawn from are there.

    The message names the key, what was found and what is allowed. Of splits that nothing is drawn from no
    file is needed.
    """
    for kind in SPLITS:
        corpus, split = corpus_of(config, kind)
        key = "corpus" if corpus is config.corpus else "held_out"
        if corpus.source == "files":
            for file in getattr(corpus, split):
                check_file(f"{key}.{split}", file)
        elif corpus.source == "sequences" and corpus.dataset is None:
            for file in corpus.files or ():
                check_file(f"{key}.files", file)
            for file in corpus.arrays or ():
                check_file(f"{key}.arrays", file, (".npy",))
        elif corpus.source in ("hub", "tokens", "sequences"):
            pattern = corpus.files if corpus.source == "tokens" else "*"
            check_folder(f"{key}.dataset", corpus.dataset, pattern)
    for file in counts_files(config):
        check_file("corpus.counts", file)


def check_tasks(config: Config) -> None:
    """Raise UserError unless every task has a name that files can have, and those of one's own can be read.

    Whether lm-evaluation-harness knows a name shows when the task is prepared.
    """
    for task in config.tasks or ():
        if not TASK_NAME.fullmatch(task_name(task)):
            raise UserError(
                f"tasks: found {task}; allowed: a task of lm-evaluation-harness, or a file that ends in "
                ".yaml, whose name has letters, digits and . _ + - only"
            )
        if task.endswith(".yaml"):
            read_task_file(task)


def check_names(config: Config) -> None:
    """Raise UserError for a local file that a job would read and Snakemake cannot: one with braces."""
    models = [model.path for model in config.models.values() if model.path is not None]
    folders = [*models, *checkpoint_folders(config).values()]
    for file in (
        *(str(file) for folder in folders for file in input_files(folder)),
        *(file for task in task_names(config) for file in task_files(config, task)),
        *(file for kind in READ for file in draw_files(config, kind)),
        *counts_files(config),
    ):
        if "{" in file or "}" in file:
            raise UserError(
                f"found {file!r}, allowed: names without braces, which are wildcards to Snakemake; rename it"
            )


def check_file(key: str, file: str, endings: tuple[str, ...] = ENDINGS) -> None:
    """Raise UserError unless a file exists, is a file and has a known ending."""
    place = Path(file)
    if not place.exists():
        raise UserError(f"{key}: found {file}; no such file")
    if not place.is_file():
        raise UserError(f"{key}: found {file}, which is a folder; give the files in it one by one")
    if not file.endswith(endings):
        raise UserError(f"{key}: found {file}, of unknown ending; allowed: {', '.join(endings)}")


def check_folder(key: str, dataset: str, pattern: str) -> None:
    """Raise UserError unless a data set that is meant to be a local folder is one, with a file to read.

    What does not begin as a path is a repository of the Hub where no such folder is.
    """
    place = Path(dataset)
    if place.is_file():
        raise UserError(
            f"{key}: found {dataset}, which is a file; allowed: a folder, or owner/name on the Hub"
        )
    if not place.is_dir() and dataset.startswith(("/", "./", "../")):
        raise UserError(f"{key}: found {dataset}; no such folder")
    if place.is_dir() and next(place.glob(pattern), None) is None:
        raise UserError(f"{key}: found {dataset}, where nothing matches {pattern}")


def check_scopes(config: Config) -> None:
    """Raise UserError when a model lacks what a strategy changes, as far as the model's size is known."""
    for name in config.studied:
        try:
            size = size_of(config.models[name])
        except UserError:
            continue  # it is not known before the model is fetched
        for key, strategy in config.strategies.items():
            for kind in COMPUTED.keys() & set(strategy.inputs):
                check_decoder(size.architecture, name, f"strategies.{key}", COMPUTED[kind])
            strategy.check_fit(size.architecture, name, key, config.levels(name, key))
