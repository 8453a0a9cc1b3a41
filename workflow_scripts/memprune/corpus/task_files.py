"""Files that define a task of one's own, in the form of lm-evaluation-harness, as far as they decide it.

They are read here without that library, so that a mistake shows before any job. What they may say is less
than what the library takes: no Python code, since what that does is in no key, and local data by file.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from memprune.bounded import BoundedLoader, read_bounded
from memprune.errors import UserError

SERVED = ("loglikelihood", "multiple_choice")  # output types: what a forced pass can answer
LOCAL = ("arrow", "csv", "json", "parquet", "text")  # `dataset_path` of local files
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")  # of the Hub


@dataclass(frozen=True)
class TaskFile:
    """A task's settings, those of included files among them, and all local files that decide it."""

    config: dict
    files: list[str]

    @property
    def data(self) -> list[str]:
        """The files of its data set, none where that is on the Hub."""
        return data_files(self.config)


class Loader(BoundedLoader):
    """YAML as lm-evaluation-harness reads it, within bounds, but for its tag of Python code."""

    known_tags = ("!function",)


class PythonCodeError(yaml.YAMLError):
    """A file names code that is run."""


def refuse_code(loader: Loader, node: yaml.Node) -> None:
    """Raise PythonCodeError: `!function` imports a module and calls it."""
    raise PythonCodeError


Loader.add_constructor("!function", refuse_code)


def read_task_file(path: str) -> TaskFile:
    """The task that a file defines. Raises UserError, which names the file, when it cannot be served."""
    config, files = read_included(path, ())
    if "task" not in config or not isinstance(config["task"], str) or "group" in config:
        raise UserError(
            f"tasks: found {path}, which defines no single task; expected a key `task` with its name"
        )
    check_kinds(path, config)
    check_served(path, config)
    check_metrics(path, config)
    kwargs, data = config.get("dataset_kwargs") or {}, data_files(config)
    place = str(config.get("dataset_path"))
    local = "custom_dataset" in config or {"data_dir", "cache_dir"} & set(kwargs) or os.path.exists(place)
    if local or not (place in LOCAL or REPOSITORY.fullmatch(place)):
        found = "a local folder" if local else repr(place)
        raise UserError(
            f"tasks: found {path}, whose data set is {found}; allowed: dataset_path {', '.join(LOCAL)} with "
            "its files as dataset_kwargs.data_files, or a data set on the Hub, owner/name"
        )
    for file in data:
        if not os.path.isfile(file):
            raise UserError(f"tasks: found {path}, whose data file is {file}; no such file")
    return TaskFile(config, [*files, *data])


def check_kinds(path: str, config: Mapping) -> None:
    """Raise UserError for a setting that is looked at here and is not of its kind."""
    for key, kind, word in (("dataset_path", str, "text"), ("dataset_kwargs", dict, "mapping")):
        if not isinstance(config.get(key), kind | None):
            found = type(config[key]).__name__
            raise UserError(f"tasks: found {path}, whose {key} is {found}; expected a {word}")


def read_included(path: str, within: tuple[str, ...]) -> tuple[dict, list[str]]:
    """A file's settings over those that it includes, and all these files; `within` are those around it."""
    try:
        own = yaml.load(read_bounded(path), Loader)
    except PythonCodeError:
        raise UserError(
            f"tasks: found {path}, which names Python code (!function); allowed: templates, names of fields"
        ) from None
    except FileNotFoundError:
        raise UserError(f"tasks: found {path}; no such file") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise UserError(f"tasks: found {path}, which cannot be read ({reason})") from None
    if os.path.realpath(path) in map(os.path.realpath, within):
        raise UserError(f"tasks: found {within[0]}, which includes itself")
    if not isinstance(own, dict):
        raise UserError(f"tasks: found {path}, which is no mapping; expected a task of lm-evaluation-harness")
    included = own.pop("include", None) or []
    config, files = {}, [path]
    for name in included if isinstance(included, list) else [included]:
        if not isinstance(name, str):
            raise UserError(f"tasks: found {path}, whose include is {name!r:.80}; expected names of files")
        settings, behind = read_included(str(Path(path).parent / name), (*within, path))
        config |= {key: value for key, value in settings.items() if key != "task_list"}
        files += behind
    return config | own, files


def data_files(config: Mapping) -> list[str]:
    """The local files of a task's data set."""
    named = (config.get("dataset_kwargs") or {}).get("data_files") or []
    if config.get("dataset_path") not in LOCAL:
        return []
    splits = named.values() if isinstance(named, dict) else [named]
    return [str(file) for files in splits for file in (files if isinstance(files, list) else [files])]


def check_served(task: str, config: Mapping) -> None:
    """Raise UserError for a task that a forced pass cannot answer, or that would run code of others."""
    kind = config.get("output_type", "generate_until")
    if kind not in SERVED:
        raise UserError(f"tasks: found {task}, of output_type {kind}; allowed: {', '.join(SERVED)}")
    kwargs = config.get("dataset_kwargs") or {}
    if config.get("unsafe_code") or kwargs.get("trust_remote_code") or "class" in config:
        raise UserError(f"tasks: found {task}, which runs code of its own; allowed: tasks of templates")
    if config.get("doc_to_image") or config.get("doc_to_audio"):
        raise UserError(f"tasks: found {task}, which shows more than text; allowed: tasks of texts")


def check_metrics(path: str, config: Mapping) -> None:
    """Raise UserError for a file whose metrics are no names, or that wants them run from elsewhere."""
    for asked in config.get("metric_list") or ():
        named = isinstance(asked, Mapping) and isinstance(asked.get("metric"), str)
        if not named or "hf_evaluate" in asked:
            raise UserError(
                f"tasks: found {path}, whose metric is {str(asked)[:80]}; allowed: names of metrics of "
                "lm-evaluation-harness"
            )
