"""Whether forgetting lasts: one variant before and after its change, and under each attack."""

import altair as alt
import pandas as pd

from memprune.figures.palette import COLOURS
from memprune.findings.attacks import LONGER
from memprune.findings.kinds_of_set import MEMBERS
from memprune.report.charts.chart_frames import rows_of
from memprune.report.charts.panels import DENSE, GREY, STAR, TOOLTIP, specification
from memprune.results import Results

STEP = 26  # pixels of an attack
STAGES = {  # by the column of the table: what readers call it, and its look
    "before": ("dense, before", DENSE, STAR),
    "after": ("after the change", COLOURS[0], "square"),
    "attacked": ("under the attack", COLOURS[1], "circle"),
    "dense_attacked": ("dense, under the attack", GREY, STAR),
}
COMMON = ["context_length", "attack", "samples", "lost", "came_back", "p_holm"]


def lasting_frame(own: Results, variants: pd.DataFrame) -> pd.DataFrame | None:
    """A row a variant, attack and stage: `extracted` of `samples`; None where there is no such table.

    Longer contexts have no context length of their own: the attack says from which to which.
    """
    table = own.tables.get("lasting")
    if table is None:
        return None
    longer = table.attack == LONGER
    attack = table.attack + ", " + table.attack_level
    start = " (from " + table.context_length.astype(str) + ")"
    table = table.assign(
        attack=attack + start.where(longer, ""),
        context_length=table.context_length.astype("Int64").mask(longer),
    )
    parts = []
    for place, (stage, (words, *_)) in enumerate(STAGES.items()):
        ends = {
            f"{stage}{end}": f"fraction{end}".replace("fraction_ci", "ci")
            for end in ("", "_ci_low", "_ci_high")
        }
        rows = (
            rows_of(table, variants, [*COMMON, *ends]).rename(columns=ends).assign(stage=words, place=place)
        )
        parts.append(rows.assign(extracted=(rows.fraction * rows.samples).round())[rows.fraction.notna()])
    return pd.concat(parts).sort_index(kind="stable").drop(columns="place")


def lasting_chart() -> dict:
    """A line an attack on one variant, with a point a stage."""
    names, colours, shapes = zip(*STAGES.values(), strict=True)
    legend = alt.Legend(title=None, symbolOpacity=1)
    x = alt.X("fraction:Q", title=f"{MEMBERS} extracted", axis=alt.Axis(format=".2~%"))
    y = alt.Y("attack:N", sort=None, title=None, axis=alt.Axis(grid=True, labelLimit=320))
    colour = alt.Color("stage:N", scale=alt.Scale(domain=names, range=colours), legend=legend)
    shape = alt.Shape("stage:N", scale=alt.Scale(domain=names, range=shapes), legend=legend)
    ends = {"x": alt.X("ci_low:Q", title=f"{MEMBERS} extracted"), "x2": alt.X2("ci_high")}
    chart = alt.layer(
        alt.Chart().mark_rule(opacity=0.5).encode(y=y, color=colour, **ends),
        alt.Chart().mark_point(filled=True, size=90, opacity=1, tooltip=TOOLTIP).encode(x, y, colour, shape),
        data=alt.NamedData("rows"),
    )
    return {
        "name": "lasting",
        "title": "Does forgetting last?",
        "caption": "What is extracted before a change, after it, and when the changed model is attacked: "
        "by a strategy after it, a longer context, sampling in place of greedy decoding, or a prefix with "
        "replaced tokens. What was only hidden comes back. Thin lines are 95 % intervals.",
        "source": "tables/lasting.csv",
        "empty": "No variant that you have chosen was attacked.",
        "frame": "lasting",
        "choose": "name",
        "views": [{"needs": ["fraction"], "spec": specification(chart.properties(height={"step": STEP}))}],
    }
