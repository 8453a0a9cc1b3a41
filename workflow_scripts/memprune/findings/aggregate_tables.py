"""The tables that a reader sees, all derived from the measures by sample and by window."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from memprune.findings.frames import in_order, read_parquet
from memprune.findings.memorization_table import memorization_table
from memprune.findings.paired_tests import against_dense, between_strategies
from memprune.findings.paper_layout import as_text, paper_layout
from memprune.findings.perplexity_table import perplexity_table
from memprune.findings.published_table import published_table
from memprune.findings.smallest_drops import smallest_drops


def write_tables(
    memorization_files: Sequence[Path],
    perplexity_files: Sequence[Path],
    models: Sequence[str],
    strategies: Sequence[str],
    published: Mapping[str, float],
    folder: Path,
) -> None:
    """Write all tables into `folder` from the files of measures.

    `published` gives shares of extracted samples to compare dense models with; if it is empty there is no
    table of them. Raises UserError for a file that cannot be read, and where variants of a model were not
    measured on the same samples.
    """

    def read(paths: Sequence[Path]) -> pd.DataFrame:
        measures = pd.concat(map(read_parquet, paths), ignore_index=True)
        return in_order(measures, models, strategies)

    measures = read(memorization_files).astype({"duplicates": "Int64"})  # null: nobody counted
    members, others = measures[measures.split == "member"], measures[measures.split == "non_member"]
    windows = read(perplexity_files)
    memorization, perplexity = memorization_table(members), perplexity_table(windows)
    paired = against_dense(members)
    tables = {
        "memorization": memorization,
        "memorization_non_members": memorization_table(others),
        "memorization_by_duplicates": memorization_table(members, ["duplicates"]),
        "memorization_by_subset": memorization_table(members, ["subset"]),
        "paired": paired,
        "between_strategies": between_strategies(members, windows),
        "power": smallest_drops(memorization, len(paired)),
        "perplexity": perplexity,
    }
    if published:
        tables["published"] = published_table(memorization, published)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    layout = paper_layout(memorization, perplexity)
    layout.to_parquet(folder / "paper_layout.parquet", index=False)
    for kind, suffix in (("markdown", "md"), ("latex", "tex")):
        (folder / f"paper_layout.{suffix}").write_text(as_text(layout, kind))
