"""Intervals against scipy, statsmodels and published examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from memprune.findings.intervals import paired_difference_interval, wilson_interval


@given(
    st.integers(1, 10**6).flatmap(
        lambda n: st.tuples(st.sampled_from([0, n]) | st.integers(0, n), st.just(n))
    )
)
def test_any_fractions_interval_equals_scipys_and_holds_it(drawn):
    extracted, samples = drawn
    low, high = (end.item() for end in wilson_interval(np.array([extracted]), np.array([samples])))
    interval = binomtest(extracted, samples).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)
    assert 0 <= low <= extracted / samples <= high <= 1
    assert (low == 0) == (extracted == 0)
    assert (high == 1) == (extracted == samples)


def difference_interval(lost: int, gained: int, samples: int) -> tuple[float, float]:
    low, high = paired_difference_interval(np.array([lost]), np.array([gained]), np.array([samples]))
    return low.item(), high.item()


@pytest.mark.parametrize(
    ("lost", "gained", "samples", "expected", "digits"),
    [
        # Cavo et al. 2012, by the R package contingencytables, that of Fagerland, Lydersen and Laake,
        # Statistical Analysis of Contingency Tables (2017), chapter 8.
        (16, 6, 161, (-0.1240, -0.0054), 4),
        # Duffy and Rothwell 2023, table 2 (PMC10763857).
        (2, 25, 102, (0.139, 0.321), 3),
    ],
)
def test_differences_intervals_equal_published_ones(lost, gained, samples, expected, digits):
    interval = difference_interval(lost, gained, samples)
    assert tuple(round(end, digits) for end in interval) == expected
    mirrored = difference_interval(gained, lost, samples)
    assert mirrored == pytest.approx((-interval[1], -interval[0]))


@given(st.integers(1, 10**4).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_what_only_loses_has_wilsons_farther_end(drawn):
    """At drops beyond the observed one none is likely gained: the test is that of one fraction."""
    lost, samples = drawn
    low, high = difference_interval(lost, 0, samples)
    wilson_low, wilson_high = proportion_confint(lost, samples, method="wilson")
    assert low == pytest.approx(-wilson_high, abs=1e-12)
    assert high >= -wilson_low - 1e-9  # some may have been gained, of which none was seen


@given(
    st.integers(1, 10**4).flatmap(
        lambda n: st.integers(0, n).flatmap(
            lambda lost: st.tuples(st.just(lost), st.integers(0, n - lost), st.just(n))
        )
    )
)
def test_any_differences_interval_holds_it_and_stays_between_minus_1_and_1(drawn):
    lost, gained, samples = drawn
    low, high = difference_interval(lost, gained, samples)
    assert -1 <= low <= (gained - lost) / samples <= high <= 1
    assert low < high


def test_no_pair_has_no_interval():
    none = np.array([], np.int64)
    assert [end.shape for end in paired_difference_interval(none, none, none)] == [(0,), (0,)]
