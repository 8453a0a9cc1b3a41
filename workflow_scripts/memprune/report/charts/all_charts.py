"""All charts of the report, with the frames that they are drawn from."""

from collections.abc import Mapping, Sequence

import pandas as pd
from altair.utils.schemapi import debug_mode

from memprune.findings.kinds_of_set import samples_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, stores_otherwise
from memprune.report.blobs import columns
from memprune.report.charts import chart_frames as frames
from memprune.report.charts.at_equal import at_equal
from memprune.report.charts.category_chart import category_chart
from memprune.report.charts.context_lengths import context_lengths
from memprune.report.charts.duplicate_counts import duplicate_counts, with_place
from memprune.report.charts.excess_chart import excess_chart
from memprune.report.charts.head_costs import head_costs
from memprune.report.charts.lasting_chart import lasting_chart, lasting_frame
from memprune.report.charts.membership_chart import membership_chart
from memprune.report.charts.model_sizes import model_sizes
from memprune.report.charts.panels import looks, naming
from memprune.report.charts.subsets import subsets
from memprune.report.charts.trade_off import trade_off
from memprune.report.charts.zeros import zeros
from memprune.results import Results


def all_charts(
    own: Results,
    models: Sequence[str],
    strategies: Sequence[str],
    heads: Mapping[str, Mapping[str, Sequence[int]]],
    methods: Methods = ALL_PRUNE,
) -> dict:
    """`charts`, what the page needs to draw each, and `frames`, their data by name.

    A chart has `name`, `title`, `caption`, `source` (the files that its numbers are from), `empty` (what is
    said where no row is left), `left_out` (of what kind variants are that lack what a view `needs`), `frame`,
    `any_k` (it shows all context lengths), `from_dense` (lines start at what a strategy changes), `select`
    (the label by which a reader picks one of its `views`, each a specification of Vega-Lite, of the rows that
    have the values of `only` if there is that) and `choose` (the column of which a reader picks one value, at
    first `initial` if there is that). Charts are left out whose data the experiment does not have.
    """
    variants = frames.variants_frame(own, models, methods)
    memorization = frames.memorization_frame(own, variants, methods)
    membership = frames.membership_frame(own, variants)
    lasting = lasting_frame(own, variants)
    by_duplicates = with_place(frames.stratum_frame(own, variants, "duplicates"))
    by_category = frames.category_frame(own, variants)
    head_rows = frames.heads_frame(variants, memorization, heads)
    lengths = sorted(set(memorization.context_length))
    with debug_mode(False):  # Altair would check each part of each chart, which takes as long as making them
        charts = [
            trade_off(models),
            at_equal(models, stores_otherwise(methods)),
            context_lengths(models, lengths),
            model_sizes(sorted(set(variants.weights))),
            duplicate_counts(by_duplicates, models),
            subsets(models),
            *([] if by_category is None else [category_chart(by_category, models)]),
            zeros(),
            *([] if head_rows.empty else [head_costs(head_rows.change.abs().max(), models)]),
            excess_chart(models),
            *([] if membership is None else [membership_chart(models)]),
            *([] if lasting is None else [lasting_chart()]),
        ]
    own_frames = {
        "looks": looks(strategies),
        "variants": variants,
        "memorization": memorization,
        "by_duplicates": by_duplicates,
        "by_subset": frames.stratum_frame(own, variants, "subset"),
        "by_category": by_category,
        "zeros": frames.zeros_frame(own, variants),
        "heads": head_rows,
        "excess": frames.excess_frame(own, variants),
        "membership": membership,
        "lasting": lasting,
    }
    samples = samples_in(own.tables["memorization"])
    used = {"looks", "variants", *(chart["frame"] for chart in charts)}
    return {
        "charts": [naming(chart, samples) | {"initial": usual_level(variants)} for chart in charts],
        "frames": {name: columns(frame) for name, frame in own_frames.items() if name in used},
    }


def usual_level(variants: pd.DataFrame) -> str | None:
    """The level in words that charts show first; None if no variant is changed.

    It is one at which nothing has collapsed, if there is any; of these the one that most variants have, and
    then the highest.
    """
    changed = variants[variants["at"].notna()]
    if changed.empty:
        return None
    levels = changed.groupby("at").agg(
        sound=("verdict", lambda verdicts: (verdicts != "collapsed").all()),
        count=("at", "size"),
        highest=("level", "max"),
    )
    return levels.sort_values(["sound", "count", "highest"]).index[-1]
