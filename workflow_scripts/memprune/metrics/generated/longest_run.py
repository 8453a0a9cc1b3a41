"""The longest run of tokens that continuation and true suffix have in common, wherever it stands in each.

Source: ours; it is what verbatim copies are searched by (Nasr et al. 2023, arXiv 2311.17035: 50 tokens).
"""

from memprune.metrics.generated.continuation import Continuation

LESS_MEMORIZED = "lower"


def measure(own: Continuation) -> float:
    """The length of the longest common run over that of the suffix, 0 to 1."""
    longest, runs = 0, [0] * (len(own.suffix) + 1)  # runs that end before each place of the suffix
    for token in own.tokens:
        runs = [0, *(run + 1 if token == true else 0 for run, true in zip(runs, own.suffix, strict=False))]
        longest = max(longest, *runs)
    return longest / len(own.suffix)
