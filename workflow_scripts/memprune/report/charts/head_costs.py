"""What each attention head's ablation costs, layer by layer."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import TOOLTIP, panels

STEP = 24  # pixels of a layer


def head_costs(most: float, models: Sequence[str]) -> dict:
    """Heat maps of layers × heads: of memorization's change, at `most` so large, and of perplexity."""
    change = alt.Color(
        "change:Q",
        scale=alt.Scale(scheme="purpleorange", domain=[-most, most], reverse=True),
        legend=alt.Legend(title="change in what is extracted", format="+.1%", gradientLength=180),
    )
    ratio = alt.Color(
        "perplexity_ratio:Q",
        scale=alt.Scale(scheme="cividis", type="log"),
        legend=alt.Legend(title="times the dense model's", format=".3~g", gradientLength=180),
    )
    return {
        "name": "heads",
        "title": "Ablating one attention head",
        "caption": "Each cell is a variant without one head: what that changes against the dense model.",
        "source": "tables/memorization.csv, tables/perplexity.csv",
        "empty": "No variant of what you have chosen ablates one head.",
        "left_out": "whose perplexity is infinite or beyond any axis",
        "frame": "heads",
        "select": "Show",
        "views": [
            {"label": "memorization", "needs": ["change"], "spec": spec(change, models)},
            {"label": "perplexity", "needs": ["perplexity_ratio"], "spec": spec(ratio, models)},
        ],
    }


def spec(colour: alt.Color, models: Sequence[str]) -> dict:
    """The heat maps in one measure."""
    cells = (
        alt.Chart()
        .mark_rect(tooltip=TOOLTIP)
        .encode(
            alt.X("head:O", axis=alt.Axis(labelAngle=0)),
            alt.Y("layer:O", title="decoder layer", axis=alt.Axis(grid=False)),
            colour,
        )
    )
    own = panels([cells], models, x="independent", y="independent")
    own["spec"]["height"] = {"step": STEP}
    return own
