"""Memorization against how often a text stands in the training data, as far as that is known."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from memprune.report.charts.panels import band, extracted_axis, lines, panels, points, ticks_at

KNOWN = "isValid(datum.duplicates)"
TICKS = 8


def with_place(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `place`: where they stand on the axis, those of unknown duplicates beyond the others."""
    return rows.assign(place=rows.duplicates.fillna(beyond(rows)).astype(float))


def beyond(rows: pd.DataFrame) -> float:
    """As far from the last number as a factor of four."""
    return 4.0 * max(rows.duplicates.dropna(), default=1)


def duplicate_counts(rows: pd.DataFrame, models: Sequence[str]) -> dict:
    """The dense model with its interval, and every strategy at one level."""
    unknown = beyond(rows)
    counts = sorted(set(rows.duplicates.dropna().astype(float)))
    values = [*counts[:: -(-len(counts) // TICKS) or 1], *([unknown] if rows.duplicates.isna().any() else [])]
    label = f"datum.value === {unknown} ? 'not counted' : datum.value"
    axis = ticks_at(values, labelExpr=label)
    scale = alt.Scale(type="log", base=2, nice=False, padding=14)
    x = alt.X("place:Q", title="times in the training data", scale=scale, axis=axis)
    layers = [
        band(x, extracted_axis("ci_low"), "ci_high", dense=True).transform_filter(KNOWN),
        lines(x, extracted_axis(), "place", from_dense=False).transform_filter(KNOWN),
        *points(x, extracted_axis()),
    ]
    return {
        "name": "duplicates",
        "title": "Memorization against duplicates",
        "caption": "Texts that stand more often in the training data are memorized more. Strategies are at "
        "the level that you choose; the grey band is the dense model's 95 % interval. Texts whose duplicates "
        "nobody counted stand by themselves, on the right.",
        "source": "tables/memorization_by_duplicates.csv",
        "empty": "No model is chosen, so there is nothing to draw.",
        "frame": "by_duplicates",
        "choose": "at",
        "views": [{"needs": [], "spec": panels(layers, models)}],
    }
