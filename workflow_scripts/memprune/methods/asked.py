"""What a method is asked for: the change that a strategy makes of a model at a level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memprune.models.manifest import Manifest


@dataclass(frozen=True)
class Asked:
    """A model, the chain of changes that the new one stands after, and the strategy's settings.

    A method is a module of `memprune.methods` with a function `make(asked, path)`, which writes the change
    into a file. It reads weights by `weights_of_variant(asked.manifest, asked.before)`, and what it needs
    beside from files: `inputs` has them by name, as the configuration's `inputs` of the method lists them.
    """

    manifest: Manifest
    settings: Mapping  # JSON values
    level: float
    strategy: str  # its name, for messages
    before: Sequence[Path] = ()
    inputs: Mapping[str, Path] = field(default_factory=dict)
    threads: int = 1
    device: str = "cpu"  # the class of device: cpu or cuda
    unfinished: Path | None = None  # a folder for what the job would go on from if it were killed


def paths_by_name(given: Sequence[str]) -> dict[str, Path]:
    """Inputs as a command line gives them, a name and a path each: `activations=results/…`."""
    return {name: Path(path) for name, _, path in (word.partition("=") for word in given)}
