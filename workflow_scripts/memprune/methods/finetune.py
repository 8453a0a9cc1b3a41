"""Finetune: a variant is trained further on retraining text; what was removed of it stays zero."""

from pathlib import Path

import numpy as np
import torch

from memprune.errors import UserError
from memprune.methods.asked import Asked
from memprune.methods.read_tokens import read_texts
from memprune.methods.removed import removed_weights
from memprune.methods.trainable import load_trainable, take_device
from memprune.methods.training_loop import Recipe, train
from memprune.methods.training_memory import FINETUNE_BYTES, training_bytes
from memprune.models.weights import BYTES
from memprune.variants.changes import About, write_change
from memprune.variants.floats import to_bits, to_float32
from memprune.variants.weights_of_variant import weights_of_variant


def make(asked: Asked, path: Path) -> None:
    """Train for `level` steps and write the weights that have changed, in the dtypes of the checkpoint's.

    Weights are float32 while they are trained, and rounded at the end. Raises UserError when the model does
    not fit the device, and for losses or weights that are not finite.
    """
    recipe, what = Recipe(**asked.settings, steps=int(asked.level)), f"strategies.{asked.strategy}"
    texts = read_texts(asked.inputs["retraining"])
    needed = training_bytes(asked.manifest.architecture, texts.shape[1], FINETUNE_BYTES)
    device = take_device(asked.device, asked.threads, needed, what)
    trainable = load_trainable(asked.manifest, asked.before, device)
    removed = removed_weights(asked.manifest, asked.before)
    train(trainable, removed, texts, recipe, what, asked.unfinished)
    trained = {name: parameter.data for name, parameter in trainable.parameters.items()}
    write_values(asked, trained, {name: int(own.sum()) for name, own in removed.items()}, path)


def write_values(asked: Asked, trained: dict[str, torch.Tensor], removed: dict[str, int], path: Path) -> None:
    """Write the tensors of which a bit has changed, of which so many weights are `removed`."""
    before = weights_of_variant(asked.manifest, asked.before)

    def rounded(name: str) -> np.ndarray:
        dtype = before.tensors[name].dtype
        with np.errstate(over="ignore"):
            bits = to_bits(trained[name].cpu().numpy(), dtype)
        if not np.isfinite(to_float32(bits, dtype)).all():
            raise UserError(
                f"strategies.{asked.strategy}: found a weight of {name} that is not finite in {dtype} after "
                "training; try a lower learning_rate"
            )
        return bits

    changed = sorted(name for name in trained if not np.array_equal(rounded(name), before.bits(name)))
    tensors = {name: before.tensors[name] for name in changed}
    about = About(
        kind="values",
        settings=asked.settings,
        level=asked.level,
        fingerprint=asked.manifest.fingerprint,
        shapes={name: tensor.shape for name, tensor in tensors.items()},
        remaining={name: tensor.size - removed.get(name, 0) for name, tensor in tensors.items()},
        storage={name: (8 * BYTES[tensor.dtype], 0) for name, tensor in tensors.items()},
    )
    write_change(about, ((name, rounded(name).ravel()) for name in changed), path)
