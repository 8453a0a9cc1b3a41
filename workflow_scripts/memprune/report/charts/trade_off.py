"""Memorization against perplexity: what each strategy buys and what it costs."""

from collections.abc import Sequence

import altair as alt

from memprune.report.charts.panels import GREY, extracted_axis, intervals, lines, panels, points

RATIO, TOKENS = "perplexity_ratio", "token_perplexity"
TITLES = {RATIO: "perplexity, times the dense model's", TOKENS: "token perplexity (validation)"}
# Square pixels of a marker: as the share of all prunable weights removed, from a twentieth on.
AREA = alt.Scale(domain=[0.05, 1], range=[16, 320], clamp=True)
EXAMPLES = [0.1, 0.3, 0.6]
WIDEST = 10  # times the dense model's perplexity: what is beyond would take the others' room


def trade_off(models: Sequence[str]) -> dict:
    """A line a strategy from what it changes through its levels."""
    return {
        "name": "trade_off",
        "title": "Memorization against perplexity",
        "caption": "Each line starts at what a strategy changes and goes through its levels: lower is less "
        "memorized, further right is a worse language model. A larger marker has lost more of its weights; "
        "thin lines are 95 % intervals. A model that has collapsed is crossed out: it extracts nothing "
        "because it says nothing.",
        "source": "tables/memorization.csv, tables/perplexity.csv",
        "empty": f"Of what you have chosen nothing has at most {WIDEST} times the dense model's perplexity.",
        "left_out": f"whose perplexity is more than {WIDEST} times the dense model's",
        "at_most": {RATIO: WIDEST},
        "frame": "memorization",
        "from_dense": True,
        "select": "Perplexity",
        "views": [
            {
                "label": "times the dense model's",
                "needs": [RATIO],
                "spec": spec(RATIO, models),
            },
            {"label": "of a token", "needs": [TOKENS], "spec": spec(TOKENS, models)},
        ],
    }


def spec(cost: str, models: Sequence[str]) -> dict:
    """The chart over one measure of cost."""
    x, y = cost_axis(cost, cost), extracted_axis()
    looks = {"symbolFillColor": GREY, "orient": "top"}
    shares = alt.Legend(title="weights removed", values=EXAMPLES, format=".0%", **looks)
    size = alt.Size("removed:Q", scale=AREA, legend=shares)
    layers = [
        lines(x, y, "order", from_dense=True),
        intervals(x, extracted_axis("ci_low"), y2=alt.Y2("ci_high")),
    ]
    if cost == RATIO:
        low, high = cost_axis("perplexity_ratio_ci_low", RATIO), alt.X2("perplexity_ratio_ci_high")
        layers.append(intervals(low, y, x2=high))
    return panels([*layers, *points(x, y, size=size)], models, x="independent")


def cost_axis(field: str, cost: str) -> alt.X:
    """Perplexities from left to right, on a logarithmic scale."""
    scale = alt.Scale(type="log", nice=False, padding=14)
    return alt.X(f"{field}:Q", title=TITLES[cost], scale=scale, axis=alt.Axis(format=".3~g"))
