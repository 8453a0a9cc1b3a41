"""What decides a change: its key in the store."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from memprune.methods.asked import Asked
from memprune.models.manifest import weights_of
from memprune.store import entries, source_code
from memprune.variants.changes import change_digest


def determinants_of_change(script: Path, asked: Asked, modules: Sequence[str]) -> dict:
    """All that a change depends on, or what a script gathers: the code of the method's own `modules`, too."""
    for change in asked.before:
        entries.content(change)  # verified before it is read
    determinants = {
        "source": source_code.digest(script, *modules),
        "weights": weights_of(asked.manifest),
        "architecture": asdict(asked.manifest.architecture),
        "before": [change_digest(change) for change in asked.before],
        "settings": dict(asked.settings),
        "level": asked.level,
        **{name: entries.content(path) for name, path in sorted(asked.inputs.items())},
        "device": asked.device,
        "torch": version("torch"),
    }
    if "retraining" in asked.inputs:
        determinants["transformers"] = version("transformers")  # whose model is trained
    return determinants
