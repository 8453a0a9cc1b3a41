"""The paper's layout with its paired tests: a row for every cell, from which the page lays out tables."""

from collections.abc import Mapping, Sequence

import pandas as pd

from memprune.findings.frames import in_order, variant_label
from memprune.findings.kinds_of_set import memorization_in
from memprune.findings.paper_layout import in_columns, mean_over_k
from memprune.findings.strategy_methods import ALL_PRUNE, Methods

NAMED = ["quantity", "context_length", "model", "variant", "strategy", "value"]
NUMBERS = [
    "extracted", "samples", "ci_low", "ci_high", "difference", "difference_ci_low", "difference_ci_high",
    "lost", "gained", "p_value", "p_holm",
    "perplexity_ratio", "perplexity_ratio_ci_low", "perplexity_ratio_ci_high",
]  # fmt: skip
VERDICTS = ["verdict", "same_scores_as"]
TESTS = ["difference", "difference_ci_low", "difference_ci_high", "lost", "gained", "p_value", "p_holm"]


def layout_cells(
    tables: Mapping[str, pd.DataFrame],
    models: Sequence[str],
    strategies: Sequence[str],
    methods: Methods = ALL_PRUNE,
) -> pd.DataFrame:
    """A row for every quantity, model and variant, in the order of `paper_layout`.

    Columns: quantity, context_length (null but for memorization at one), model, variant (the name of the
    layout's column), strategy, value; then, as far as the quantity has them, counts and interval, the test
    against dense from the table `paired`, the ratio to the dense perplexity, and the variant's verdict. Of
    the mean over k there is a difference to dense, and no test.
    """
    memorization = ordered(tables["memorization"], models, strategies)
    mean = mean_over_k(memorization).assign(name=variant_label)
    perplexity = ordered(tables["perplexity"], models, strategies)
    keys = ["model", "name"]
    paired = ordered(tables["paired"], models, strategies)[[*keys, "context_length", *TESTS]]
    verdicts = ordered(tables["verdicts"], models, strategies)[[*keys, *VERDICTS]]
    name = memorization_in(memorization)
    blocks = [
        rows.assign(quantity=f"{name}, k = {k}", value=rows.fraction)
        .merge(paired[paired.context_length == k].drop(columns="context_length"), "left", keys)
        .pipe(in_columns, methods)
        for k, rows in memorization.groupby("context_length")
    ]
    dense = mean[mean.strategy == "dense"].set_index("model").fraction
    change = (mean.fraction - mean.model.map(dense).astype(float)).where(mean.strategy != "dense")
    blocks.append(
        in_columns(
            mean.assign(quantity=f"{name}, mean over k", value=mean.fraction, difference=change), methods
        )
    )
    blocks.append(
        in_columns(perplexity.assign(quantity="token perplexity", value=perplexity.token_perplexity), methods)
    )
    cells = pd.concat([block.drop(columns=VERDICTS, errors="ignore") for block in blocks], ignore_index=True)
    return cells.merge(verdicts, "left", keys).reindex(columns=[*NAMED, *NUMBERS, *VERDICTS])


def ordered(table: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]) -> pd.DataFrame:
    """A table with models and strategies in the given order, and the variants' names in `name`."""
    return in_order(table, models, strategies).assign(name=variant_label)
