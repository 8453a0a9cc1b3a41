"""The smallest drop that a number of samples can show, if pruning forgets and nothing is gained.

Of N samples a share is lost and none gained, the best case. The exact two-sided McNemar test then has the
p-value 2 · 0.5^lost, so it rejects from a fixed number of lost samples on, and how many are lost is binomial.
"""

from itertools import count

from scipy.special import betaincinv

SIGNIFICANCE, POWER = 0.05, 0.8


def losses_needed(tests: int = 1) -> int:
    """How many samples must be lost, and none gained, for Holm's first step over this many tests."""
    return next(lost for lost in count(1) if 2 * 0.5**lost <= SIGNIFICANCE / tests)


def smallest_drop(samples: int, tests: int = 1) -> float | None:
    """The smallest share lost that is shown with a power of 80 %; None if losing all samples shows nothing.

    P(Binomial(samples, share) >= needed) is the regularised incomplete beta function of the share.
    """
    needed = losses_needed(tests)
    return float(betaincinv(needed, samples - needed + 1, POWER)) if needed <= samples else None
