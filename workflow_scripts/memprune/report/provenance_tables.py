"""Where numbers are from and what they cost, as data for the page."""

from pathlib import Path

import pandas as pd

from memprune.report.blobs import columns
from memprune.report.provenance import provenance
from memprune.report.rule_costs import rule_costs
from memprune.report.saved_seconds import saved_seconds
from memprune.results import Results

# Files that numbers of the page are from, each kind before what it was made from.
FILES = (
    "findings.md", "tables/*.csv", "tables/*.parquet", "measures/*/*.parquet", "scores/*/*.parquet",
    "changes/*/*.safetensors", "models/*/manifest.json", "samples/**/*.parquet",
)  # fmt: skip


def provenance_tables(own: Results) -> dict:
    """The frames `files`, `costs` and `saved` of an experiment's results."""
    return {
        "files": columns(with_names(provenance(own.folder, files_of(own.folder)))),
        "costs": columns(rule_costs(own.folder)),
        "saved": columns(saved_seconds(own.folder)),
    }


def files_of(folder: Path) -> list[Path]:
    """The files of results that numbers of the page are from."""
    return [path for pattern in FILES for path in sorted(folder.glob(pattern))]


def with_names(files: pd.DataFrame) -> pd.DataFrame:
    """The table of files with the entries of each as one text, parted by spaces; null where unknown."""
    names = [None if found is None else " ".join(found) for found in files.entries]
    return files.assign(entries=pd.Series(names, index=files.index, dtype=object))
