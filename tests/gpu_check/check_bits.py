"""Bits: what trained models extract of real texts on the device is what they extract on a CPU."""

from collections.abc import Iterator

import numpy as np
import torch
from check_settings import Settings
from finding import Finding
from trained_variants import passes_of, trained_variants

from memprune.evaluation.scorer import Scorer
from memprune.evaluation.screened_scorer import ignore
from memprune.evaluation.screening import extracted
from memprune.evaluation.variant import Variant


def check(settings: Settings) -> Iterator[Finding]:
    """All samples at all context lengths, in float32."""
    for variant in trained_variants(settings):
        bits, margins = scored(variant, settings.device)
        expected, expected_margins = scored(variant, "cpu")
        differ = int((bits != expected).sum())
        yield Finding(
            variant.name,
            f"{differ} of {len(bits)} bits differ, {expected.sum()} extracted; "
            f"margins within {np.abs(margins - expected_margins).max():.1e} logits of a CPU's",
            "0 differ",
            differ == 0,
        )


def scored(variant: Variant, device: str) -> tuple[np.ndarray, np.ndarray]:
    """What is extracted, a row for each sample and context length, and the margins, rows × suffix."""
    scorer = Scorer(variant, device, torch.get_num_threads())
    found = [scorer.evidence(tokens, lengths, ignore) for tokens, lengths in passes_of(variant)]
    bits, margins = ([extracted(one) for one in found], [one.margin for one in found])
    return np.concatenate(bits), np.concatenate(margins)
