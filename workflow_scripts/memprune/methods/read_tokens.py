"""The tokens of texts and samples that methods are given, from their files."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from memprune.corpus.drawn import as_array, filling, read_drawn


def read_texts(path: Path) -> np.ndarray:
    """The tokens of a draw of texts of one length: texts × tokens, int32."""
    return as_array(read_drawn(path)["tokens"])


def read_fitted(path: Path) -> tuple[np.ndarray, int]:
    """The tokens of samples that methods may be fitted to, samples × tokens (int32), of a file of samples.

    They are the longest context and its suffix, and shorter known sequences are left out; beside them stands
    how many tokens the suffix has.
    """
    table = read_drawn(path, ["split"], ["suffix"])
    fitted = filling(table.filter(pc.field("split") == "fitted"))
    return as_array(fitted["tokens"]), int(table.schema.metadata[b"suffix"])
