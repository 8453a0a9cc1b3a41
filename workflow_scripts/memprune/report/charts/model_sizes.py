"""Memorization against model size."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import band, extracted_axis, lines, points, specification, ticks_at


def model_sizes(weights: Sequence[int]) -> dict:
    """The dense models with their intervals, and every strategy at one level; `weights` are the ticks."""
    title = "prunable weights (without embedding and head)"
    scale = alt.Scale(type="log", nice=False, padding=14)
    x = alt.X("weights:Q", title=title, scale=scale, axis=ticks_at(weights, format=".2~s"))
    chart = alt.layer(
        band(x, extracted_axis("ci_low"), "ci_high", dense=True),
        lines(x, extracted_axis(), "weights", from_dense=False),
        *points(x, extracted_axis()),
        data=alt.NamedData("rows"),
    )
    return {
        "name": "model_size",
        "title": "Memorization against model size",
        "caption": "Larger models memorize more. Strategies are at the level that you choose; the grey band "
        "is the dense models' 95 % interval.",
        "source": "tables/memorization.csv, models/*/manifest.json",
        "empty": "No model is chosen, so there is nothing to draw.",
        "frame": "memorization",
        "choose": "at",
        "views": [{"needs": [], "spec": specification(chart.properties(height=300))}],
    }
