"""Perplexities of variants, and what pruning made of them."""

import numpy as np
import pandas as pd

from memprune.findings.by_variant import by_variant
from memprune.findings.frames import VARIANT
from memprune.findings.intervals import perplexity_ratios


def perplexity_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Perplexities per variant, from sums over all windows (never a mean of perplexities).

    Columns: `VARIANT`, tokens, documents, token_perplexity, word_perplexity, byte_perplexity, bits_per_byte,
    then perplexity_ratio, the token perplexity in units of the dense model's, with perplexity_ratio_ci_low
    and …_ci_high (null if there is one document). Word and byte forms are those of lm-evaluation-harness.
    """
    groups = measures.groupby(VARIANT, observed=True, dropna=False)
    sums = groups[["nll", "tokens", "bytes", "words"]].sum()
    ratios = [ratios_to_dense(rows, "document") for _, rows in measures.groupby("model", observed=True)]
    with np.errstate(over="ignore"):  # a collapsed model's perplexity may be infinite
        perplexities = sums[["tokens"]].assign(
            documents=groups.document.nunique(),
            token_perplexity=np.exp(sums.nll / sums.tokens),
            word_perplexity=np.exp(sums.nll / sums.words),
            byte_perplexity=np.exp(sums.nll / sums.bytes),
            bits_per_byte=sums.nll / sums.bytes / np.log(2),
        )
    return perplexities.reset_index().join(pd.concat(ratios, ignore_index=True))


def ratios_to_dense(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """What `perplexity_ratios` gives of one model's variants to dense, in the order of tables.

    `unit` is the column of what is resampled.
    """
    variants, nll = by_variant(rows, unit, "nll")
    _, tokens = by_variant(rows, unit, "tokens")
    [dense] = np.flatnonzero(variants.strategy == "dense")
    everything = np.arange(len(variants))
    return pd.DataFrame(perplexity_ratios(nll, tokens[dense], np.full_like(everything, dense), everything))
