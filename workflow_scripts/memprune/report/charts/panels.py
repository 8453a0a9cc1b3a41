"""What charts share: the looks of strategies, the layers that they are made of, and a panel a model.

The page gives a chart its data, `rows`, and the looks of the lines that they are of. A row's `line` is its
strategy; where lines go from what a strategy changes, that row is there once more under the strategy's name.
"""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from memprune.figures.palette import COLOURS
from memprune.findings.kinds_of_set import MEMBERS

DENSE = "#000001"  # the page shows it in the colour of its text
GREY = "#888888"
STAR = "M0,-1.3L.32,-.4L1.24,-.4L.5,.16L.76,1.05L0,.5L-.76,1.05L-.5,.16L-1.24,-.4L-.32,-.4Z"
SALTIRE = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
CROSSED = "M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0M-.7,-.7L.7,.7M-.7,.7L.7,-.7"  # a circle, crossed out
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", SALTIRE)
DASHES = ([1, 0], [6, 3], [1, 3], [7, 3, 1, 3], [10, 2, 2, 2])
INTERVALS = "intervals"  # so begin the names of layers that the page leaves out where lines are many
OPACITY = 0.35  # of intervals
DENSE_SIZE, SIZE = 110, alt.value(70)  # square pixels of a point
IS_DENSE = "datum.line === 'dense'"
OWN = "datum.line === datum.strategy"  # but for copies of the dense model's row
COLLAPSED = "datum.verdict === 'collapsed'"
TOOLTIP = {"content": "data"}
CONFIG = {
    "background": "white",  # of a chart that is saved; the page shows its own
    "aria": False,  # the page says what a chart shows
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelOverlap": "greedy"}
    | {"labelSeparation": 6},
    "axisX": {"tickCount": 5, "grid": False},
    "legend": {"orient": "bottom", "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    | {"symbolLimit": 0, "symbolSize": 80, "symbolStrokeWidth": 1.5},
    "header": {"labelFontSize": 13, "labelLimit": 300, "labelFontWeight": "bold"},
    "facet": {"spacing": 24},
}


# Lines by colour, shape and dashes, with one legend for all three.
LEGEND = alt.Legend(title=None, symbolOpacity=1)
COLOUR = alt.Color("line:N", legend=LEGEND)
SHAPE = alt.Shape("line:N", legend=LEGEND)
DASH = alt.StrokeDash("line:N", legend=LEGEND)


def looks(strategies: Sequence[str]) -> pd.DataFrame:
    """A row for the dense model and each strategy: `line`, its name, with `color`, `shape`, `strokeDash`."""
    rows = [("dense", DENSE, STAR, DASHES[0]), *((name, *look(n)) for n, name in enumerate(strategies))]
    return pd.DataFrame(rows, columns=["line", "color", "shape", "strokeDash"])


def look(number: int) -> tuple[str, str, list[int]]:
    """Colour, shape and dashes of the strategy of this number: no two of 245 look alike."""
    turn, place = divmod(number, len(COLOURS))
    return COLOURS[place], SHAPES[(place + turn) % len(SHAPES)], DASHES[turn % len(DASHES)]


def lines(x: alt.X, y: alt.Y, order: str, from_dense: bool) -> alt.Chart:
    """A line a strategy, whose points are in this order; the dense model's too unless lines start from it."""
    chart = alt.Chart().mark_line(strokeWidth=1.5)
    chart = chart.encode(x, y, COLOUR, DASH, order=alt.Order(f"{order}:Q"))
    return chart.transform_filter(f"!({IS_DENSE})") if from_dense else chart


def points(x: alt.X, y: alt.Y, size: alt.Size | dict = SIZE) -> list[alt.Chart]:
    """The variants, of this size, and those that have collapsed, grey, hollow and crossed out."""
    sound = alt.Chart().transform_filter(f"{OWN} && !({COLLAPSED})")
    sound = sound.mark_point(filled=True, opacity=1, tooltip=TOOLTIP)
    size = alt.when(IS_DENSE).then(alt.value(DENSE_SIZE)).otherwise(size)
    return [sound.encode(x, y, COLOUR, SHAPE, size=size), collapsed(x, y)]


def collapsed(x: alt.X, y: alt.Y) -> alt.Chart:
    """The variants that have collapsed; the page leaves this layer out, with its legend, where none has."""
    stroke = alt.Stroke(
        "verdict:N",
        scale=alt.Scale(range=[GREY]),
        legend=alt.Legend(title=None, symbolType=CROSSED, symbolStrokeColor=GREY),
    )
    chart = alt.Chart(name="collapsed").transform_filter(f"{OWN} && {COLLAPSED}")
    return chart.mark_point(filled=False, shape=CROSSED, size=110, tooltip=TOOLTIP).encode(x, y, stroke)


def intervals(x: alt.X | alt.X2, y: alt.Y, **ends: object) -> alt.Chart:
    """A variant's 95 % interval as a thin line, from `x` and `y` to `ends`."""
    chart = alt.Chart(name="_".join([INTERVALS, *ends])).transform_filter(OWN).mark_rule(opacity=OPACITY)
    return chart.encode(x, y, COLOUR, **ends)


def band(x: alt.X, low: alt.Y, high: str, dense: bool) -> alt.Chart:
    """The 95 % intervals along the dense model's line, or along all lines."""
    chart = alt.Chart(**({} if dense else {"name": INTERVALS})).mark_area(opacity=0.1)
    chart = chart.encode(x, low, COLOUR, y2=alt.Y2(high))
    return chart.transform_filter(IS_DENSE if dense else f"!({IS_DENSE})")


def panels(layers: Sequence[alt.Chart], models: Sequence[str], **resolve: str) -> dict:
    """The layers as a Vega-Lite specification, a panel a model; `resolve` says what panels do not share."""
    return specification(
        alt.FacetChart(
            data=alt.NamedData("rows"),
            spec=alt.LayerChart(layer=layers, height=280),
            facet=alt.Facet("model:N", title=None, sort=list(models)),
            columns=3,
            resolve=alt.Resolve(
                axis=alt.AxisResolveMap(x="independent"), scale=alt.ScaleResolveMap(**resolve)
            ),
        )
    )


def specification(chart: alt.TopLevelMixin) -> dict:
    """The chart as a specification of Vega-Lite, with the page's settings; tests hold it to the schema."""
    own = chart.copy(deep=False)
    own.config = CONFIG
    return own.to_dict(validate=False)


def extracted_axis(field: str = "fraction") -> alt.Y:
    """The share of member samples extracted, upwards from 0."""
    axis = alt.Axis(format=".2~%")
    return alt.Y(f"{field}:Q", title=f"{MEMBERS} extracted", axis=axis, scale=alt.Scale(zero=True))


def naming(chart: dict, samples: str) -> dict:
    """A chart whose words call members what `samples` says: `MEMBERS`, or another kind of set."""
    if isinstance(chart, dict):
        return {key: naming(value, samples) for key, value in chart.items()}
    if isinstance(chart, list):
        return [naming(value, samples) for value in chart]
    return chart.replace(MEMBERS, samples) if isinstance(chart, str) else chart


def ticks_at(values: Sequence[float], **more: str) -> alt.Axis:
    """An axis with ticks at these values, and labels as far as they have room."""
    return alt.Axis(values=list(values), tickCount=len(values), labelOverlap="greedy", **more)
