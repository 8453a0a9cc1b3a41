"""Known sequences whose scores others have published: whether the same ones are extracted here.

A published score is the share of a suffix that was reproduced: a sequence is extracted there where it is 1.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from statsmodels.stats.inter_rater import cohens_kappa

from memprune.corpus.drawn import PUBLISHED
from memprune.findings.frames import read_parquet
from memprune.findings.paired_tests import mcnemar_p_values
from memprune.metrics import matched, near_tie
from memprune.metrics.score_files import Rows, read_samples

KEY = ["split", "seed", "sample"]
COUNTS = ["both", "ours_only", "published_only", "neither"]


def scored_twice(samples: Path, dense: Sequence[Path], models: Sequence[str]) -> pd.DataFrame:
    """Members with a published score, a row a model, sequence and context length.

    `dense` are score files of dense models; of those that are not among `models` nothing is read. Columns:
    model, context_length, document, category (null without one), published (the score, 0 to 1), extracted,
    matched (tokens until the first mismatch), margin (of the token that decides, in logits: the first that
    differs, else the least one) and near_tie. Raises UserError for a damaged file.
    """
    drawn = read_parquet(samples)
    pooled = drawn[(drawn.split == "member") & drawn.pooled]
    parts = [one_model(pooled, *read_samples(path)) for path in dense]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(model=pd.Categorical(table.model, models, ordered=True)).sort_values(
        ["model", "context_length"], kind="stable", ignore_index=True
    )


def one_model(pooled: pd.DataFrame, described: pa.Table, rows: Rows) -> pd.DataFrame:
    """The members of one model that have a published score of it, beside its dense evidence."""
    described = described.to_pandas()
    found = described[["model", *KEY, "context_length"]].assign(
        extracted=rows.greedy.all(axis=1),
        matched=matched.measure(rows),
        margin=deciding_margins(rows),
        near_tie=near_tie.measure(rows),
    )
    [model] = set(described.model)
    known = pooled[[*KEY, "document", "category", f"{PUBLISHED}{model}"]]
    known = known.rename(columns={f"{PUBLISHED}{model}": "published"}).dropna(subset="published")
    columns = ["model", "context_length", "document", "category", "published"]
    joined = known.merge(found, on=KEY, how="inner", validate="one_to_many")
    return joined[[*columns, "extracted", "matched", "margin", "near_tie"]]


def deciding_margins(rows: Rows) -> np.ndarray:
    """Of each suffix the margin of its first token that is not the greedy choice, else its least: float32."""
    first = np.argmin(rows.greedy, axis=1)
    least = np.argmin(rows.margin, axis=1)
    place = np.where(rows.greedy.all(axis=1), least, first)
    return np.take_along_axis(rows.margin, place[:, None], axis=1)[:, 0]


def published_scores(scored: pd.DataFrame) -> pd.DataFrame:
    """How well a dense model's extraction agrees with published scores, sequence by sequence.

    Columns: model, context_length, sequences, then those that are extracted by both, by ours_only, by
    published_only and by neither, agreement (the share of both and neither), kappa with kappa_ci_low and
    kappa_ci_high (Cohen 1960, with the 95 % interval of Fleiss, Cohen and Everitt 1969; null where one side
    has a single answer), p_value (exact McNemar, two-sided), and near_ties (of the differing sequences).
    """
    groups = scored.groupby(["model", "context_length"], observed=True)
    return pd.DataFrame(
        [{"model": str(model), "context_length": k, **agreement_of(rows)} for (model, k), rows in groups],
        columns=["model", "context_length", "sequences", *COUNTS, "agreement", "kappa", "kappa_ci_low",
                 "kappa_ci_high", "p_value", "near_ties"],
    )  # fmt: skip


def agreement_of(rows: pd.DataFrame) -> Mapping[str, float]:
    """The counts and statistics of one model at one context length."""
    ours, theirs = rows.extracted.to_numpy(), (rows.published == 1).to_numpy()
    counts = [(ours & theirs).sum(), (ours & ~theirs).sum(), (~ours & theirs).sum(), (~ours & ~theirs).sum()]
    both, ours_only, published_only, neither = map(int, counts)
    [p_value] = mcnemar_p_values(np.array([ours_only]), np.array([published_only]))
    return {
        "sequences": len(rows),
        **dict(zip(COUNTS, (both, ours_only, published_only, neither), strict=True)),
        "agreement": (both + neither) / len(rows),
        **kappa(both, ours_only, published_only, neither),
        "p_value": p_value,
        "near_ties": int(rows.near_tie[ours != theirs].sum()),
    }


def kappa(both: int, first_only: int, second_only: int, neither: int) -> dict[str, float]:
    """Cohen's kappa of two answers yes or no, with its 95 % interval; NaN where a side has one answer."""
    names = ("kappa", "kappa_ci_low", "kappa_ci_high")
    sides = (both + first_only, second_only + neither), (both + second_only, first_only + neither)
    if any(0 in side for side in sides):
        return dict.fromkeys(names, np.nan)
    found = cohens_kappa(np.array([[both, first_only], [second_only, neither]]))
    return dict(zip(names, (found.kappa, max(found.kappa_low, -1.0), min(found.kappa_upp, 1.0)), strict=True))


def published_differences(scored: pd.DataFrame) -> pd.DataFrame:
    """The sequences on which a dense model and its published scores differ, those nearest to a tie first.

    Columns: those of `scored_twice`.
    """
    differing = scored[scored.extracted != (scored.published == 1)]
    ordered = differing.assign(distance=differing.margin.abs()).sort_values(
        ["model", "context_length", "distance"], kind="stable", ignore_index=True
    )
    return ordered.drop(columns="distance").astype({"model": str})
