"""The rows that charts are drawn from: those of the tables, less what a chart does not need.

A frame has `of`, a variant's place in the frame `variants`, in place of all that is known of the variant.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from memprune.findings.equal_terms import curves_of
from memprune.findings.frames import VARIANT, level_label, variant_label
from memprune.findings.frontier import with_perplexity
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, along, base_of, level_in_words, strength
from memprune.results import Results, read_csv

MOVES = {"moves_sparsity": "sparsity", "moves_removed": "removed", "moves_bytes": "variant_bytes"}
FRACTION = ("extracted", "samples", "fraction", "ci_low", "ci_high")
COSTS = ("token_perplexity", "perplexity_ratio", "perplexity_ratio_ci_low", "perplexity_ratio_ci_high")
NON_MEMBERS = ("non_member_extracted", "non_member_samples", "excess", "excess_ci_low", "excess_ci_high")
AUC = ("score", "members", "non_members", "auc", "auc_ci_low", "auc_ci_high")


def variants_frame(own: Results, models: Sequence[str], methods: Methods = ALL_PRUNE) -> pd.DataFrame:
    """A row a variant, of these models: what was asked of it, what it achieved and cost, and its verdict.

    `at` is its level in words, `after` the variant that its strategy changes, both null for dense models;
    `order` is the place of its level among its strategy's, the lightest 1, and 0 for dense models; `moves_…`
    is null where its strategy does not change that quantity; `bytes_saved` is the share of the dense model's
    bytes that it lacks; `weights` are the prunable weights of its model.
    """
    table = of_models(own.tables["perplexity"], models)
    weights = {model: sum(m.weights for m in own.manifest(model).matrices) for model in models}
    changed = table.strategy != "dense"
    labels = zip(table.strategy, level_label(table), strict=True)
    words = [None if name == "dense" else level_in_words(name, label, methods) for name, label in labels]
    dense_bytes = table[~changed].set_index("model").variant_bytes
    moves = {name: moving(table, quantity, methods) for name, quantity in MOVES.items()}
    order = strength(table, methods).groupby([table.model, table.strategy]).rank(method="first")
    return pd.DataFrame(
        {
            "model": table.model,
            "strategy": table.strategy,
            "variant": variant_label(table),
            "at": words,
            "after": [None if name == "dense" else base_of(name, methods) for name in table.strategy],
            "order": order.where(changed, 0),
            "level": table.level,
            "sparsity": table.sparsity,
            "removed": table.removed,
            "bytes_saved": 1 - table.variant_bytes / table.model.map(dense_bytes),
            **{name: table[name] for name in COSTS},
            **moves,
            "verdict": table.verdict,
            "weights": table.model.map(weights),
        }
    ).reset_index(drop=True)


def moving(table: pd.DataFrame, quantity: str, methods: Methods) -> pd.Series:
    """True where a row's strategy changes a quantity, and for dense models; else null."""
    moves = table.strategy == "dense"
    for _, own in table.groupby("model"):
        for strategy in set(own.strategy) - {"dense"}:
            values = along(own, strategy, methods)[quantity]
            moves[own.index[own.strategy == strategy]] = len(set(values)) > 1
    return moves.astype(object).where(moves, None)


def of_models(table: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """The rows of these models."""
    return table[table.model.isin(models)]


def rows_of(table: pd.DataFrame, variants: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """A table's rows of these variants: `of` and these columns."""
    places = {name: place for place, name in enumerate(zip(variants.model, variants.variant, strict=True))}
    table = of_models(table, list(variants.model))
    names = zip(table.model, variant_label(table), strict=True)
    return table[list(columns)].assign(of=[places[name] for name in names])


def memorization_frame(own: Results, variants: pd.DataFrame, methods: Methods = ALL_PRUNE) -> pd.DataFrame:
    """A row a variant and context length; `on_curve` is null where a strategy has no curve any more.

    Curves are those of `memprune.findings.equal_terms`: they end before the first collapsed level.
    """
    table = of_models(own.tables["memorization"], list(variants.model))
    perplexity = of_models(own.tables["perplexity"], list(variants.model))
    table = table.assign(collapsed=table.verdict == "collapsed")
    points = with_perplexity(table[[*VARIANT, "context_length", *FRACTION, "collapsed"]], perplexity)
    on_curve = points.strategy == "dense"
    for _, group in points.groupby(["model", "context_length"]):
        for strategy, curve in curves_of(group, methods).items():
            on_curve[curve.index[curve.strategy == strategy]] = True
    points = points.assign(on_curve=on_curve.astype(object).where(on_curve, None))
    return rows_of(points, variants, ["context_length", *FRACTION, "on_curve"])


def stratum_frame(own: Results, variants: pd.DataFrame, stratum: str) -> pd.DataFrame:
    """A row a variant, context length and stratum: `duplicates` or `subset`, null where it is not known."""
    table = own.tables[f"memorization_by_{stratum}"]
    return rows_of(table, variants, [stratum, "context_length", *FRACTION])


def category_frame(own: Results, variants: pd.DataFrame) -> pd.DataFrame | None:
    """A row a variant, context length, feature and category, null where it is not known; None of no table.

    Of the samples that the `dense` model extracts so many are `kept`.
    """
    table = own.tables.get("categories")
    columns = ["feature", "category", "context_length", *FRACTION, "dense", "kept"]
    return None if table is None else rows_of(table, variants, columns)


def excess_frame(own: Results, variants: pd.DataFrame) -> pd.DataFrame:
    """A row a variant and context length: members beside non-members, over all samples."""
    table = own.tables["excess"]
    columns = ["context_length", *FRACTION[:3], *NON_MEMBERS]
    return rows_of(table[table.by == "all"], variants, columns)


def membership_frame(own: Results, variants: pd.DataFrame) -> pd.DataFrame | None:
    """A row a variant and score; None where no membership is inferred."""
    table = own.tables.get("membership")
    return None if table is None else rows_of(table, variants, AUC)


def zeros_frame(own: Results, variants: pd.DataFrame) -> pd.DataFrame:
    """A row a variant with zeros, layer and role of matrices: `zeros` of how many `matrix_weights`."""
    parts = [
        read_csv(own.path("changes", model, variant, ".csv")).assign(of=place)
        for place, (model, variant) in enumerate(zip(variants.model, variants.variant, strict=True))
        if variant != "dense"
    ]
    parts = [part for part in parts if part.zeros.any()]
    columns = ["layer", "role", "zeros", "weights", "sparsity", "of"]
    rows = pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
    return rows.rename(columns={"weights": "matrix_weights", "sparsity": "share_pruned"})


def heads_frame(
    variants: pd.DataFrame, memorization: pd.DataFrame, heads: Mapping[str, Mapping[str, Sequence[int]]]
) -> pd.DataFrame:
    """A row a variant that ablates one head and context length: its `layer`, `head`, what is extracted, and
    `change`, the difference of its fraction to the dense model's.

    `heads` gives by model the layer and head that each strategy ablates, at level 1.
    """
    rows = memorization.drop(columns="on_curve").join(variants[["model", "strategy", "at"]], on="of")
    dense = rows[rows.strategy == "dense"].set_index(["model", "context_length"]).fraction
    names = zip(rows.model, rows.strategy, strict=True)
    rows = rows.assign(place=[heads.get(model, {}).get(strategy) for model, strategy in names])
    rows = rows[rows.place.notna() & (rows["at"] == "100 %")]
    keys = pd.MultiIndex.from_frame(rows[["model", "context_length"]])
    rows = rows.assign(
        layer=[layer for layer, _ in rows.place],
        head=[head for _, head in rows.place],
        change=rows.fraction.to_numpy() - dense.reindex(keys).to_numpy(),
    )
    return rows.drop(columns=["model", "strategy", "at", "place"])
