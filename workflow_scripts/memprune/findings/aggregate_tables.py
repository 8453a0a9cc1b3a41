"""The tables that a reader sees, all derived from the measures by sample and by window."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.typing import SeriesGroupBy
from statsmodels.stats.contingency_tables import mcnemar

from memprune.findings.equal_terms import at_equal_perplexity, at_equal_removed, at_equal_sparsity
from memprune.findings.excess import excess_table
from memprune.findings.frames import DESCRIBED, VARIANT, in_order, read_parquet
from memprune.findings.frontier import frontier
from memprune.findings.how_to_read import HOW_TO_READ
from memprune.findings.intervals import wilson_interval
from memprune.findings.paper_layout import as_text, paper_layout
from memprune.findings.published_comparison import published_table
from memprune.findings.seeds import with_seed_spread
from memprune.findings.table_files import write_readme, write_table

FIRST = ["extracted", "token_accuracy", "matched"]  # metrics in the order of the columns; then all others


def write_tables(
    memorization_files: Sequence[Path],
    perplexity_files: Sequence[Path],
    models: Sequence[str],
    strategies: Sequence[str],
    controls: Mapping[str, str],
    published: Mapping,
    folder: Path,
) -> None:
    """Write all tables into `folder` from the files of measures.

    All but the one by seed count the pooled samples, one a document. `controls` gives the control of each
    model that has one, `published` the published `sources` and the `experiment` to compare them with. Raises
    UserError for a file that cannot be read.
    """

    def read(paths: Sequence[Path]) -> pd.DataFrame:
        files = [read_parquet(path).drop(columns="document") for path in paths]
        measures = pd.concat(files, ignore_index=True)
        return in_order(measures, models, strategies)

    measures = read(memorization_files).astype({"duplicates": "Int64"})  # null: nobody counted
    all_members, all_others = (measures[measures.split == split] for split in ("member", "non_member"))
    members, others = all_members[all_members.pooled], all_others[all_others.pooled]
    memorization = with_seed_spread(memorization_table(members), all_members)
    perplexity = perplexity_table(read(perplexity_files))
    tables = {
        "memorization": memorization,
        "memorization_non_members": with_seed_spread(memorization_table(others), all_others),
        "memorization_by_duplicates": with_seed_spread(
            memorization_table(members, ["duplicates"]), all_members
        ),
        "memorization_by_subset": with_seed_spread(memorization_table(members, ["subset"]), all_members),
        "memorization_by_seed": memorization_table(all_members, ["seed"]),
        "excess": excess_table(members, others, controls),
        "paired": paired_table(members),
        "perplexity": perplexity,
        "published": published_table(memorization, perplexity, **published),
    }
    sound = memorization.assign(collapsed=False), perplexity.assign(collapsed=False)
    tables |= {
        "at_equal_sparsity": at_equal_sparsity(*sound),
        "at_equal_removed": at_equal_removed(*sound),
        "at_equal_perplexity": at_equal_perplexity(*sound),
        "frontier": frontier(*sound),
    }
    for name, table in tables.items():
        write_table(table, name, HOW_TO_READ[name], folder)
    write_readme({name: HOW_TO_READ[name] for name in (*tables, "paper_layout")}, folder)
    layout = paper_layout(memorization, perplexity)
    layout.to_parquet(folder / "paper_layout.parquet", index=False)
    for kind, suffix in (("markdown", "md"), ("latex", "tex")):
        (folder / f"paper_layout.{suffix}").write_text(as_text(layout, kind))


def memorization_table(measures: pd.DataFrame, strata: Sequence[str] = ()) -> pd.DataFrame:
    """The metrics per model, strategy, level, stratum and context length.

    Columns: `VARIANT`, `strata`, context_length, extracted, samples, fraction, ci_low, ci_high, then of each
    other metric its mean, or what `counted` gives of one that is true or false. What has null for a stratum
    is one too, the last.
    """
    keys = [*VARIANT, *strata, "context_length"]
    groups = measures.groupby(keys, observed=True, dropna=False)
    metrics = [name for name in measures.columns if name not in DESCRIBED]
    columns: dict[str, pd.Series] = {}
    for name in sorted(metrics, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        columns |= counted(groups[name]) if measures[name].dtype == bool else {name: groups[name].mean()}
    return pd.DataFrame(columns).reset_index()


def counted(groups: SeriesGroupBy) -> dict[str, pd.Series]:
    """How many samples of each group a metric is true of: count, and fraction with Wilson's 95 % interval.

    All columns begin with the metric's name but those of `extracted`, which has the number of samples too.
    """
    name, count, samples = groups.obj.name, groups.sum(), groups.size()
    low, high = wilson_interval(count.to_numpy(), samples.to_numpy())
    ends = {"ci_low": pd.Series(low, count.index), "ci_high": pd.Series(high, count.index)}
    shares = {"fraction": count / samples, **ends}
    if name == "extracted":
        return {name: count, "samples": samples, **shares}
    return {name: count, **{f"{name}_{share}": column for share, column in shares.items()}}


def perplexity_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Perplexities per variant, from sums over all windows (never a mean of perplexities).

    Columns: `VARIANT`, tokens, token_perplexity, word_perplexity, byte_perplexity,
    bits_per_byte. Word and byte forms are those of lm-evaluation-harness.
    """
    groups = measures.groupby(VARIANT, observed=True, dropna=False)
    sums = groups[["nll", "tokens", "bytes", "words"]].sum().reset_index()
    return sums[[*VARIANT, "tokens"]].assign(
        token_perplexity=np.exp(sums.nll / sums.tokens),
        word_perplexity=np.exp(sums.nll / sums.words),
        byte_perplexity=np.exp(sums.nll / sums.bytes),
        bits_per_byte=sums.nll / sums.bytes / np.log(2),
    )


def paired_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Each pruned variant against the dense model on the same samples, by the exact McNemar test.

    Columns: `VARIANT`, context_length, lost (extracted from the dense model only), gained (from the pruned
    only), p_value (two-sided).
    """
    keys = ["model", "context_length", "sample"]
    dense = measures[measures.strategy == "dense"].set_index(keys).extracted.rename("dense")
    pruned = measures[measures.strategy != "dense"].join(dense, on=keys, validate="many_to_one")
    rows = []
    for key, pairs in pruned.groupby([*VARIANT, "context_length"], observed=True, dropna=False):
        lost = int((pairs.dense & ~pairs.extracted).sum())
        gained = int((~pairs.dense & pairs.extracted).sum())
        test = mcnemar([[0, lost], [gained, 0]], exact=True)
        rows.append((*key, lost, gained, test.pvalue if lost + gained else 1.0))
    return pd.DataFrame(rows, columns=[*VARIANT, "context_length", "lost", "gained", "p_value"])
