"""A task of lm-evaluation-harness as texts that a variant is scored on: a row a request.

The library builds the task and its requests, as it does when it evaluates a model; its cache of requests is
not used. A row has `task`, `item` (the library's `doc_id`), `request` (within the item), `tokens` (context
and continuation), `scored` (how many of them, at the end, are the continuation) and `doc`, the item as JSON,
at its first request. The metadata's `task` says what defines the task, and where its items come from.
"""

import difflib
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import lm_eval
import numpy as np
import pyarrow as pa
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import httpx
from lm_eval.api.task import ConfigurableTask
from lm_eval.defaults import DEFAULT_OTHER_SEED, DEFAULT_RANDOM_SEED
from lm_eval.tasks import TaskManager
from lm_eval.utils import set_torch_seed
from transformers import PreTrainedTokenizerFast

from memprune.corpus.request_tokens import request_tokens
from memprune.corpus.task_code import forbid_code, unknown_metrics
from memprune.corpus.task_files import check_served, data_files
from memprune.errors import UserError
from memprune.models.hub_contact import one_line

FOLDER = Path(lm_eval.__file__).parent / "tasks"
NO_NETWORK = (ConnectionError, OfflineModeIsEnabled, LocalEntryNotFoundError, httpx.TransportError)
NAMED = 5  # members of a group that a message lists


def prepare_named(name: str, tokenizer: PreTrainedTokenizerFast) -> tuple[pa.Table, dict]:
    """The requests of a task that the library has, and what is said of them. Raises UserError."""
    manager = TaskManager()
    entry = manager.task_index.get(name)
    if entry is None:
        nearest = difflib.get_close_matches(name, manager.all_subtasks, n=NAMED, cutoff=0.0)
        raise UserError(f"tasks: found {name}; no such task; nearest known: {', '.join(nearest)}")
    if entry.kind.name in ("GROUP", "TAG"):
        members = sorted(entry.tags) or [str(member) for member in members_of(entry.cfg or {})]
        more = f" and {len(members) - NAMED} more" if len(members) > NAMED else ""
        raise UserError(
            f"tasks: found {name}, a group of tasks; allowed: single ones: {', '.join(members[:NAMED])}{more}"
        )
    check_served(name, entry.cfg)
    definition = {"yaml": str(entry.yaml_path.relative_to(FOLDER))}
    return prepare(name, manager, name, definition, tokenizer)


def members_of(group: Mapping) -> Iterator[str]:
    """The names of a group's tasks and groups."""
    for member in group.get("task", []):
        yield member if isinstance(member, str) else member.get("task") or member.get("group")


def prepare_own(
    name: str, config: Mapping, cache: Path, tokenizer: PreTrainedTokenizerFast
) -> tuple[pa.Table, dict]:
    """The requests of a task of one's own, and what is said of them. Raises UserError.

    `cache` is a folder for what is made from local data: the library's own cache goes by the files' times.
    """
    if unknown := unknown_metrics(config):
        raise UserError(
            f"tasks: found {name}, whose metric is {unknown[0]}; allowed: those of lm-evaluation-harness, "
            "which would run the code of others for another"
        )
    kwargs = dict(config.get("dataset_kwargs") or {})
    if data_files(config):
        kwargs["cache_dir"] = str(cache)
    manager = TaskManager(include_defaults=False)
    return prepare(name, manager, {**config, "dataset_kwargs": kwargs}, {"config": config}, tokenizer)


def prepare(
    name: str, manager: TaskManager, spec: str | dict, definition: Mapping, tokenizer: PreTrainedTokenizerFast
) -> tuple[pa.Table, dict]:
    """The requests of a task that is loaded by its name or settings."""
    task = load(name, manager, spec)
    try:
        task.build_all_requests(fewshot_as_multiturn=True)
        pairs = request_tokens(task.instances, tokenizer)
        table = as_table(name, task, pairs)
    except Exception as error:
        raise UserError(f"tasks: found {name}, whose requests cannot be built ({one_line(error)})") from None
    about = {
        "definition": definition,
        "lm_eval": version("lm_eval"),
        "dataset": task.DATASET_PATH,
        "subset": task.DATASET_NAME,
        "revision": revision_of(task),
        "split": task.config.test_split or task.config.validation_split,
        "items": len(set(table["item"].to_pylist())),
        "fewshot": task.config.num_fewshot,
        "higher_is_better": {str(metric): better for metric, better in task.higher_is_better().items()},
    }
    return table, about


def load(name: str, manager: TaskManager, spec: str | dict) -> ConfigurableTask:
    """The task with its data set, seeded as the library seeds an evaluation, whose tasks may draw by these.

    Raises UserError.
    """
    forbid_code()
    random.seed(DEFAULT_RANDOM_SEED)
    np.random.seed(DEFAULT_OTHER_SEED)  # noqa: NPY002
    set_torch_seed(DEFAULT_OTHER_SEED)
    try:
        [task] = manager.load([spec])["tasks"].values()
    except Exception as error:
        if is_unreachable(error):
            raise UserError(
                f"tasks: found {name}, whose data set is neither here nor can the Hub be reached; prepare it "
                "on a machine with network, with the same HF_HOME"
            ) from None
        raise UserError(f"tasks: found {name}, which cannot be loaded ({one_line(error)})") from None
    if task.get_config("num_fewshot") is None:
        task.set_config("num_fewshot", 0)
    task.set_fewshot_seed(DEFAULT_OTHER_SEED)
    return task


def is_unreachable(error: BaseException | None) -> bool:
    """Whether a failure, or what it came from, is that of a network that is not there."""
    while error is not None:
        if isinstance(error, NO_NETWORK):
            return True
        error = error.__cause__ or error.__context__
    return False


def revision_of(task: ConfigurableTask) -> str | None:
    """The commit of the Hub's data set, by which datasets names its cache's folder; None of local files."""
    files = next(iter(task.dataset.values())).cache_files
    folder = Path(files[0]["filename"]).parent.name if files else ""
    return folder if re.fullmatch("[0-9a-f]{40}", folder) else None


def as_table(name: str, task: ConfigurableTask, pairs: Sequence[tuple[list[int], list[int]]]) -> pa.Table:
    """The rows of a task's requests, in the order of its items and of the requests of each."""
    rows = [
        {
            "task": name,
            "item": request.doc_id,
            "request": request.idx,
            "tokens": [*context, *continuation],
            "scored": len(continuation),
            "doc": json.dumps(request.doc) if request.idx == 0 else None,
        }
        for request, (context, continuation) in zip(task.instances, pairs, strict=True)
    ]
    types = {"item": pa.int32(), "request": pa.int32(), "tokens": pa.list_(pa.int32()), "scored": pa.int32()}
    fields = [pa.field(column, types.get(column, pa.string())) for column in rows[0]]
    return pa.Table.from_pylist(rows, pa.schema(fields))
