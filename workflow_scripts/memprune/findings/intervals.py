"""The 95 % intervals of fractions, of differences between them, and of perplexity ratios."""

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.stats import bootstrap, norm, t
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

RESAMPLES = 1999


def wilson_interval(counted: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % interval of each fraction of `samples` (at least 1), float64.

    At none and at all its formula ends at 0 and 1, which rounding misses.
    """
    low, high = proportion_confint(counted, samples, method="wilson")
    return np.where(counted == 0, 0.0, low), np.where(counted == samples, 1.0, high)


def newcombe_interval(
    counted: np.ndarray, samples: np.ndarray, other_counted: np.ndarray, other_samples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Newcombe's 95 % interval of each difference of two fractions of unlike samples (at least 1), float64.

    Its method 10, from Wilson's intervals (Statistics in Medicine 17, 1998: 873-890). It holds the
    difference and lies within -1 and 1, both of which rounding may miss.
    """
    low, high = confint_proportions_2indep(
        counted, samples, other_counted, other_samples, method="newcomb", compare="diff"
    )
    difference = counted / samples - other_counted / other_samples
    return np.clip(low, -1.0, difference), np.clip(high, difference, 1.0)


def paired_difference_interval(
    lost: np.ndarray, gained: np.ndarray, samples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tango's 95 % score interval of each difference (gained − lost) / samples on the same samples, float64.

    It is all differences that the score test does not reject; where only one of the two counts is not 0 its
    farther end is that of Wilson's interval. Source: Tango 1998, Statistics in Medicine 17, 891–908.
    """
    counts = tuple(np.asarray(values, np.float64) for values in (lost, gained, samples))
    estimate = (counts[1] - counts[0]) / counts[2]
    bound = norm.ppf(0.975)
    ends = np.full_like(estimate, -1.0), np.full_like(estimate, 1.0)
    low = find_root(lambda *x: tango_score(*x) - bound, (ends[0], estimate), args=counts).x
    high = find_root(lambda *x: tango_score(*x) + bound, (estimate, ends[1]), args=counts).x
    return np.where(estimate == -1, -1.0, low), np.where(estimate == 1, 1.0, high)


def tango_score(
    difference: np.ndarray, lost: np.ndarray, gained: np.ndarray, samples: np.ndarray
) -> np.ndarray:
    """How many standard errors the observed difference lies above this one, if this one were true."""
    b = (2 * samples + lost - gained) * difference - lost - gained
    c = -lost * difference * (1 - difference)
    share_lost = (np.sqrt(np.maximum(b**2 - 8 * samples * c, 0)) - b) / (4 * samples)  # most likely one
    variance = samples * (2 * share_lost + difference * (1 - difference))
    tiny = np.finfo(np.float64).tiny  # in place of 0, where no sample changes
    return (gained - lost - samples * difference) / np.sqrt(np.maximum(variance, tiny))


def perplexity_ratios(
    nll: np.ndarray, tokens: np.ndarray, first: np.ndarray, second: np.ndarray
) -> dict[str, np.ndarray]:
    """Ratios of token perplexities, variant `second` to variant `first`, with bootstrap intervals.

    `nll` (float64, nats) is variants × documents, `tokens` as many as documents; `first` and `second` are
    rows of `nll`. The result has `perplexity_ratio`, `perplexity_ratio_ci_low` and `…_ci_high`, each of as
    many as pairs. Documents are resampled, the same for all variants; ends are percentiles, expanded for few
    documents (Hesterberg 2015, The American Statistician 69, 371–386). One document tells nothing of others:
    the interval of a ratio to another variant is NaN.
    """
    documents = len(tokens)

    def log_ratios(chosen: np.ndarray, axis: int = -1) -> np.ndarray:
        sums = nll[:, chosen].sum(axis)
        return (sums[second] - sums[first]) / tokens[chosen].sum(axis)

    everything = np.arange(documents)
    ends = [np.where(first == second, 0.0, np.nan)] * 2
    if documents > 1 and len(first):
        share = norm.cdf(np.sqrt(documents / (documents - 1)) * t.ppf(0.025, documents - 1))
        ends = bootstrap(
            (everything,), log_ratios, n_resamples=RESAMPLES, confidence_level=1 - 2 * share,
            method="percentile", vectorized=True, batch=100, rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
    with np.errstate(over="ignore"):  # a ratio may be infinite
        ratio, low, high = map(np.exp, (log_ratios(everything), *ends))
    name = "perplexity_ratio"
    return {name: ratio, f"{name}_ci_low": low, f"{name}_ci_high": high}
