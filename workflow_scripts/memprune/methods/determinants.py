"""What decides a change: its key in the store."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from memprune.methods.asked import Asked
from memprune.models.manifest import weights_of
from memprune.store import entries, source_code
from memprune.variants.changes import change_digest

COMPUTING = ("activations", "calibration", "gradients", "retraining")  # inputs of floating point


def determinants_of_change(script: Path, asked: Asked, modules: Sequence[str]) -> dict:
    """All that a script's change depends on beside its level: the code of the method's own `modules`, too.

    Where a model is computed with, its architecture, the device's class and torch's version count; where it
    is trained, that of transformers, too.
    """
    for change in asked.before:
        entries.content(change)  # verified before it is read
    determinants = {
        "source": source_code.digest(script, *modules),
        "weights": weights_of(asked.manifest),
        "before": [change_digest(change) for change in asked.before],
        "settings": dict(asked.settings),
        "level": asked.level,
        **{name: entries.content(path) for name, path in sorted(asked.inputs.items())},
    }
    if any(name in asked.inputs for name in COMPUTING):
        architecture = asdict(asked.manifest.architecture)
        determinants |= {"architecture": architecture, "device": asked.device, "torch": version("torch")}
    if "retraining" in asked.inputs:
        determinants["transformers"] = version("transformers")  # whose model is trained
    return determinants
