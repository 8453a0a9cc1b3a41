"""Scores that tell members from non-members, from the evidence on all tokens of a window but the first.

Each is oriented as its paper defines it; `MEMBER` says on which side of it members lie.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

MEMBER = {
    "loss": "lower",
    "zlib": "lower",
    "min_k": "higher",
    "min_k_plus_plus": "higher",
    "reference": "lower",
}
SMALLEST = np.finfo(np.float32).tiny  # a deviation below it is none that float32 tells from 0


def membership_scores(
    evidence: Mapping[str, np.ndarray], texts: Sequence[str], share: float, reference: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Every score of each window, float64.

    `evidence` has `log_probability`, `mean` and `deviation` (float32, windows × tokens), `texts` what the
    windows say; `share` is that of Min-K % and Min-K++. `reference` is the log-probabilities of a reference
    model, windows × tokens, whose loss is subtracted (Watson et al. 2022, arXiv 2111.08440); without one that
    score is NaN.
    """
    own = loss(evidence["log_probability"])
    other = np.full_like(own, np.nan) if reference is None else loss(reference)
    normalised = deviations_from_mean(**evidence)
    return {
        "loss": own,
        "zlib": per_compressed_byte(own, texts),
        "min_k": mean_of_lowest(evidence["log_probability"], share),
        "min_k_plus_plus": mean_of_lowest(normalised, share),
        "reference": own - other,
    }


def loss(log_probability: np.ndarray) -> np.ndarray:
    """The mean negative log-likelihood, nats a token. Source: Yeom et al. 2018, arXiv 1709.01604."""
    return -log_probability.mean(1, dtype=np.float64)


def per_compressed_byte(losses: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """The mean negative log-likelihood divided by the bytes of the window's text under zlib (level 6, UTF-8).

    Source: Carlini et al. 2021, arXiv 2012.07805, section 5.1: the logarithm of perplexity, which is a mean,
    over zlib's entropy; so do MIMIR and the code of Min-K % and Min-K++. The total in the mean's place would
    rank windows alike, since all have as many tokens.
    """
    return losses / np.array([len(zlib.compress(text.encode())) for text in texts])


def mean_of_lowest(values: np.ndarray, share: float) -> np.ndarray:
    """The mean of each window's lowest values: `share` of them, rounded down as the authors do, one at least.

    Of log-probabilities it is Min-K %. Source: Shi et al. 2024, arXiv 2310.16789.
    """
    count = max(1, int(values.shape[1] * share))
    return np.sort(values, axis=1)[:, :count].mean(1, dtype=np.float64)


def deviations_from_mean(log_probability: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """How many deviations each token's log-probability lies above the mean over the vocabulary, float64.

    What Min-K++ takes the lowest of. Source: Zhang et al. 2024, arXiv 2404.02936. Where the deviation is 0
    the model is sure of one token, or all are alike: a token at the mean is at 0, any other below all else.
    """
    distance = log_probability.astype(np.float64) - mean
    return distance / np.maximum(deviation, SMALLEST)
