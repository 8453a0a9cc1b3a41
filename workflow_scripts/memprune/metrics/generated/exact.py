"""Whether free decoding reproduces the whole suffix: what `extracted` says at this context length."""

from memprune.metrics.generated.continuation import Continuation

LESS_MEMORIZED = "lower"


def measure(own: Continuation) -> bool:
    """Whether all tokens are the same."""
    return own.tokens == own.suffix
