"""What a table's members are: drawn at random from training data, or known sequences, chosen by somebody.

A fraction of members that were drawn tells a share of the training data; one of known sequences does not.
"""

import pandas as pd

DRAWN, KNOWN = "drawn", "known sequences"
MEMBERS = "member samples"  # what axes call them
# Tables of what is extracted from members.
OF_MEMBERS = (
    "memorization",
    "memorization_fitted",
    "memorization_by_duplicates",
    "memorization_by_subset",
    "memorization_by_seed",
    "categories",
    "excess",
    "paired",
    "between_strategies",
    "power",
    "at_equal_sparsity",
    "at_equal_removed",
    "at_equal_bytes",
    "at_equal_perplexity",
    "frontier",
    "lasting",
)


def naming_set(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The table with the kind of its set in a column `set`, before the context length, or last."""
    names = list(table.columns)
    place = names.index("context_length") if "context_length" in names else len(names)
    named = table.copy()
    named.insert(place, "set", pd.Series(kind, table.index, dtype=str))
    return named


def members_in(table: pd.DataFrame) -> str:
    """What the members of a table are called: `members`, or `known sequences`."""
    return KNOWN if "set" in table and (table["set"] == KNOWN).any() else "members"


def samples_in(table: pd.DataFrame) -> str:
    """The same on an axis: `MEMBERS`, or `known sequences`."""
    return KNOWN if members_in(table) == KNOWN else MEMBERS


def memorization_in(table: pd.DataFrame) -> str:
    """What a table's fractions are called in the paper's layout."""
    return f"memorization of {KNOWN}" if members_in(table) == KNOWN else "memorization"
