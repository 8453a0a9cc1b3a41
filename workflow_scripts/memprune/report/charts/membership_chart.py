"""How well scores tell members from non-members."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import GREY, intervals, lines, panels, points

SCALE = alt.Scale(zero=False)


def membership_chart(models: Sequence[str]) -> dict:
    """The AUC of one score over sparsity, a line a strategy from the dense model on."""
    x = alt.X("sparsity:Q", title="sparsity in scope", axis=alt.Axis(format=".0%"))
    y = alt.Y("auc:Q", title="AUC", scale=SCALE)
    low = alt.Y("auc_ci_low:Q", title="AUC", scale=SCALE)
    layers = [
        alt.Chart().mark_rule(strokeDash=[2, 3], color=GREY).encode(y=alt.datum(0.5, type="quantitative")),
        intervals(x, low, y2=alt.Y2("auc_ci_high")),
        lines(x, y, "order", from_dense=True),
        *points(x, y),
    ]
    return {
        "name": "membership",
        "title": "Telling members from non-members",
        "caption": "How well a score of a text tells whether the model was trained on it: 0.5 (dotted) is "
        "guessing, 1 is always right. Thin lines are 95 % intervals.",
        "source": "tables/membership.csv",
        "empty": "No model is chosen, so there is nothing to draw.",
        "left_out": "of strategies that do not change sparsity",
        "frame": "membership",
        "from_dense": True,
        "choose": "score",
        "views": [{"needs": ["auc", "moves_sparsity"], "spec": panels(layers, models)}],
    }
