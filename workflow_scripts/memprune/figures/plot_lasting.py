"""Whether forgetting lasts: what is extracted before a change, after it, and under each attack."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memprune.figures.style import BESIDE, DENSE, PERCENT, folded, headline, legend_beside, looks, panels
from memprune.findings.attacks import LONGER, NOT_STRATEGIES, SAMPLED
from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, level_in_words, strongest
from memprune.variants.names import level_text

COLUMNS = (
    "model", "strategy", "level", "target", "set", "context_length", "attack", "attack_level",
    "before", "after", "after_ci_low", "after_ci_high",
    "attacked", "attacked_ci_low", "attacked_ci_high", "dense_attacked",
)  # fmt: skip
LINE = 0.22  # inches of an attack
LABEL_LETTER = 0.075  # inches of a letter of its name
AFTER = {"marker": "o", "linestyle": "", "markerfacecolor": "white", "zorder": 3}
ATTACKED = {"marker": "o", "linestyle": "", "zorder": 4}
UNDER_THE_SAME = DENSE | {"color": "#999999", "markersize": 6}


def plot(
    lasting: pd.DataFrame, models: Sequence[str], strategies: Sequence[str], methods: Methods = ALL_PRUNE
) -> Figure:
    """A panel a model, a line an attack: `lasting` is the table of that name.

    Shown are the attacks at the largest k, of sampling the one with most samples, and longer contexts from
    the shortest, on variants that a strategy stands after; where there is none, on each strategy at its
    strongest level.
    """
    rows = shown(lasting[lasting.model.isin(models)], methods)
    names = rows.name.unique().tolist()
    beside = BESIDE + LABEL_LETTER * max(map(len, names), default=0)
    figure, all_axes = panels(len(models), 3.6, 1.6 + LINE * max(len(names), 8), across=3, beside=beside)
    style = looks(strategies)
    for axes, model in zip(all_axes, models, strict=True):
        own = rows[rows.model == model]
        places = pd.Series(range(len(names)), names).reindex(own.name).to_numpy()
        colours = [style[strategy]["color"] for strategy in own.strategy]
        draw(axes, own, places, colours)
        axes.set_title(folded(model))
        axes.set_xlabel(f"{samples_in(lasting)} extracted")
        axes.xaxis.set_major_formatter(PERCENT)
        axes.set_xlim(left=0)
    for axes in all_axes[::3]:
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    legend_beside(figure, all_axes[-1])
    headline(
        figure, "Does forgetting last? What is extracted before a change, after it, and under each attack"
    )
    return figure


def shown(lasting: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """The rows that are drawn, with the name of each one's line."""
    rows = lasting[
        (lasting.context_length == lasting.context_length.max()) | (lasting.attack == LONGER)
    ].reset_index(drop=True)
    keys = ["model", "strategy", "level"]
    # Of sampling the most samples tell the most.
    rows = rows[~(rows.attack == SAMPLED) | ~rows.duplicated([*keys, "attack"], keep="last")]
    of_strategies = rows[~rows.attack.isin(NOT_STRATEGIES)][keys].drop_duplicates()
    rows = rows.merge(of_strategies, on=keys) if len(of_strategies) else strongest(rows, methods)
    rows = rows.assign(name=[name_of(row, methods) for row in rows.itertuples()], last=rows.attack == LONGER)
    in_turn = rows.groupby(keys, sort=False).ngroup()
    return rows.assign(turn=in_turn).sort_values(["turn", "last"], kind="stable")


def name_of(row: tuple, methods: Methods) -> str:
    """What is attacked, and how."""
    label = row.target if isinstance(row.target, str) else level_text(row.level)
    variant = f"{row.strategy}, {level_in_words(row.strategy, label, methods)}"
    start = f" (from {row.context_length})" if row.attack == LONGER else ""
    return f"{variant}: {row.attack}, {row.attack_level}{start}"


def draw(axes: Axes, own: pd.DataFrame, places: Sequence[int], colours: Sequence[str]) -> None:
    """The points of one panel: the legend's are drawn once."""
    axes.hlines(places, own.attacked_ci_low, own.attacked_ci_high, color=colours, linewidth=1)
    axes.plot(own.before, places, linestyle="", label="dense, before", zorder=3, **DENSE)
    axes.plot(own.dense_attacked, places, linestyle="", label="dense, under the attack", **UNDER_THE_SAME)
    labels = {"after": "after the change", "attacked": "under the attack"}
    for (column, label), look in zip(labels.items(), (AFTER, ATTACKED), strict=True):
        axes.plot([], [], color="grey", label=label, **look)
        for value, place, colour in zip(own[column], places, colours, strict=True):
            axes.plot([value], [place], color=colour, clip_on=False, **look)
