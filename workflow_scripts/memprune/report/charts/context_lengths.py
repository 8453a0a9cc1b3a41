"""Memorization against the context length k."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import band, extracted_axis, lines, panels, points, ticks_at


def context_lengths(models: Sequence[str], lengths: Sequence[int]) -> dict:
    """The dense model with its interval, and every strategy at one level."""
    axis = ticks_at(lengths, format="d")
    scale = alt.Scale(type="log", nice=False, padding=14)
    x = alt.X("context_length:Q", title="context length k (tokens)", scale=scale, axis=axis)
    layers = [
        band(x, extracted_axis("ci_low"), "ci_high", dense=True),
        lines(x, extracted_axis(), "context_length", from_dense=False),
        *points(x, extracted_axis()),
    ]
    return {
        "name": "context_length",
        "title": "Memorization against context length",
        "caption": "How much is extracted when the model is shown k tokens of a text before it has to go on. "
        "Strategies are at the level that you choose; the grey band is the dense model's 95 % interval.",
        "source": "tables/memorization.csv",
        "empty": "No model is chosen, so there is nothing to draw.",
        "frame": "memorization",
        "any_k": True,
        "choose": "at",
        "views": [{"needs": [], "spec": panels(layers, models)}],
    }
