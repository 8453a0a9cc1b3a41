"""The file of activations: of every matrix, how large each of its inputs is on calibration text.

A safetensors file with a float32 vector for each matrix, by the matrix' name: the sum of squares of each
input feature over all tokens. Its metadata have `tokens`, how many these were.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from memprune.disk import readable
from memprune.variants.changes import load_tensors


def write_activations(sums: Mapping[str, np.ndarray], tokens: int, path: Path) -> None:
    """Write sums of squares, float32 vectors by matrix, over so many tokens."""
    save_file(dict(sums), path, {"tokens": str(tokens)})


def read_activations(path: Path) -> dict[str, np.ndarray]:
    """The sums of squares of each matrix' inputs, float32. Raises UserError for a damaged file."""
    return load_tensors(path)


def count_tokens(path: Path) -> int:
    """How many tokens the sums are over. Raises UserError for a damaged file."""
    with readable(path), safe_open(path, framework="numpy") as file:
        return int(file.metadata()["tokens"])
