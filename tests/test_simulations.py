"""Thousands of experiments whose truth is known: how often tests err, how often intervals hold the truth.

What was measured stands in docs/statistics.md.
"""

import numpy as np
import pytest

from memprune.findings.intervals import paired_difference_interval, perplexity_ratios, wilson_interval
from memprune.findings.paired_tests import holm, joint_counts, mcnemar_p_values
from memprune.findings.power import smallest_drop

EXPERIMENTS = 2000
STRATEGIES, LEVELS, SAMPLES = 3, 2, 500
EXTRACTED, CHANGED = {100: 0.2, 500: 0.4}, 0.2  # by the context length; of those, lost by each variant


def experiment(generator: np.random.Generator, share: float) -> np.ndarray:
    """Whether samples are extracted from dense and six variants that do not differ in truth (0 or 1)."""
    dense = generator.random(SAMPLES) < share
    chance = np.where(dense, CHANGED, CHANGED * share / (1 - share))  # as many gained as lost
    changed = generator.random((STRATEGIES * LEVELS, SAMPLES)) < chance
    return np.vstack([dense, dense ^ changed]).astype(np.float64)


def pairs(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Which variants a table compares; a strategy's levels stand together behind dense."""
    if kind == "against dense":
        return np.zeros(STRATEGIES * LEVELS, int), np.arange(1, 1 + STRATEGIES * LEVELS)
    first, second = np.triu_indices(STRATEGIES, 1)
    levels = 1 + np.arange(LEVELS)[:, None]
    return (LEVELS * first + levels).ravel(), (LEVELS * second + levels).ravel()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["against dense", "between strategies"])
def test_experiments_without_a_difference_show_one_in_5_percent_at_most(kind, monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels calls it each time
    generator = np.random.default_rng(0)
    smallest, corrected = [], []
    for _ in range(EXPERIMENTS):
        tables = [joint_counts(experiment(generator, share), *pairs(kind)) for share in EXTRACTED.values()]
        lost, gained = (np.concatenate([t[name] for t in tables]) for name in ("first_only", "second_only"))
        p_values = mcnemar_p_values(lost, gained)
        smallest.append(p_values.min())
        corrected.append(holm(p_values).min())
    noise = 3 * np.sqrt(0.05 * 0.95 / EXPERIMENTS)
    assert np.mean(np.array(corrected) <= 0.05) <= 0.05 + noise
    assert np.mean(np.array(smallest) <= 0.05) > 0.15  # what the correction is for


def test_the_smallest_drop_is_shown_by_four_of_five_experiments():
    generator = np.random.default_rng(1)
    for samples, tests in ((5000, 1), (5000, 420), (144, 48)):
        lost = generator.binomial(samples, smallest_drop(samples, tests), EXPERIMENTS)
        shown = mcnemar_p_values(lost, np.zeros_like(lost)) <= 0.05 / tests
        assert abs(shown.mean() - 0.8) < 3 * np.sqrt(0.8 * 0.2 / EXPERIMENTS)


def coverage(interval: tuple[np.ndarray, np.ndarray], truth: float) -> float:
    low, high = interval
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize(("samples", "share"), [(144, 0.3), (96, 0.5), (1000, 0.05), (5000, 0.022)])
def test_wilsons_interval_holds_the_truth_in_95_percent(samples, share):
    counted = np.random.default_rng(2).binomial(samples, share, 20_000)
    covered = coverage(wilson_interval(counted, np.full_like(counted, samples)), share)
    assert 0.93 <= covered <= 0.97, covered


@pytest.mark.parametrize(
    ("samples", "lost", "gained"),
    [
        (144, 0.10, 0.03),
        (144, 0.05, 0.05),
        (96, 0.10, 0.0),
        (500, 0.02, 0.01),
        (5000, 0.006, 0.002),
        (5000, 0.008, 0.0),
        (5000, 0.001, 0.001),
    ],
)
def test_differences_intervals_hold_the_truth_in_95_percent(samples, lost, gained):
    shares = [lost, gained, 1 - lost - gained]
    counts = np.random.default_rng(3).multinomial(samples, shares, 20_000).T
    covered = coverage(paired_difference_interval(counts[0], counts[1], counts.sum(0)), gained - lost)
    assert 0.93 <= covered <= 0.97, covered


@pytest.mark.slow
@pytest.mark.parametrize("documents", [24, 100])
def test_perplexity_ratios_intervals_hold_the_truth_in_95_percent(documents):
    """Documents of a lognormal length up to a window; a variant costs each document another factor."""
    generator = np.random.default_rng(4)
    together, truth, covered = 50, 1.2, []  # this many experiments have documents of the same lengths
    for _ in range(EXPERIMENTS // together):
        tokens = np.minimum(generator.lognormal(6, 0.8, documents), 2048).round()
        dense = generator.normal(2.5, 0.5, (together, documents)) * tokens
        factors = generator.normal(np.log(truth), 0.1, (together, documents))
        first = np.arange(together)
        ratios = perplexity_ratios(
            np.vstack([dense, dense + factors * tokens]), tokens, first, first + together
        )
        covered.append(
            coverage((ratios["perplexity_ratio_ci_low"], ratios["perplexity_ratio_ci_high"]), truth)
        )
    assert 0.93 <= np.mean(covered) <= 0.97, np.mean(covered)
