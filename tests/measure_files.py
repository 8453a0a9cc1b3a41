"""Files of measures, one a variant and kind, from measures in one frame."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = {"perplexity": {"dataset": "a/b", "data_split": "test", "revision": None, "window": 512}}


def write_measure_files(
    rows: pd.DataFrame, kind: str, folder: Path, evidence: str | None = None
) -> list[Path]:
    """Write each variant's rows with a digest of its evidence, of its own or the same for all."""
    paths = []
    variants = rows.groupby(["model", "strategy", "level", "target"], observed=True, dropna=False)
    for number, (_, own) in enumerate(variants):
        paths.append(folder / f"{number}.{kind}.parquet")
        table = pa.Table.from_pandas(own.astype({"model": str, "strategy": str}), preserve_index=False)
        about = {"evidence": evidence or str(number)}
        pq.write_table(table.replace_schema_metadata(about), paths[-1])
    return paths
