"""Failure signatures: what a variant's numbers are worth, and the numbers behind each verdict.

A model that has collapsed extracts nothing because it says nothing: that is no forgetting. Perplexity up by
more than half, memorization that no longer falls while the level grows, and text that falls apart are the
other signatures.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from memprune.findings.frames import VARIANT, variant_label
from memprune.findings.strategy_methods import ALL_PRUNE, REMOVING, Methods, base_of, method_of, strength

COLLAPSED = 0.5  # of the dense model's forced accuracy on text never seen, below which nothing is left of it
DEGRADED = 0.5  # increase of perplexity
# Of continuations of text never seen: a share of repeated 4-grams above half, and above the dense model's by
# a quarter of all, since greedy text of small models repeats itself even where nothing is pruned.
REPEATED, MORE_REPEATED = 0.5, 0.25
FEWER_DISTINCT = 0.5  # of the dense model's share of distinct bigrams
TEXT = ["repeated_4grams", "distinct_2"]


def verdicts_table(
    measures: pd.DataFrame,
    perplexity: pd.DataFrame,
    evidence: Mapping[tuple[str, str], object],
    generated: pd.DataFrame | None = None,
    methods: Methods = ALL_PRUNE,
) -> pd.DataFrame:
    """A verdict on each variant.

    `measures` are those of all samples, `perplexity` is the table of that name, and `evidence` gives a digest
    of all evidence by model and variant's name; `generated` are measures of continuations, if there are any.
    Columns: `VARIANT`; `verdict`: `dense`, `sound`, `collapsed`, or which of `degraded`, `stalled` and `falls
    apart` it is; then the numbers behind it. `perplexity_increase` is over the dense model.
    `held_out_accuracy` is the forced token accuracy on non-members at the longest context, and
    `held_out_accuracy_share` its ratio to the dense model's (null where that is 0). `fraction` is the share
    of members extracted, mean over the context lengths, and `fraction_change` its difference to that of the
    strategy's level before, for the first to that of the variant that it changes. Only what removes weights
    can be `stalled`: of fewer bits or more training nobody expects that it forgets. `same_scores_as` is an
    earlier variant of the model with the same evidence to the last bit, null if there is none. With
    `generated` there are also `repeated_4grams` and `distinct_2`, means over the continuations of others than
    members.
    """
    table = perplexity[[*VARIANT, "token_perplexity"]].assign(variant=variant_label(perplexity))
    table = table.join(held_out_accuracy(measures), on=VARIANT).join(fraction_extracted(measures), on=VARIANT)
    dense = table[table.strategy == "dense"].set_index("model")[
        ["token_perplexity", "held_out_accuracy", "fraction"]
    ]
    of_dense = dense.loc[table.model].set_axis(table.index)
    with np.errstate(divide="ignore", invalid="ignore"):
        increase = table.token_perplexity / of_dense.token_perplexity - 1
        share = (table.held_out_accuracy / of_dense.held_out_accuracy).where(of_dense.held_out_accuracy > 0)
    before = fraction_before(table, methods)
    removes = pd.Series([method_of(name, methods) in REMOVING for name in table.strategy], table.index)
    digests = [evidence[key] for key in zip(table.model.astype(str), table.variant, strict=True)]
    signs = {
        "degraded": increase > DEGRADED,
        "stalled": removes & (before > 0) & (table.fraction >= before),
    }
    text = pd.DataFrame(index=table.index)
    if generated is not None:
        text = table[VARIANT].join(text_of_non_members(generated), on=VARIANT)
        text_of_dense = text[text.strategy == "dense"].set_index("model").loc[table.model]
        signs["falls apart"] = falls_apart(text, text_of_dense.set_axis(table.index))
        text = text[TEXT]
    collapsed = (share < COLLAPSED) | ~np.isfinite(increase)
    return table[VARIANT].assign(
        verdict=verdict(table.strategy == "dense", collapsed, signs),
        perplexity_increase=increase,
        held_out_accuracy=table.held_out_accuracy,
        held_out_accuracy_share=share,
        fraction=table.fraction,
        fraction_change=table.fraction - before,
        same_scores_as=same_scores(table.model, table.variant, digests),
        **text,
    )


def held_out_accuracy(measures: pd.DataFrame) -> pd.Series:
    """Forced token accuracy on non-members at the longest context length, by variant."""
    longest = measures.context_length == measures.context_length.max()
    rows = measures[longest & (measures.split == "non_member")]
    groups = rows.groupby(VARIANT, observed=True, dropna=False)
    return groups.token_accuracy.mean().rename("held_out_accuracy")


def fraction_extracted(measures: pd.DataFrame) -> pd.Series:
    """The fraction of members extracted, mean over the context lengths, by variant."""
    members = measures[measures.split == "member"]
    return members.groupby(VARIANT, observed=True, dropna=False).extracted.mean().rename("fraction")


def fraction_before(table: pd.DataFrame, methods: Methods) -> pd.Series:
    """The fraction extracted at the level before each variant's own, at first by the variant that is changed.

    Null for dense models.
    """
    ordered = table.assign(strength=strength(table, methods)).sort_values("strength", kind="stable")
    before = ordered.groupby(["model", "strategy"], observed=True).fraction.shift().reindex(table.index)
    fractions = dict(zip(zip(table.model, table.variant, strict=True), table.fraction, strict=True))
    begins = [
        fractions[model, base_of(strategy, methods)]
        for model, strategy in zip(table.model, table.strategy, strict=True)
    ]
    return before.fillna(pd.Series(begins, table.index)).where(table.strategy != "dense")


def text_of_non_members(generated: pd.DataFrame) -> pd.DataFrame:
    """The means of `TEXT` over the pooled continuations of non-members, by variant."""
    rows = generated[generated.pooled & (generated.split == "non_member")]
    return rows.groupby(VARIANT, observed=True, dropna=False)[TEXT].mean()


def falls_apart(text: pd.DataFrame, of_dense: pd.DataFrame) -> pd.Series:
    """Whether text repeats itself, or has few distinct bigrams, far more so than the dense model's."""
    most = np.maximum(REPEATED, of_dense.repeated_4grams + MORE_REPEATED)
    return (text.repeated_4grams > most) | (text.distinct_2 < FEWER_DISTINCT * of_dense.distinct_2)


def verdict(dense: pd.Series, collapsed: pd.Series, signs: Mapping[str, pd.Series]) -> list[str]:
    """The verdict in words on each variant; `signs` say which signatures each one has."""
    rows = zip(*signs.values(), strict=True)
    words = [", ".join(name for name, shown in zip(signs, row, strict=True) if shown) for row in rows]
    return [
        "dense" if is_dense else "collapsed" if is_collapsed else own or "sound"
        for is_dense, is_collapsed, own in zip(dense, collapsed, words, strict=True)
    ]


def same_scores(models: pd.Series, variants: pd.Series, digests: list) -> list[str | None]:
    """For each variant the first one of its model whose evidence is the same, None if it is the first."""
    first: dict[tuple, str] = {}
    same = []
    for model, variant, digest in zip(models, variants, digests, strict=True):
        found = first.setdefault((model, digest), variant)
        same.append(None if found == variant else found)
    return same
