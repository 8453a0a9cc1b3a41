"""The paper's layout of memorization and perplexity: models in rows, strategies in columns."""

import pandas as pd

from memprune.findings.frames import VARIANT, level_label
from memprune.findings.kinds_of_set import memorization_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, level_in_words, method_of, strength


def paper_layout(
    memorization: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods = ALL_PRUNE
) -> pd.DataFrame:
    """The paper's layout in one long frame: models in rows, variants in columns, one block per quantity.

    The first column, `quantity`, is `memorization, k = …` for each context length, `memorization, mean over
    k`, and `token perplexity`. A column is a strategy and level, or the target of one that was found; where
    the models' levels differ, a strategy and the level's place, from the lightest. Targets come last. Levels
    that are no sparsity have their unit. Of known sequences it is `memorization of known sequences`.
    """
    name = memorization_in(memorization)
    blocks = [
        (f"{name}, k = {k}", rows.rename(columns={"fraction": "value"}))
        for k, rows in memorization.groupby("context_length")
    ]
    blocks.append((f"{name}, mean over k", mean_over_k(memorization).rename(columns={"fraction": "value"})))
    blocks.append(("token perplexity", perplexity.rename(columns={"token_perplexity": "value"})))
    return pd.concat([one_block(quantity, rows, methods) for quantity, rows in blocks], ignore_index=True)


def mean_over_k(memorization: pd.DataFrame) -> pd.DataFrame:
    """The mean over the context lengths of the fraction extracted: `VARIANT` and fraction."""
    return memorization.groupby(VARIANT, observed=True, dropna=False).fraction.mean().reset_index()


def one_block(quantity: str, rows: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """Models × variants of one quantity; `rows` has model, strategy, level, target and value."""
    named = in_columns(rows, methods)
    order = list(dict.fromkeys(named.variant))
    block = named.pivot_table(index="model", columns="variant", values="value", observed=True)[order]
    block.columns.name = None
    return block.reset_index().assign(model=lambda b: b.model.astype(str)).pipe(with_first, quantity)


def in_columns(rows: pd.DataFrame, methods: Methods = ALL_PRUNE) -> pd.DataFrame:
    """The rows in the order of the layout's columns, with the name of each one's in `variant`."""
    rows = rows.assign(found=rows.target.notna(), label=level_label(rows))
    order = strength(rows, methods).groupby([rows.model, rows.strategy, rows.found], observed=True)
    place = order.rank().astype(int)
    given = rows[~rows.found]
    shared = given.level.groupby([given.strategy, place], observed=True).nunique().max() == 1

    def column(strategy: str, found: bool, label: str, number: int) -> str:
        if strategy == "dense":
            return strategy
        if not (found or shared):
            return f"{strategy}, level {number}"
        is_sparsity = method_of(strategy, methods) == "prune"
        return f"{strategy}, {label if found or is_sparsity else level_in_words(strategy, label, methods)}"

    names = map(column, rows.strategy, rows.found, rows.label, place)
    return rows.assign(variant=list(names), place=place).sort_values(["strategy", "found", "place"])


def with_first(block: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """The block with its quantity as first column."""
    block.insert(0, "quantity", quantity)
    return block


def as_text(layout: pd.DataFrame, kind: str) -> str:
    """The paper's layout as `markdown` or `latex`: one table per quantity, with a caption.

    A cell is empty where a model lacks the variant, as a control does all but `dense`.
    """
    parts = []
    for quantity, rows in layout.groupby("quantity", sort=False):
        table = rows.drop(columns="quantity").set_index("model")
        digits = ".2f" if "perplexity" in quantity else ".4f"
        if kind == "markdown":
            cells = table.astype(object).where(table.notna(), None)
            text = cells.to_markdown(floatfmt=digits, disable_numparse=[0], missingval="")
            parts.append(f"### {quantity}\n\n{text}\n")
        else:
            style = table.style.format(f"{{:{digits}}}", na_rep="")
            for axis in (0, 1):
                style = style.format_index(escape="latex", axis=axis)
            parts.append(style.to_latex(hrules=True, caption=quantity))
    return "\n".join(parts)
