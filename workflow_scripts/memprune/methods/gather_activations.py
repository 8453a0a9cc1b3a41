"""Gather activations: one pass of calibration text through a variant serves all methods that weigh inputs."""

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import torch

from memprune.errors import UserError
from memprune.methods.activations import write_activations
from memprune.methods.asked import Asked
from memprune.methods.layerwise import States, open_source, read_texts, seen_as
from memprune.scoring.variant_model import Source, read_layer


def gather_activations(asked: Asked, path: Path) -> None:
    """Write the activations (see `memprune.methods.activations`) of the weights that `asked.before` makes.

    All is computed in float32, the squares of a batch are summed in it, and batches in float64, so that a sum
    is as exact as its last rounding whatever the number of texts. Raises UserError when a sum is not finite.
    """
    source, tokens = open_source(asked), read_texts(asked.inputs["calibration"], asked.manifest)
    sums: dict[str, np.ndarray] = {}
    with TemporaryFile(dir=path.parent) as file:
        states = States(source, tokens, file)
        layers = source.architecture.layers
        for number in range(layers):
            seen = sums_of_layer(states, source, number)
            for matrix in asked.manifest.matrices:
                if matrix.layer == number:
                    sums[matrix.name] = seen[seen_as(matrix.role)]
                    check_finite(sums[matrix.name], matrix.name, asked)
            print(f"layer {number + 1} of {layers}", flush=True)
    write_activations(sums, tokens.size, path)


def sums_of_layer(states: States, source: Source, number: int) -> dict[str, np.ndarray]:
    """Take the states through a layer; the sums of squares of its linear maps' inputs, by the maps' names."""
    sums: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros((), dtype=torch.float64))

    def add(linear: str, rows: torch.Tensor) -> None:
        sums[linear] = sums[linear] + rows.square().sum(dim=0).double().cpu()

    states.advance(read_layer(source, number), add)
    return {linear: total.float().numpy() for linear, total in sums.items()}


def check_finite(sums: np.ndarray, name: str, asked: Asked) -> None:
    """Raise UserError when a sum of squares is not finite."""
    if not np.isfinite(sums).all():
        raise UserError(
            f"models.{asked.manifest.model}, variant {asked.strategy}: found inputs of {name} that are no "
            "numbers, or whose squares exceed float32; expected finite ones"
        )
