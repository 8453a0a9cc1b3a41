"""ROUGE-L: the longest common subsequence of words, as F-measure, 0 to 1, by rouge_score without a stemmer.

The library's words are runs of a to z and 0 to 9 in lower case, so that text in other letters has none and
scores 0. Source: Lin 2004, *ROUGE: A Package for Automatic Evaluation of Summaries*, W04-1013.
"""

from functools import cache

from rouge_score.rouge_scorer import RougeScorer

from memprune.metrics.generated.continuation import Continuation

LESS_MEMORIZED = "lower"
BETTER = "higher"


def measure(own: Continuation) -> float:
    """The F-measure."""
    return float(scorer().score(own.suffix_text, own.text)["rougeL"].fmeasure)


@cache
def scorer() -> RougeScorer:
    """The library's scorer, made once."""
    return RougeScorer(["rougeL"], use_stemmer=False)
