"""The tables that a reader sees, all derived from the scores by sample and by window."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from memprune.findings.frames import read_parquet

VARIANT = ["model", "strategy", "level"]
MEMORIZATION = [
    *VARIANT, "sample", "split", "subset", "duplicates", "context_length",
    "extracted", "token_accuracy", "matched",
]  # fmt: skip
PERPLEXITY = [*VARIANT, "nll", "tokens", "bytes", "words"]


def write_tables(
    memorization_files: Sequence[Path],
    perplexity_files: Sequence[Path],
    models: Sequence[str],
    strategies: Sequence[str],
    published: Mapping[str, float],
    folder: Path,
) -> None:
    """Write all tables into `folder` from the files of scores.

    `published` gives shares of extracted samples to compare dense models with; if it is empty there is no
    table of them. Raises UserError for a file that cannot be read.
    """

    def read(paths: Sequence[Path], columns: list[str]) -> pd.DataFrame:
        scores = pd.concat([read_parquet(path, columns) for path in paths], ignore_index=True)
        return in_order(scores, models, strategies)

    scores = read(memorization_files, MEMORIZATION).astype({"duplicates": "Int64"})  # null: nobody counted
    members, others = scores[scores.split == "member"], scores[scores.split == "non_member"]
    memorization = memorization_table(members)
    perplexity = perplexity_table(read(perplexity_files, PERPLEXITY))
    tables = {
        "memorization": memorization,
        "memorization_non_members": memorization_table(others),
        "memorization_by_duplicates": memorization_table(members, ["duplicates"]),
        "memorization_by_subset": memorization_table(members, ["subset"]),
        "paired": paired_table(members),
        "perplexity": perplexity,
    }
    if published:
        tables["published"] = published_table(memorization, published)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    layout = paper_layout(memorization, perplexity)
    layout.to_parquet(folder / "paper_layout.parquet", index=False)
    for kind, suffix in (("markdown", "md"), ("latex", "tex")):
        (folder / f"paper_layout.{suffix}").write_text(as_text(layout, kind))


def in_order(scores: pd.DataFrame, models: Sequence[str], strategies: Sequence[str]) -> pd.DataFrame:
    """The scores with model and strategy as ordered categories, so that every table keeps the given order."""
    return scores.assign(
        model=pd.Categorical(scores.model, models, ordered=True),
        strategy=pd.Categorical(scores.strategy, ["dense", *strategies], ordered=True),
    )


def memorization_table(scores: pd.DataFrame, strata: Sequence[str] = ()) -> pd.DataFrame:
    """Extracted samples per model, strategy, level, stratum and context length.

    Columns: model, strategy, level, `strata`, context_length, extracted, samples, fraction, ci_low, ci_high
    (Wilson's 95 % interval, which ends at exactly 0 or 1 where none or all are extracted), token_accuracy
    (forced, mean) and matched (tokens, mean). What has null for a stratum is one too, the last.
    """
    keys = [*VARIANT, *strata, "context_length"]
    table = (
        scores.groupby(keys, observed=True, dropna=False)
        .agg(
            extracted=("extracted", "sum"),
            samples=("extracted", "size"),
            token_accuracy=("token_accuracy", "mean"),
            matched=("matched", "mean"),
        )
        .reset_index()
    )
    low, high = wilson_interval(table.extracted.to_numpy(), table.samples.to_numpy())
    table.insert(table.columns.get_loc("samples") + 1, "fraction", table.extracted / table.samples)
    table.insert(table.columns.get_loc("fraction") + 1, "ci_low", low)
    table.insert(table.columns.get_loc("ci_low") + 1, "ci_high", high)
    return table


def wilson_interval(extracted: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % interval of each fraction of `samples` (at least 1), float64.

    At none and at all its formula ends at 0 and 1, which rounding misses.
    """
    low, high = proportion_confint(extracted, samples, method="wilson")
    return np.where(extracted == 0, 0.0, low), np.where(extracted == samples, 1.0, high)


def perplexity_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Perplexities per model, strategy and level, from sums over all windows (never a mean of perplexities).

    Columns: model, strategy, level, tokens, token_perplexity, word_perplexity, byte_perplexity,
    bits_per_byte. Word and byte forms are those of lm-evaluation-harness.
    """
    sums = scores.groupby(VARIANT, observed=True)[["nll", "tokens", "bytes", "words"]].sum().reset_index()
    return sums[[*VARIANT, "tokens"]].assign(
        token_perplexity=np.exp(sums.nll / sums.tokens),
        word_perplexity=np.exp(sums.nll / sums.words),
        byte_perplexity=np.exp(sums.nll / sums.bytes),
        bits_per_byte=sums.nll / sums.bytes / np.log(2),
    )


def paired_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Each pruned variant against the dense model on the same samples, by the exact McNemar test.

    Columns: model, strategy, level, context_length, lost (extracted from the dense model only), gained (from
    the pruned only), p_value (two-sided).
    """
    keys = ["model", "context_length", "sample"]
    dense = scores[scores.strategy == "dense"].set_index(keys).extracted.rename("dense")
    pruned = scores[scores.strategy != "dense"].join(dense, on=keys, validate="many_to_one")
    rows = []
    for key, pairs in pruned.groupby([*VARIANT, "context_length"], observed=True):
        lost = int((pairs.dense & ~pairs.extracted).sum())
        gained = int((~pairs.dense & pairs.extracted).sum())
        test = mcnemar([[0, lost], [gained, 0]], exact=True)
        rows.append((*key, lost, gained, test.pvalue if lost + gained else 1.0))
    return pd.DataFrame(rows, columns=[*VARIANT, "context_length", "lost", "gained", "p_value"])


def published_table(memorization: pd.DataFrame, published: Mapping[str, float]) -> pd.DataFrame:
    """Dense models against published shares of extracted samples, by the exact binomial test.

    Columns: model, context_length, extracted, samples, fraction, ci_low, ci_high, published, p_value
    (two-sided: of a sample as far from the published share or farther, if that share were true).
    """
    own = memorization[(memorization.strategy == "dense") & memorization.model.isin(list(published))]
    table = own[["model", "context_length", "extracted", "samples", "fraction", "ci_low", "ci_high"]]
    shares = table.model.map(published).astype(float)
    tests = map(binomtest, table.extracted.astype(int), table.samples.astype(int), shares)
    return table.assign(published=shares, p_value=[test.pvalue for test in tests])


def paper_layout(memorization: pd.DataFrame, perplexity: pd.DataFrame) -> pd.DataFrame:
    """The paper's layout in one long frame: models in rows, variants in columns, one block per quantity.

    The first column, `quantity`, is `memorization, k = …` for each context length, `memorization, mean over
    k`, and `token perplexity`. A column is a strategy and level; where the models' levels differ, a strategy
    and the level's place, from the lightest.
    """
    blocks = [
        (f"memorization, k = {k}", rows.rename(columns={"fraction": "value"}))
        for k, rows in memorization.groupby("context_length")
    ]
    blocks.append(
        ("memorization, mean over k", mean_over_k(memorization).rename(columns={"fraction": "value"}))
    )
    blocks.append(("token perplexity", perplexity.rename(columns={"token_perplexity": "value"})))
    return pd.concat([one_block(quantity, rows) for quantity, rows in blocks], ignore_index=True)


def mean_over_k(memorization: pd.DataFrame) -> pd.DataFrame:
    """The mean over the context lengths of the fraction extracted: model, strategy, level, fraction."""
    return memorization.groupby(VARIANT, observed=True).fraction.mean().reset_index()


def one_block(quantity: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Models × variants of one quantity; `rows` has model, strategy, level and value."""
    place = rows.groupby(["model", "strategy"], observed=True)["level"].rank().astype(int)
    shared = rows.level.groupby([rows.strategy, place], observed=True).nunique().max() == 1

    def column(strategy: str, level: float, number: int) -> str:
        if strategy == "dense":
            return strategy
        return f"{strategy}, {float(level)!r}" if shared else f"{strategy}, level {number}"

    names = map(column, rows.strategy, rows.level, place)
    named = rows.assign(variant=list(names), place=place).sort_values(["strategy", "place"])
    order = list(dict.fromkeys(named.variant))
    block = named.pivot_table(index="model", columns="variant", values="value", observed=True)[order]
    block.columns.name = None
    return block.reset_index().assign(model=lambda b: b.model.astype(str)).pipe(with_first, quantity)


def with_first(block: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """The block with its quantity as first column."""
    block.insert(0, "quantity", quantity)
    return block


def as_text(layout: pd.DataFrame, kind: str) -> str:
    """The paper's layout as `markdown` or `latex`: one table per quantity, with a caption."""
    parts = []
    for quantity, rows in layout.groupby("quantity", sort=False):
        table = rows.drop(columns="quantity").set_index("model")
        digits = ".2f" if "perplexity" in quantity else ".4f"
        if kind == "markdown":
            parts.append(f"### {quantity}\n\n{table.to_markdown(floatfmt=digits, disable_numparse=[0])}\n")
        else:
            style = table.style.format(f"{{:{digits}}}")
            for axis in (0, 1):
                style = style.format_index(escape="latex", axis=axis)
            parts.append(style.to_latex(hrules=True, caption=quantity))
    return "\n".join(parts)
