"""Memorization of the parts of the corpus."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import DENSE, IS_DENSE, extracted_axis, panels, points

STEP = 24  # pixels of a subset


def subsets(models: Sequence[str]) -> dict:
    """A row a subset: the dense model with its interval, and every strategy at one level."""
    extracted = extracted_axis().to_dict()
    x = alt.X("fraction:Q", title=extracted["title"], axis=alt.Axis(format=".2~%", grid=False))
    y = alt.Y("part:N", title=None, axis=alt.Axis(grid=True, labelLimit=120))
    ends = {"x": alt.X("ci_low:Q", title=extracted["title"]), "x2": alt.X2("ci_high")}
    interval = alt.Chart().transform_filter(IS_DENSE).mark_rule(strokeWidth=8, opacity=0.15, color=DENSE)
    layers = [interval.encode(y=y, **ends), *points(x, y)]
    layers = [layer.transform_calculate(part="datum.subset || 'not known'") for layer in layers]
    spec = panels(layers, models)
    spec["spec"]["height"] = {"step": STEP}
    return {
        "name": "subset",
        "title": "Memorization by subset",
        "caption": "Which parts of the corpus are memorized. Strategies are at the level that you choose; "
        "the grey bar is the dense model's 95 % interval.",
        "source": "tables/memorization_by_subset.csv",
        "empty": "No model is chosen, so there is nothing to draw.",
        "frame": "by_subset",
        "choose": "at",
        "views": [{"needs": [], "spec": spec}],
    }
