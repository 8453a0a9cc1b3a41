"""Members against text that no model has seen."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import intervals, lines, panels, points


def excess_chart(models: Sequence[str]) -> dict:
    """Excess memorization over sparsity, a line a strategy from the dense model on."""
    x = alt.X("sparsity:Q", title="sparsity in scope", axis=alt.Axis(format=".0%"))
    ends = intervals(x, axis("excess_ci_low"), y2=alt.Y2("excess_ci_high"))
    y = axis("excess")
    layers = [ends, lines(x, y, "order", from_dense=True), *points(x, y)]
    return {
        "name": "excess",
        "title": "Members against non-members",
        "caption": "How much more is extracted of training text than of text that was never trained on: at 0 "
        "the two are alike, and nothing is memorized. Thin lines are 95 % intervals.",
        "source": "tables/excess.csv",
        "empty": "No model is chosen, so there is nothing to draw.",
        "left_out": "of strategies that do not change sparsity",
        "frame": "excess",
        "from_dense": True,
        "views": [{"needs": ["excess", "moves_sparsity"], "spec": panels(layers, models)}],
    }


def axis(field: str) -> alt.Y:
    """Differences of fractions."""
    return alt.Y(f"{field}:Q", title="members less non-members", axis=alt.Axis(format=".2~%"))
