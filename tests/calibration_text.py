"""Token ids as a draw of calibration text."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write_calibration(path: Path, tokens: np.ndarray, tokenizer: str = "") -> Path:
    """Write token ids, texts × tokens, as a draw of calibration text for a tokenizer of this fingerprint."""
    flat = pa.array(tokens.ravel(), pa.int32())
    table = pa.table({"tokens": pa.FixedSizeListArray.from_arrays(flat, tokens.shape[1])})
    pq.write_table(table.replace_schema_metadata({"tokenizer": tokenizer}), path)
    return path
