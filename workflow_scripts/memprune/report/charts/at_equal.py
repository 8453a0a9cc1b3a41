"""Strategies on equal terms: at equal sparsity, share of weights removed, bytes, or perplexity."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import band, extracted_axis, lines, panels, points

QUANTITIES = {  # the column of a curve, what readers call it, and its axis
    "sparsity": ("sparsity in scope", alt.Scale(), ".0%"),
    "removed": ("share of all prunable weights removed", alt.Scale(), ".2~%"),
    "bytes_saved": ("share of the dense model's bytes saved", alt.Scale(), ".0%"),
    "perplexity_ratio": (
        "perplexity, times the dense model's",
        alt.Scale(type="log", nice=False, padding=14),
        ".3~g",
    ),
}
NEEDS = {"sparsity": ["moves_sparsity"], "removed": ["moves_removed"], "bytes_saved": ["moves_bytes"]}


def at_equal(models: Sequence[str], by_bytes: bool) -> dict:
    """A curve with its band for each strategy, as far as the tables `at_equal_…` interpolate on it.

    `by_bytes` says whether bytes are one of the quantities.
    """
    return {
        "name": "at_equal",
        "title": "Strategies on equal terms",
        "caption": "Read upwards from one value: the strategy whose curve is lowest leaves least memorized "
        "for the same. Bands are 95 % intervals; a curve begins at what its "
        "strategy changes and ends before the first collapsed level.",
        "source": "tables/frontier.csv",
        "empty": "No model is chosen, so there is no curve.",
        "left_out": "which have collapsed, come after a level that has, or are of a strategy that does "
        "not change this",
        "frame": "memorization",
        "from_dense": True,
        "select": "At equal",
        "views": [
            {"label": label, "needs": ["on_curve", *NEEDS.get(name, []), name], "spec": spec(name, models)}
            for name, (label, *_) in QUANTITIES.items()
            if by_bytes or name != "bytes_saved"
        ],
    }


def spec(quantity: str, models: Sequence[str]) -> dict:
    """The chart over one quantity."""
    title, scale, form = QUANTITIES[quantity]
    x = alt.X(f"{quantity}:Q", title=title, scale=scale, axis=alt.Axis(format=form))
    y = extracted_axis()
    layers = [
        band(x, extracted_axis("ci_low"), "ci_high", dense=False),
        lines(x, y, "order", from_dense=True),
        *points(x, y),
    ]
    return panels(layers, models, x="independent")
