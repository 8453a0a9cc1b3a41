"""All charts of the report, with the frames that they are drawn from."""

from collections.abc import Sequence

from memprune.results import Results


def all_charts(own: Results, models: Sequence[str], strategies: Sequence[str]) -> dict:
    """`charts`, a list of what the page needs to draw each, and `frames`, their data by name."""
    return {"charts": [], "frames": {}}
