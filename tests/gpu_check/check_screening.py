"""Screening: in a fast type it says what float32 says, and how much faster."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from check_settings import Settings
from finding import Finding, not_here
from random_checkpoint import random_checkpoint, random_texts
from timing import timed
from trained_variants import SUFFIX, passes_of, scoring_spec, trained_variants

from memprune.corpus.document_windows import token_column
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.screened_scorer import ScreenedScorer, ignore
from memprune.evaluation.screening import AUDITED_TOO, CONTRADICTED, RESCORED, SETTLED, extracted
from memprune.evaluation.variant import Variant

CONTEXT = 500


def check(settings: Settings) -> Iterator[Finding]:
    """The bits of trained models and the rate of a larger shape, in bfloat16 and in TF32."""
    for fast in ("bfloat16", "tf32"):
        if fast == "tf32" and not settings.has_tf32:
            yield not_here(fast, "this device does not multiply in TF32")
            continue
        yield bits(fast, settings)
        yield rate(fast, settings)


def bits(fast: str, settings: Settings) -> Finding:
    """What trained models extract when they are screened, against float32 on the same device."""
    outcomes, bounds, differ = Counter(), [], 0
    for variant in trained_variants(settings):
        exact = Scorer(variant, settings.device, torch.get_num_threads())
        screened = ScreenedScorer(exact, fast)
        for tokens, lengths in passes_of(variant):
            table = screened.suffixes(tokens, lengths, ignore)
            outcomes.update(table["screened"].to_pylist())
            expected = extracted(exact.evidence(tokens, lengths, ignore))
            differ += int((extracted_of(table) != expected).sum())
        bounds.append(screened.bound)
    return Finding(
        f"{fast}, bits",
        f"{differ} of {outcomes.total()} bits differ from float32's; bounds {min(bounds):.2g} to "
        f"{max(bounds):.2g} logits; {in_words(outcomes)}",
        "0 differ",
        differ == 0,
    )


def rate(fast: str, settings: Settings) -> Finding:
    """Tokens a second of a larger shape, after its bound was found, against float32."""
    manifest, path = random_checkpoint(settings), settings.folder / "random-samples.parquet"
    tokens = random_texts(manifest, settings.texts, CONTEXT + SUFFIX)
    pq.write_table(pa.table({"tokens": token_column(tokens)}), path)
    variant = Variant(manifest.model, manifest, (), path, None, scoring_spec([CONTEXT]))
    exact = Scorer(variant, settings.device, torch.get_num_threads())
    screened = ScreenedScorer(exact, fast)
    table, seconds = timed(lambda: screened.suffixes(tokens, [CONTEXT], ignore), settings)
    _, in_float32 = timed(lambda: exact.evidence(tokens, [CONTEXT], ignore), settings)
    return Finding(
        f"{fast}, rate",
        f"Pythia-{settings.shape}'s shape, k = {CONTEXT}: {tokens.size / seconds:,.0f} tokens/s, float32 "
        f"{tokens.size / in_float32:,.0f}: {in_float32 / seconds:.1f} ×; "
        f"{in_words(Counter(table['screened'].to_pylist()))}",
        "not judged",
        True,
    )


def extracted_of(table: pa.Table) -> np.ndarray:
    """The same of a table of evidence."""
    ranks = table["rank"].combine_chunks()
    return (ranks.flatten().to_numpy().reshape(len(table), -1) == 0).all(axis=1)


def in_words(outcomes: Counter) -> str:
    """How many rows became what."""
    return ", ".join(f"{name} {outcomes[name]}" for name in (SETTLED, RESCORED, AUDITED_TOO, CONTRADICTED))
