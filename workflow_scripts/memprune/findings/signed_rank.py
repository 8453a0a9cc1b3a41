"""Wilcoxon's signed-rank test of many paired comparisons at one time."""

import numpy as np
from scipy.stats import rankdata, wilcoxon

EXACT = 50  # differences other than 0, up to which the distribution is counted out


def signed_rank_p_values(differences: np.ndarray) -> np.ndarray:
    """Two-sided p-values that differences are as often above as below 0, rows × items (float64).

    Differences of 0 are left out, as McNemar's test leaves out samples that do not change; equal ones share
    their mean rank. Of at most `EXACT` others in a row the p-value is exact, given the ranks; of more it is
    scipy's, from the normal limit. It is 1 where all are 0. Source: Wilcoxon 1945, Biometrics Bulletin 1,
    80–83.
    """
    changed = np.count_nonzero(differences, axis=1)
    p_values = np.ones(len(differences))
    many = changed > EXACT
    if many.any():
        p_values[many] = wilcoxon(differences[many], axis=1, method="asymptotic").pvalue
    for row in np.flatnonzero((changed > 0) & ~many):
        p_values[row] = exact_p_value(differences[row][differences[row] != 0])
    return p_values


def exact_p_value(differences: np.ndarray) -> float:
    """The p-value from all equally likely signs of the differences, of which none is 0.

    Ranks are counted twice, since equal differences share halves. Source: Streitberg and Röhmel 1986,
    Statistical Software Newsletter 12, 10–18.
    """
    ranks = np.rint(2 * rankdata(np.abs(differences))).astype(int)
    chances = np.zeros(ranks.sum() + 1)  # of each sum of the positive ranks
    chances[0] = 1
    for rank in ranks:
        chances[rank:] = chances[rank:] / 2 + chances[:-rank] / 2
        chances[:rank] /= 2
    above = ranks[differences > 0].sum()
    return min(1.0, 2 * chances[: min(above, ranks.sum() - above) + 1].sum())
