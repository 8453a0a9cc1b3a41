"""The samples that a reader can look at, as data for the page."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from memprune.findings.frames import level_label, variant_label
from memprune.report.blobs import columns
from memprune.report.sample_choice import choose, counted
from memprune.report.sample_continuations import generated, measures_of, written
from memprune.report.sample_evidence import LOWEST, SHADES, matched_tokens, shading
from memprune.report.sample_texts import own_decoder, texts_of
from memprune.results import Results

DESCRIBED = ["split", "seed", "sample", "document", "subset", "duplicates", "offset", "step"]
FIRST = 90  # characters of a suffix that a list shows
LEFT_OUT = "The configuration leaves the corpus's text out of this report (report: {texts: false})."
NO_TOKENIZER = "There is no text here: the folder of {model} no longer holds the tokenizer that it had."


def sample_blobs(own: Results, count: int, texts: bool) -> dict[str, object]:
    """Blobs by name: `samples`, an index of `count` samples at most, and what it says of each.

    - `samples-matched`: tokens matched, bytes or, for suffixes longer than 254, pairs of them; models ×
      variants × context lengths × samples, the largest value where nothing was scored;
    - `samples-shading-{model}-{context length}`, both by their places: see `memprune.report.sample_evidence`;
    - `samples-measures-{model}` and, with texts, `samples-written-{model}`, where text was generated;
    - `samples-texts`: see `memprune.report.sample_texts`.

    Without `texts` none holds text of the corpus, or tokens. Raises UserError for a result that is damaged.
    """
    pooled = counted(own.samples).reset_index(drop=True)
    scored = scored_variants(own)
    if not scored or pooled.empty:
        return {"samples": {"models": [], "total": len(pooled)}}
    lengths = sorted(map(int, set(own.tables["memorization"].context_length)))
    suffix = len(pooled.tokens.iloc[0]) - max(lengths)
    counts = [matched_tokens(own, model, table.variant, pooled, lengths) for model, table in scored.items()]
    chosen = choose(pooled, np.max([own_counts.max(axis=(0, 1)) for own_counts in counts], axis=0), count)
    samples = pooled.iloc[chosen].reset_index(drop=True)
    shown, missing = suffix_texts(own, samples, lengths, suffix, texts)
    truths = ["".join(parts) for parts in shown["suffixes"]] if shown else None
    if truths:
        samples["first"] = [truth[:FIRST] for truth in truths]
    blobs: dict[str, object] = {"samples-matched": as_bytes([own[..., chosen] for own in counts], suffix)}
    if shown:
        blobs["samples-texts"] = shown
    models = []
    for place, (model, table) in enumerate(scored.items()):
        for length, shades in enumerate(shading(own, model, table.variant, samples, lengths, suffix)):
            blobs[f"samples-shading-{place}-{length}"] = shades.tobytes()
        continuations = generated(own, model, table.variant, samples)
        if continuations:
            blobs[f"samples-measures-{place}"] = measures_of(continuations)
            if truths:
                blobs[f"samples-written-{place}"] = written(continuations, truths)
        models.append({"name": model, "generated": bool(continuations), "variants": columns(table)})
    index = {
        "models": models,
        "total": len(pooled),
        "lengths": lengths,
        "suffix": suffix,
        "shades": {"count": SHADES, "lowest": LOWEST},
        "without_texts": missing,
        "rows": columns(samples[[name for name in (*DESCRIBED, "first") if name in samples]]),
    }
    return {"samples": index, **blobs}


def scored_variants(own: Results) -> dict[str, pd.DataFrame]:
    """Each model that has evidence, with its variants that have: columns variant, strategy, level, verdict.

    They come in the order of the tables; a level is a label.
    """
    verdicts = own.tables["verdicts"]
    named = verdicts.assign(variant=variant_label(verdicts), level=level_label(verdicts))
    by_model = named[["model", "variant", "strategy", "level", "verdict"]].groupby("model", sort=False)
    scored = {
        model: table[table.variant.isin(own.variants(model))].drop(columns="model")
        for model, table in by_model
        if model in own.models
    }
    return {model: table for model, table in scored.items() if len(table)}


def suffix_texts(
    own: Results, samples: pd.DataFrame, lengths: Sequence[int], suffix: int, texts: bool
) -> tuple[Mapping | None, str | None]:
    """The texts, or None and why there are none."""
    if not texts:
        return None, LEFT_OUT
    model = own.tables["verdicts"].model.iloc[0]
    decode = own_decoder(own.manifest(model))
    if decode is None:
        return None, NO_TOKENIZER.format(model=model)
    paddings = samples.get("padding", pd.Series(0, samples.index)).fillna(0).astype(int)
    windows = [ids[padding:].tolist() for ids, padding in zip(samples.tokens, paddings, strict=True)]
    return texts_of(windows, lengths, suffix, decode), None


def as_bytes(counts: Sequence[np.ndarray], suffix: int) -> bytes:
    """Counts of tokens from 0 to `suffix`, one after another; -1 becomes the largest value that fits."""
    width = np.uint8 if suffix <= 254 else np.dtype("<u2")
    return b"".join(own.astype(width).tobytes() for own in counts)
