"""The states that the experiment of a soak may be in, and the results of each from scratch."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch
import yaml
from forked_jobs import let_fork
from project import EXPERIMENT, copy_project, lay_out
from safetensors.torch import load_file, save_file

from memprune.disk import sha256_of

GLOBAL = {"global": {"levels": [0.3]}}
CONFIGURATIONS = {
    "as at first": {},
    "another level": {"strategies": {"global": {"levels": [0.3, 0.5]}}},
    "more samples": {"samples": EXPERIMENT["samples"] | {"members": 8}},
    "a strategy renamed": {"strategies": {"everywhere": {"levels": [0.3]}}},
    "a strategy added": {"strategies": GLOBAL | {"first-25": {"layers": "first 25 %", "levels": [0.3]}}},
    "a model added": {"models": {"small": {"path": "models/small"}, "large": {"path": "models/large"}}},
}
# The second experiment shares the folder and the store with the first.
SECOND = {"experiment": "second", "strategies": {"all": {"levels": [0.5]}, **GLOBAL}}
LIBRARY = "workflow_scripts/memprune"
CODES = {
    "as at first": None,
    "a comment": (f"{LIBRARY}/scoring/forced_pass.py", "", "\n# The end.\n"),
    "a constant": (f"{LIBRARY}/findings/intervals.py", "RESAMPLES = 199", "RESAMPLES = 99"),
    "evidence": (f"{LIBRARY}/scoring/forced_pass.py", "", "\nUNUSED = 1\n"),
}
WEIGHTS = ["as at first", "flipped"]
RENDERED = "report.html"  # tells when it was rendered
UNFINISHED = (".tmp", ".damaged")
# For more jobs in a minute, and so that links into the store are tried, too.
SMALLER = {
    f"{LIBRARY}/findings/intervals.py": ("RESAMPLES = 1999", "RESAMPLES = 199"),
    f"{LIBRARY}/figures/style.py": ("dpi=160", "dpi=40"),
    f"{LIBRARY}/store/entries.py": ("COPIED = 10**6", "COPIED = 4000"),
}


@dataclass(frozen=True)
class State:
    """What decides the results: the configuration, the code and a model's weights."""

    configuration: str = "as at first"
    code: str = "as at first"
    weights: str = "as at first"

    def changed(self, chance: Random) -> "State":
        """This state with one of the three changed."""
        choices = {"configuration": CONFIGURATIONS, "code": CODES, "weights": WEIGHTS}
        part = chance.choice(list(choices))
        return replace(self, **{part: chance.choice([c for c in choices[part] if c != getattr(self, part)])})


class Project:
    """A copy of the project with the experiment, in a state that can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        copy_project(folder)
        lay_out(folder)
        let_fork(folder)
        for file, (old, new) in SMALLER.items():
            (folder / file).write_text((folder / file).read_text().replace(old, new))
        self.given = yaml.safe_load((folder / "tiny.yaml").read_text())
        self.given |= {"models": {"small": {"path": "models/small"}}, "strategies": GLOBAL}
        self.code = {file: (folder / file).read_text() for file, _, _ in filter(None, CODES.values())}
        self.model = folder / "models/small/model.safetensors"
        self.weights = {"as at first": self.model.read_bytes(), "flipped": self.flipped()}
        (folder / "second.yaml").write_text(yaml.safe_dump(self.given | SECOND, sort_keys=False))
        self.become(State())

    def flipped(self) -> bytes:
        weights, other = load_file(self.model), self.model.with_name("other")
        name = next(name for name, tensor in sorted(weights.items()) if tensor.ndim == 2)
        save_file(weights | {name: torch.flip(weights[name], (0,))}, other, {"format": "pt"})
        content = other.read_bytes()
        other.unlink()
        return content

    def become(self, state: State) -> None:
        """Edit what is not so already."""
        self.state = state
        content = self.given | CONFIGURATIONS[state.configuration]
        edited = {"tiny.yaml": yaml.safe_dump(content, sort_keys=False), **self.code}
        if change := CODES[state.code]:
            file, old, new = change
            edited[file] = edited[file].replace(old, new) if old else edited[file] + new
        for file, text in edited.items():
            if (self.folder / file).read_text() != text:
                (self.folder / file).write_text(text)
        if self.model.read_bytes() != self.weights[state.weights]:
            self.model.write_bytes(self.weights[state.weights])

    def clear(self) -> None:
        """Delete all that runs have made."""
        for name in ("results", ".snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def result_files(folder: Path, experiment: str) -> Iterator[Path]:
    """The results of an experiment: no logs, no benchmarks, nothing unfinished or set aside."""
    for path in sorted((folder / "results" / experiment).rglob("*")):
        skipped = {"logs", "benchmarks"} & set(path.parts) or path.name.endswith(UNFINISHED)
        if not skipped and not path.is_dir():
            yield path


def contents(folder: Path, experiment: str) -> dict[str, str]:
    """The SHA-256 of each result, but for what tells a time."""
    files = [path for path in result_files(folder, experiment) if path.name != RENDERED and path.exists()]
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}
