"""Where a variant's zeros lie: the share of weights pruned, by layer and matrix."""

import altair as alt

from memprune.report.charts.panels import TOOLTIP, specification

STEP = 24  # pixels of a layer
DARK = 0.6  # shares below it are shown in a colour on which white can be read


def zeros() -> dict:
    """A heat map of one variant."""
    colour = alt.Color(
        "share_pruned:Q",
        scale=alt.Scale(scheme="cividis", domain=[0, 1]),
        legend=alt.Legend(title="weights pruned", format=".0%", gradientLength=180),
    )
    cells = alt.Chart(alt.NamedData("rows")).encode(
        alt.X("role:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30)),
        alt.Y("layer:O", title="decoder layer", axis=alt.Axis(grid=False)),
    )
    white = alt.when(f"datum.share_pruned < {DARK}").then(alt.value("white")).otherwise(alt.value("black"))
    share = alt.Text("share_pruned:Q", format=".0%")
    chart = alt.layer(
        cells.mark_rect(tooltip=TOOLTIP).encode(color=colour),
        cells.mark_text(fontSize=11, tooltip=TOOLTIP).encode(text=share, color=white),
    )
    return {
        "name": "zeros",
        "title": "Sparsity by layer and matrix",
        "caption": "Where in the model the weights lie that a strategy set to zero.",
        "source": "changes/{model}/{variant}.csv",
        "empty": "No variant that you have chosen lacks weights.",
        "frame": "zeros",
        "choose": "name",
        "views": [{"needs": [], "spec": specification(chart.properties(height={"step": STEP}))}],
    }
