"""BLEU of one text, 0 to 100, by sacrebleu as `sentence_bleu` has it by default.

That is its tokenizer 13a, n-grams of up to four words, exponential smoothing, and effective order: of a text
of fewer than four words, only the n-grams that it can have count. Source: Papineni et al. 2002, P02-1040;
Post 2018, arXiv 1804.08771.
"""

from sacrebleu import sentence_bleu

from memprune.metrics.generated.continuation import Continuation

LESS_MEMORIZED = "lower"
BETTER = "higher"


def measure(own: Continuation) -> float:
    """The score of the continuation against the true suffix."""
    return sentence_bleu(own.text, [own.suffix_text], smooth_method="exp", use_effective_order=True).score
