"""The tables that a reader sees, all derived from the measures by sample and by window."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pyarrow.parquet as pq

from memprune.disk import readable
from memprune.findings.agreement import agreement
from memprune.findings.categories_table import categories_table
from memprune.findings.concatenated_table import concatenated_table
from memprune.findings.duplicate_strata import duplicate_strata
from memprune.findings.equal_terms import (
    at_equal_bytes,
    at_equal_perplexity,
    at_equal_removed,
    at_equal_sparsity,
)
from memprune.findings.excess import excess_table
from memprune.findings.frames import VARIANT, in_order, read_parquet, variant_label
from memprune.findings.frontier import frontier
from memprune.findings.how_to_read import HOW_TO_READ
from memprune.findings.kinds_of_set import DRAWN, KNOWN, OF_MEMBERS, naming_set
from memprune.findings.lasting_table import lasting_table
from memprune.findings.membership_table import membership_table
from memprune.findings.memorization_table import memorization_table
from memprune.findings.metric_values import metric_values
from memprune.findings.metrics_at_equal import metrics_at_equal
from memprune.findings.metrics_between_strategies import metrics_between_strategies
from memprune.findings.metrics_controls import metrics_controls
from memprune.findings.metrics_table import metrics_table
from memprune.findings.naming_text import naming_text
from memprune.findings.paired_tests import against_dense, between_strategies
from memprune.findings.paper_layout import as_text, paper_layout
from memprune.findings.perplexity_table import perplexity_table
from memprune.findings.perturbed_table import perturbed_table
from memprune.findings.published_comparison import published_table
from memprune.findings.published_scores import published_differences, published_scores, scored_twice
from memprune.findings.screening_table import screening_table
from memprune.findings.seeds import with_seed_spread
from memprune.findings.sequences_table import sequences_table
from memprune.findings.smallest_drops import smallest_drops
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, has_chains, stores_otherwise
from memprune.findings.table_files import write_readme, write_table
from memprune.findings.verdicts import verdicts_table

PER_ITEM = ("generation", "membership", "tasks")  # kinds of text with metrics that have a value an item


def write_tables(
    memorization_files: Sequence[Path],
    perplexity_files: Sequence[Path],
    models: Sequence[str],
    strategies: Sequence[str],
    controls: Mapping[str, str],
    texts: Mapping[str, Mapping],
    published: Mapping,
    folder: Path,
    text_files: Mapping[str, Sequence[Path]] = MappingProxyType({}),
    methods: Methods = ALL_PRUNE,
    screening: bool = False,
    features: Path | None = None,
    kind_of_set: str = DRAWN,
    known: tuple[Path | None, Sequence[Path]] = (None, ()),
) -> None:
    """Write all tables into `folder` from the files of measures.

    All but the one by seed count the pooled samples, one a document. `controls` gives the control of each
    model that has one, `texts` the text of each table of perplexity, `published` the published `sources` and
    the `experiment` to compare them with. `text_files` are those of generation, membership, concatenated,
    tasks and perturbed, as far as there are any, `methods` what is known of strategies, `screening` whether
    samples are screened, `features` the file of samples' features, `kind_of_set` what members are; of known
    sequences `known` is the file of samples, and the score files of dense models of which there are published
    scores. Samples that methods may be fitted to have a table of their own, and are in no other but that of
    screening. Raises UserError for a file that cannot be read, and where variants of a model were not
    measured on the same samples.
    """

    def measures(files: Sequence[Path]) -> pd.DataFrame:
        return in_order(pd.concat(map(read_parquet, files), ignore_index=True), models, strategies)

    samples, windows = measures(memorization_files), measures(perplexity_files)
    others = {kind: measures(files) for kind, files in text_files.items() if files}
    duplicates = samples.duplicates.astype("Int64")  # null: nobody counted
    samples = samples.assign(duplicates=duplicate_strata(duplicates))
    fitted, samples = samples[samples.split == "fitted"], samples[samples.split != "fitted"]
    perplexity = perplexity_table(windows)
    verdicts = verdicts_table(
        samples[samples.pooled],
        perplexity,
        evidence_of(memorization_files, perplexity_files),
        others.get("generation"),
        methods,
    )
    memorization, strata = memorization_tables(samples)
    members, non_members = (
        samples[samples.pooled & (samples.split == split)] for split in ("member", "non_member")
    )
    paired = against_dense(members)
    judged = [
        table.merge(verdicts[[*VARIANT, "verdict"]], on=VARIANT) for table in (memorization, perplexity)
    ]
    sound = [table.assign(collapsed=table.verdict == "collapsed") for table in judged]
    tables = {
        "memorization": judged[0],
        **strata,
        "excess": excess_table(members, non_members, controls),
        "paired": paired,
        "between_strategies": between_strategies(members, windows, methods),
        "power": smallest_drops(memorization, len(paired)),
        "perplexity": naming_text(judged[1], texts["perplexity"]),
        "verdicts": verdicts,
        "at_equal_sparsity": at_equal_sparsity(*sound, methods),
        "at_equal_removed": at_equal_removed(*sound, methods),
        "at_equal_perplexity": at_equal_perplexity(*sound, methods),
        "frontier": frontier(*(table[~table.model.isin(set(controls.values()))] for table in sound)),
        "published": published_table(memorization, perplexity, **published),
        **tables_of_metrics(samples, others, sound[1], controls, methods),
    }
    if stores_otherwise(methods):
        tables["at_equal_bytes"] = at_equal_bytes(*sound, methods)
    if "concatenated" in others:
        tables["concatenated_perplexity"] = naming_text(
            concatenated_table(others["concatenated"]), texts["concatenated"]
        )
    if len(fitted):
        tables["memorization_fitted"] = with_seed_spread(memorization_table(fitted), fitted)
    if screening:
        tables["screening"] = screening_table(pd.concat([samples, fitted]))
    if "perturbed" in others:
        tables["perturbed"] = perturbed_table(samples, others["perturbed"])
    if has_chains(methods) or "perturbed" in others:
        tables["lasting"] = lasting_table(members, perplexity, methods, others.get("perturbed"))
    if features is not None:
        tables["categories"] = categories_table(members, read_parquet(features))
    if "membership" in others:
        tables["membership"] = membership_table(others["membership"][others["membership"].pooled])
    if kind_of_set == KNOWN:
        tables |= tables_of_sequences(known, samples[samples.split == "member"], models)
    tables |= {name: naming_set(tables[name], kind_of_set) for name in OF_MEMBERS if name in tables}
    for name, table in tables.items():
        write_table(table, name, HOW_TO_READ[name], folder)
    write_readme({name: HOW_TO_READ[name] for name in (*tables, "paper_layout")}, folder)
    layout = paper_layout(naming_set(memorization, kind_of_set), perplexity, methods)
    layout.to_parquet(folder / "paper_layout.parquet", index=False)
    for kind, suffix in (("markdown", "md"), ("latex", "tex")):
        (folder / f"paper_layout.{suffix}").write_text(as_text(layout, kind))


def tables_of_metrics(
    samples: pd.DataFrame,
    texts: Mapping[str, pd.DataFrame],
    perplexity: pd.DataFrame,
    controls: Mapping,
    methods: Methods,
) -> dict[str, pd.DataFrame]:
    """The tables of all metrics alike: of samples, and of the kinds of `texts` that have a value an item.

    `perplexity` is the table of that name with a column `collapsed`.
    """
    of_texts = [list(metric_values(texts[kind])) for kind in PER_ITEM if kind in texts]
    kinds = [list(metric_values(samples)), *of_texts]
    metrics = metrics_table(list(chain.from_iterable(kinds)))
    tables = {
        "metrics": metrics,
        "metrics_at_equal": metrics_at_equal(metrics, perplexity, methods),
        "metrics_controls": pd.concat([metrics_controls(kind, controls) for kind in kinds]),
    }
    if of_texts:
        between = metrics_between_strategies(list(chain.from_iterable(of_texts)), methods)
        tables["metrics_between_strategies"] = between
    if texts.keys() & {"generation", "tasks"}:
        studied = [table[~table.model.isin(set(controls.values()))] for table in (metrics, perplexity)]
        tables["agreement"] = agreement(*studied)
    return tables


def tables_of_sequences(
    known: tuple[Path | None, Sequence[Path]], members: pd.DataFrame, models: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """The tables of known sequences alone: how many there are, and their published scores if any."""
    samples, dense = known
    tables = {"sequences": sequences_table(samples, members)}
    if dense:
        scored = scored_twice(samples, dense, models)
        tables["published_scores"] = published_scores(scored)
        tables["published_differences"] = published_differences(scored)
    return tables


def memorization_tables(samples: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """The table of what is extracted from members, and the others of its kind: of strata and non-members."""
    members, others = (samples[samples.split == split] for split in ("member", "non_member"))

    def table(rows: pd.DataFrame, strata: Sequence[str] = ()) -> pd.DataFrame:
        return with_seed_spread(memorization_table(rows[rows.pooled], strata), rows)

    return table(members), {
        "memorization_non_members": table(others),
        "memorization_by_duplicates": table(members, ["duplicates"]),
        "memorization_by_subset": table(members, ["subset"]),
        "memorization_by_seed": memorization_table(members, ["seed"]),
    }


def evidence_of(*kinds: Sequence[Path]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The digests of each variant's evidence, by model and variant's name, from its files of each kind."""
    digests = {}
    for files in zip(*kinds, strict=True):
        with readable(files[0]):
            first = pq.read_table(files[0], columns=VARIANT).slice(0, 1).to_pandas()
            metadata = [pq.read_schema(path).metadata for path in files]
        [key] = zip(first.model, variant_label(first), strict=True)
        digests[key] = tuple(about[b"evidence"].decode() for about in metadata)
    return digests
