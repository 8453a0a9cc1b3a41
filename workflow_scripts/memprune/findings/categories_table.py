"""What is extracted of each category of samples, and what becomes of it in changed models."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from memprune.errors import UserError
from memprune.findings.by_variant import columns_by_variant
from memprune.findings.feature_bins import as_categories
from memprune.findings.frames import VARIANT
from memprune.findings.intervals import paired_difference_interval, wilson_interval
from memprune.findings.lasting_table import share_of
from memprune.findings.metric_changes import with_holm
from memprune.findings.paired_tests import mcnemar_p_values

COUNTS = ["dense", "kept", "lost", "gained"]
COLUMNS = [
    *VARIANT, "feature", "category", "context_length",
    "extracted", "samples", "fraction", "ci_low", "ci_high",
    *COUNTS, "kept_fraction", "kept_ci_low", "kept_ci_high",
    "difference", "difference_ci_low", "difference_ci_high", "p_value", "p_holm",
]  # fmt: skip


def categories_table(members: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Every variant on the pooled members of each category of each feature.

    `members` are measures of pooled members; `features` has a row a sample: sample, split, and a column a
    feature, of numbers or names. Columns: `VARIANT`, feature, category (text, null where the feature is not
    known of a sample), context_length, extracted, samples, fraction with Wilson's 95 % interval; of changed
    variants dense (how many the dense model extracts), how many of these are kept and lost, how many are
    gained (by the variant only), kept_fraction (of dense) with Wilson's interval, difference (of the
    fractions, variant − dense) with Tango's, p_value (exact McNemar, two-sided) and p_holm, corrected over
    all rows of a feature. A feature that is known of no member is left out. Raises UserError for members
    without features.
    """
    known = features[features.split == "member"].set_index("sample").drop(columns="split")
    samples = np.sort(members["sample"].unique())
    if lacking := set(samples) - set(known.index):
        raise UserError(
            f"samples/features.parquet: found no features of member {min(lacking)}; delete it and run again"
        )
    own = known.loc[samples]
    categories = {name: as_categories(own[name]) for name in own if own[name].notna().any()}
    table = pd.concat(counted(members, categories), ignore_index=True)
    table["feature"] = pd.Categorical(table.feature, list(categories), ordered=True)
    table = table.sort_values([*VARIANT, "feature", "place", "context_length"], ignore_index=True)
    return table.pipe(with_shares).astype({"feature": object})[COLUMNS]


def counted(members: pd.DataFrame, categories: dict[str, pd.Series]) -> Iterator[pd.DataFrame]:
    """The counts of each model, context length and feature; `place` is a category's among its feature's."""
    for (_, k), rows in members.groupby(["model", "context_length"], observed=True):
        variants, samples, [extracted] = columns_by_variant(rows, "sample", ["extracted"])
        [dense] = np.flatnonzero(variants.strategy == "dense")
        kept = extracted * extracted[dense]
        for name, of_samples in categories.items():
            own = of_samples.loc[samples].cat
            labels = [*own.categories, None]
            places = own.codes.to_numpy() % len(labels)  # the code of null is -1: it comes last
            for place in np.unique(places):
                chosen = places == place
                counts = {
                    "extracted": extracted[:, chosen].sum(axis=1).astype(int),
                    "samples": chosen.sum(),
                    "dense": int(extracted[dense, chosen].sum()),
                    "kept": kept[:, chosen].sum(axis=1).astype(int),
                }
                described = {"feature": name, "category": labels[place], "context_length": k, "place": place}
                yield variants.assign(**described, **counts)


def with_shares(table: pd.DataFrame) -> pd.DataFrame:
    """The table with shares, their intervals and tests; what concerns a change is null of dense models."""
    names = ["extracted", "samples", "dense", "kept"]
    extracted, samples, dense, kept = (table[name].to_numpy(int) for name in names)
    lost, gained, changed = dense - kept, extracted - kept, (table.strategy != "dense").to_numpy()
    low, high = wilson_interval(extracted, samples)
    of_kept = share_of("kept", kept, dense, changed & (dense > 0))
    of_kept["kept_fraction"] = of_kept.pop("kept")
    difference_low, difference_high = paired_difference_interval(lost, gained, samples)
    of_change = {
        "difference": (gained - lost) / samples,
        "difference_ci_low": difference_low,
        "difference_ci_high": difference_high,
        "p_value": mcnemar_p_values(lost, gained),
    }
    counts = zip(COUNTS, (dense, kept, lost, gained), strict=True)
    whole = table.assign(
        fraction=extracted / samples,
        ci_low=low,
        ci_high=high,
        **{name: pd.Series(values, table.index, "Int64").where(changed) for name, values in counts},
        **of_kept,
        **{name: np.where(changed, values, np.nan) for name, values in of_change.items()},
    )
    return with_holm(whole, ["feature"])
