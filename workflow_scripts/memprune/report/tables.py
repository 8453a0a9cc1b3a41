"""The tables as data for the page, the paper's layout first."""

from collections.abc import Sequence

from memprune.results import Results


def report_tables(own: Results, models: Sequence[str], strategies: Sequence[str]) -> list[dict]:
    """A mapping a table: its name, how to read it, and its rows."""
    return []
