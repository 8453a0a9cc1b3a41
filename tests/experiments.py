"""Configurations of experiments: the embedded one with a key changed, and small ones on one model."""

import copy
from pathlib import Path

import yaml

from memprune.config.experiment import Config, check

ROOT = Path(__file__).parents[1]

EMBEDDED = yaml.safe_load((ROOT / "config/embedded.yaml").read_text())


def changed(path: str, value) -> dict:
    """The embedded configuration with one key set."""
    content = copy.deepcopy(EMBEDDED)
    *parents, last = path.split("/")
    part = content
    for parent in parents:
        part = part.setdefault(parent, {})
    part[last] = value
    return content


def local_experiment(folder: Path, **changed) -> Config:
    """A small experiment on one local model."""
    content = {
        "experiment": "tiny",
        "corpus": {"source": "embedded"},
        "samples": {"context_lengths": [20, 50], "suffix": 20, "perplexity_window": 64},
        "models": {"tiny": {"path": str(folder)}},
        "strategies": {"global": {"levels": [0.3]}},
    }
    return check(content | changed, "my.yaml")


def experiment(repo: str = "a/b", **evaluation) -> Config:
    """A small experiment on a model of the Hub, with settings of its evaluation."""
    content = {
        "experiment": "e",
        "corpus": {"source": "embedded"},
        "models": {"m": {"repo": repo}},
        "strategies": {"global": {"levels": [0.3]}},
        "evaluation": evaluation,
    }
    return check(content, "test")
