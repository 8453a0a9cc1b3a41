"""How well a score tells members from non-members, and how much of that is the draw: ROC and bootstrap."""

from collections.abc import Sequence

import numpy as np

from memprune.findings.intervals import RESAMPLES


def resample_counts(units: int, generator: np.random.Generator) -> np.ndarray:
    """How often each unit stands in each resample, int32, units × resamples; the first is the sample itself.

    `RESAMPLES` times as many units as there are were drawn with replacement.
    """
    drawn = generator.integers(0, units, (units, RESAMPLES))
    places = drawn * (1 + RESAMPLES) + np.arange(1, 1 + RESAMPLES)
    counts = np.bincount(places.ravel(), minlength=units * (1 + RESAMPLES)).astype(np.int32)
    counts = counts.reshape(units, 1 + RESAMPLES)
    counts[:, 0] = 1
    return counts


def auc_and_tpr(
    members: np.ndarray,
    others: np.ndarray,
    member_counts: np.ndarray,
    other_counts: np.ndarray,
    rates: Sequence[float],
) -> np.ndarray:
    """The AUC, and the TPR at each false positive rate, (1 + rates) × resamples, float64.

    `members` and `others` are scores, of which higher ones say member; the counts are as `resample_counts`
    gives them. The AUC is that of Mann and Whitney: how often a member's score is higher than a non-member's,
    ties counting half. The TPR at a rate is the largest one of any threshold at which the share of
    non-members that pass for members is at most that rate.
    """
    members_by, others_by = np.argsort(-members, kind="stable"), np.argsort(-others, kind="stable")
    falling = -others[others_by]
    above, level = (np.searchsorted(-members[members_by], falling, side) for side in ("left", "right"))
    last = np.flatnonzero(np.append(np.diff(falling) != 0, True))  # of equal ones, which pass together
    weights = other_counts[others_by]
    true, false = cumulative(member_counts[members_by]), cumulative(weights)[1 + last]
    area = np.einsum("ij,ij->j", weights, true[above] + true[level], dtype=np.float64) / 2
    above_next = np.append(above[last], len(members))  # the members above the first one that may not pass
    passed = [above_next[(false / len(others) <= rate).sum(0)] for rate in rates]
    heights = [np.take_along_axis(true, at[None], 0)[0] for at in passed]
    return np.stack([area / len(others), *heights]) / len(members)


def cumulative(counts: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, … rows; a loop over rows, since np.cumsum goes down columns one by one."""
    sums = np.zeros((1 + len(counts), counts.shape[1]), np.int32)
    for before, own, after in zip(sums, counts, sums[1:], strict=False):
        np.add(before, own, out=after)
    return sums


def percentile_interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % intervals between percentiles along the last axis; NaN where resamples do not differ.

    There, as with one unit or with scores that do not overlap, resampling says nothing of the spread.
    """
    low, high = np.percentile(resampled, [2.5, 97.5], axis=-1)
    alike = resampled.min(-1) == resampled.max(-1)
    return np.where(alike, np.nan, low), np.where(alike, np.nan, high)
