"""Excess memorization: what is extracted beyond what the same extraction finds without training on the text.

Two controls tell that: text that no model has seen, and a model that has hardly seen this text.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from memprune.findings.frames import VARIANT
from memprune.findings.intervals import newcombe_interval
from memprune.findings.paired_tests import mcnemar_p_values

STRATA = ("all", "subset", "duplicates")
NON_MEMBERS = ["non_member_extracted", "non_member_samples", "non_member_fraction"]
EXCESS = ["excess", "excess_ci_low", "excess_ci_high"]
CONTROL = ["control_extracted", "control_samples", "control_fraction"]
OVER_CONTROL = ["excess_over_control", "control_p_value"]
COLUMNS = [
    *VARIANT, "by", "stratum", "context_length", "extracted", "samples", "fraction",
    *NON_MEMBERS, *EXCESS, *CONTROL, *OVER_CONTROL,
]  # fmt: skip


def excess_table(
    members: pd.DataFrame, non_members: pd.DataFrame, controls: Mapping[str, str]
) -> pd.DataFrame:
    """What is extracted of members, of non-members, and by a control model of the same members.

    Members and non-members are measures of pooled samples; `controls` gives the control of each model that
    has one. Columns: `VARIANT`, by (all, subset, duplicates), stratum (text, null where nobody counted),
    context_length; extracted, samples, fraction of members; the same of non-members, of one subset if `by`
    is subset, and else of all; excess, the difference of the fractions, with Newcombe's 95 % interval; the
    same counts of the control, dense, on the same members; excess_over_control, the difference of the
    fractions, and control_p_value, of the exact McNemar test (two-sided). Null is what non-members would give
    of a subset that has none, and all of the control where a model has none.
    """
    paired = with_control(members, controls)
    parts = [stratified(paired, non_members, by) for by in STRATA]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def with_control(members: pd.DataFrame, controls: Mapping[str, str]) -> pd.DataFrame:
    """The rows with three columns of bools that are null for a model without a control.

    They are `control_extracted`, whether the dense control extracts the same sample, `gained`, whether the
    variant alone does, and `lost`, whether the control alone does.
    """
    keys = ["control", "context_length", "sample"]
    dense = members[members.strategy == "dense"].astype({"model": object})
    dense = dense.rename(columns={"model": "control", "extracted": "control_extracted"})
    named = members.assign(control=members.model.astype(object).map(controls.get))
    joined = named.merge(dense[[*keys, "control_extracted"]], how="left", on=keys, validate="many_to_one")
    own, other = joined.extracted.astype("boolean"), joined.control_extracted.astype("boolean")
    known = other.notna()
    return joined.assign(
        control_extracted=other, gained=(own & ~other).where(known), lost=(~own & other).where(known)
    )


def stratified(members: pd.DataFrame, non_members: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows of the table for one way to stratify."""
    strata = [] if by == "all" else [by]
    keys = [*VARIANT, *strata, "context_length"]
    shared = [*VARIANT, *(["subset"] if by == "subset" else []), "context_length"]
    groups = members.groupby(keys, observed=True, dropna=False)
    counts = groups[["control_extracted", "gained", "lost"]].sum(min_count=1).astype("Int64")
    counts.insert(0, "samples", groups.size())
    counts.insert(0, "extracted", groups.extracted.sum())
    table = counts.reset_index().merge(counted(non_members, shared), how="left", on=shared)
    stratum = table[by].astype("string").astype(object) if strata else "all"
    table = table.assign(by=by, stratum=stratum, fraction=table.extracted / table.samples)
    return table.pipe(with_excess).pipe(with_excess_over_control)


def counted(non_members: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """How many non-members there are in each group, and how many are extracted."""
    groups = non_members.groupby(list(keys), observed=True, dropna=False).extracted
    counts = groups.agg(non_member_extracted="sum", non_member_samples="size")
    return counts.reset_index()


def with_excess(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of non-members, and how much more of members is extracted."""
    found, samples = (table[name].fillna(0).astype(int) for name in NON_MEMBERS[:2])
    known = samples > 0
    fraction = (found / samples).where(known)
    low, high = newcombe_interval(
        table.extracted.to_numpy(), table.samples.to_numpy(), found.to_numpy(), samples.clip(1).to_numpy()
    )
    return table.assign(
        non_member_extracted=found,
        non_member_samples=samples,
        non_member_fraction=fraction,
        excess=table.fraction - fraction,
        excess_ci_low=np.where(known, low, np.nan),
        excess_ci_high=np.where(known, high, np.nan),
    )


def with_excess_over_control(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of the control, and how much more than the control the variant extracts."""
    known = table.control_extracted.notna()
    fraction = table.control_extracted.astype(float) / table.samples
    gained, lost = (table[name].fillna(0).to_numpy(int) for name in ("gained", "lost"))
    return table.assign(
        control_samples=table.samples.astype("Int64").where(known),
        control_fraction=fraction,
        excess_over_control=table.fraction - fraction,
        control_p_value=np.where(known, mcnemar_p_values(lost, gained), np.nan),
    )
