"""Memorization of samples by what they are like: a feature at a time."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from memprune.report.charts.panels import DENSE, IS_DENSE, extracted_axis, panels, points

STEP = 24  # pixels of a category
WORDS = {
    "compression_ratio": "compression ratio",
    "token_entropy": "entropy of tokens (bits)",
    "repeated_4grams": "share of repeated 4-grams",
    "digits": "share of digits",
    "punctuation": "share of punctuation",
    "form": "code or prose",
    "taxonomy": "taxonomy",
    "category": "category of the set",
}


def category_chart(rows: pd.DataFrame, models: Sequence[str]) -> dict:
    """A row a category: the dense model with its interval, and every strategy at one level."""
    return {
        "name": "categories",
        "title": "Memorization by category",
        "caption": "What is memorized, by what samples are like: numbers are cut at the members' "
        "quartiles. "
        "Strategies are at the level that you choose; the grey bar is the dense model's 95 % interval.",
        "source": "tables/categories.csv",
        "empty": "No model is chosen, so there is nothing to draw.",
        "frame": "by_category",
        "choose": "at",
        "select": "By",
        "views": [
            {
                "label": WORDS[name],
                "needs": [],
                "only": {"feature": name},
                "spec": spec(rows[rows.feature == name], models),
            }
            for name in dict.fromkeys(rows.feature)
        ],
    }


def spec(rows: pd.DataFrame, models: Sequence[str]) -> dict:
    """The chart of one feature, its categories in the order of the table."""
    order = [name if isinstance(name, str) else "not known" for name in dict.fromkeys(rows.category)]
    extracted = extracted_axis().to_dict()
    x = alt.X("fraction:Q", title=extracted["title"], axis=alt.Axis(format=".2~%", grid=False))
    y = alt.Y("part:N", title=None, sort=order, axis=alt.Axis(grid=True, labelLimit=160))
    ends = {"x": alt.X("ci_low:Q", title=extracted["title"]), "x2": alt.X2("ci_high")}
    interval = alt.Chart().transform_filter(IS_DENSE).mark_rule(strokeWidth=8, opacity=0.15, color=DENSE)
    layers = [interval.encode(y=y, **ends), *points(x, y)]
    layers = [layer.transform_calculate(part="datum.category || 'not known'") for layer in layers]
    whole = panels(layers, models)
    whole["spec"]["height"] = {"step": STEP}
    return whole
