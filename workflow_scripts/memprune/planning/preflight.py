"""What is wrong with an experiment's files, models or store, as far as it can be seen before any job."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from memprune.config.experiment import Config, Model
from memprune.config.published_figures import read_published
from memprune.disk import existing_part
from memprune.errors import UserError
from memprune.evaluation.fit import check_positions, check_texts
from memprune.methods.training_memory import FINETUNE_BYTES, training_bytes
from memprune.models.alike import check_alike
from memprune.models.checkpoint import check_vocabulary, describe, is_known
from memprune.models.manifest import Checkpoint
from memprune.models.model_config import read_architecture
from memprune.models.tokenizer_checks import check_tokenizer_files, rows_needed, vocabulary_of
from memprune.planning.costs import estimate
from memprune.planning.inputs import check_files, check_names, check_scopes, check_tasks
from memprune.planning.paths import checkpoint_folders, results_of
from memprune.planning.sizes import cached_config, size_of
from memprune.store import entries
from memprune.variants.names import split_variant

LEAST_ROOM = 2**20  # bytes
GIGA = 10**9
PLANNED = (
    "change",
    "memorization",
    "perplexity",
    "membership",
    "concatenated",
    "tasks",
    "perturbed",
    "generation",
    "measures",
    "membership_measures",
    "generation_measures",
)  # kinds of entries in the store


def check_all(config: Config, source: str) -> None:
    """Check the experiment, the published figures, the store and its disk.

    `source` names the configuration in messages. Chooses the store. Raises UserError, which names the key,
    what was found and what is allowed.
    """
    check_experiment(config, source)
    check_memory(config, source)
    read_published()
    folder = entries.choose(config.store)
    check_store(folder)
    check_results(results_of(config))
    check_disk(config, folder, Path(results_of(config)))


def check_experiment(config: Config, source: str) -> None:
    """Check the experiment's files, models and scopes; `source` names the configuration in messages.

    Of a repository it is the configuration, where the Hub's cache has that already. Raises UserError, which
    names the key, model or strategy, what was found and what is allowed.
    """
    try:
        check_files(config)
        check_tasks(config)
        check_names(config)
        for name, model in config.models.items():
            if model.path is not None:
                check_local_model(name, model, config)
            else:
                check_cached_model(name, model, config)
        check_one_tokenizer({name: model.path for name, model in config.models.items() if model.path})
        for variant, folder in checkpoint_folders(config).items():
            check_checkpoint(variant, folder, config)
        check_scopes(config)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def check_local_model(name: str, model: Model, config: Config) -> None:
    """Raise UserError unless the model is whole, long enough for the samples, and its tokenizer fits."""
    try:
        check_lengths(config, describe_whole(model.path, model.roles).architecture.positions)
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from None


def describe_whole(folder: str, roles: Mapping[str, str | None]) -> Checkpoint:
    """Describe a model folder; raises UserError for one that is not whole or lacks a tokenizer that fits."""
    checkpoint = describe(folder, roles)
    check_tokenizer_files(folder)
    check_vocabulary(rows_needed(folder), checkpoint.vocabulary)
    return checkpoint


def check_checkpoint(variant: str, folder: str, config: Config) -> None:
    """Raise UserError unless a folder is every studied model with other weights, as far as files show."""
    strategy, level = split_variant(variant)
    try:
        for name, place in ((name, config.models[name].path) for name in config.studied):
            roles = config.models[name].roles
            checkpoint = describe_whole(folder, roles)
            if place is None:
                continue  # the job says it once the model is fetched
            check_alike(checkpoint, folder, describe(place, roles), place)
            if vocabulary_of(folder) != vocabulary_of(place):
                raise UserError(f"{folder}: found another tokenizer, allowed: that of model {name}")
    except UserError as error:
        raise UserError(f"strategies.{strategy}.checkpoints.{level}: {error}") from None


def check_cached_model(name: str, model: Model, config: Config) -> None:
    """Raise UserError for a repository whose configuration is in the Hub's cache and cannot be used."""
    try:
        content = cached_config(model)
        if content is not None and is_known(content):
            check_lengths(config, read_architecture(content).positions)
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from None


def check_lengths(config: Config, positions: int | None) -> None:
    """Raise UserError when a model's positions are too few for what it is scored on; None: they never are."""
    if positions is None:
        return
    check_positions(config.samples.window, config.samples.perplexity_window, positions)
    if config.concatenated is not None:
        check_texts("concatenated", config.concatenated.window, positions)
    for kind in ("calibration", "retraining"):
        if (text := getattr(config, kind)) is not None:
            check_texts(kind, text.tokens, positions)


def check_one_tokenizer(folders: Mapping[str, str]) -> None:
    """Raise UserError where the files of two local models show that one token has two ids.

    What they do not show, as of a repository, a job says before it takes a device.
    """
    vocabularies = {name: vocabulary_of(folder) for name, folder in folders.items()}
    first, *others = [name for name, vocabulary in vocabularies.items() if vocabulary] or [None]
    for name in others:
        if any(vocabularies[first].get(token, own) != own for token, own in vocabularies[name].items()):
            raise UserError(
                f"models.{name}: its tokenizer is not that of {first}; all models of an experiment must have "
                "one tokenizer"
            )


def check_memory(config: Config, source: str) -> None:
    """Raise UserError for a model that is to be trained on a CPU, in more memory than this machine has.

    Only where the configuration says `cpu`: with `auto`, another machine may have a GPU.
    """
    tuned = [name for name, strategy in config.strategies.items() if strategy.method == "finetune"]
    if config.evaluation.device != "cpu" or not tuned:
        return
    installed = psutil.virtual_memory().total
    for name in config.studied:
        needed = finetuning_bytes(config, name)
        if needed > installed:
            raise UserError(
                f"{source}: strategies.{tuned[0]}: found {installed / GIGA:.1f} GB of memory, needed "
                f"{needed / GIGA:.1f} GB to train model {name}; leave it out, or set evaluation.device: cuda"
            )


def finetuning_bytes(config: Config, model: str) -> int:
    """What it takes to train a model on the retraining text; 0 where the model's size is not known."""
    try:
        architecture = size_of(config.models[model]).architecture
    except UserError:
        return 0
    return training_bytes(architecture, config.retraining.tokens, FINETUNE_BYTES)


def check_store(folder: str) -> None:
    """Raise UserError when the store's folder, or the one that it would be made in, cannot be written."""
    check_writable("store", folder, "; set it with `store` or MEMPRUNE_STORE")


def check_results(folder: str) -> None:
    """Raise UserError when the experiment's folder, or the one it would be made in, cannot be written."""
    check_writable("results", folder)


def check_writable(name: str, folder: str, advice: str = "") -> None:
    """Raise UserError unless a folder can be written, or made where it would be, on a disk with room."""
    existing = existing_part(folder)
    allowed = f"allowed: a folder on a disk with room that can be written{advice}"
    if not existing.is_dir():
        raise UserError(f"{name}: found {folder}, where {existing} is no folder; {allowed}")
    if not os.access(existing, os.W_OK):
        raise UserError(f"{name}: found {folder}, which is read-only; {allowed}")
    if shutil.disk_usage(existing).free < LEAST_ROOM:
        raise UserError(f"{name}: found {folder}, on a full disk; {allowed}")


def check_disk(config: Config, folder: str, results: Path) -> None:
    """Raise UserError when the changes and scores that are still to come do not fit the store's disk.

    Models of unknown size are left out: how much they take shows when they are fetched. What the store holds
    is taken for these changes and scores, whosever it is: work that would only link is never refused.
    """
    existing = existing_part(folder)
    free, needed = shutil.disk_usage(existing).free, bytes_to_come(config, results)
    if needed > free:
        needed -= sum(entry.size for entry in entries.all_entries() if entry.name.split("/")[0] in PLANNED)
    if needed > free:
        raise UserError(
            f"store: changes and scores need {needed / GIGA:.1f} GB, {existing} has {free / GIGA:.1f} GB "
            "free; set another folder with `store` or MEMPRUNE_STORE, or leave out models or levels"
        )


def bytes_to_come(config: Config, results: Path) -> int:
    """What the plan says of changes and scores, without what the results have already."""
    planned = 0
    for name in config.models:
        with suppress(UserError):
            cost = estimate(name, config)
            planned += cost.change_bytes + cost.score_bytes
    present = [
        path
        for kind in ("changes", "scores", "measures")
        for path in (results / kind).glob("*/*")
        if path.is_file()
    ]
    return planned - sum(path.stat().st_size for path in present)
