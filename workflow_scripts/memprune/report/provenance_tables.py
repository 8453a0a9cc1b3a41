"""Where numbers are from and what they cost, as data for the page."""

import pandas as pd

from memprune.report.blobs import columns


def provenance_tables(files: pd.DataFrame, costs: pd.DataFrame, saved: pd.DataFrame) -> dict:
    """The frames `files`, `costs` and `saved` as `provenance`, `rule_costs` and `saved_seconds` give them.

    The entries of a file are one text, its names parted by spaces; null where they are unknown.
    """
    names = [None if found is None else " ".join(found) for found in files.entries]
    return {
        "files": columns(files.assign(entries=pd.Series(names, index=files.index, dtype=object))),
        "costs": columns(costs),
        "saved": columns(saved),
    }
