"""The samples that a reader can look at, as data for the page: their evidence, token by token, and texts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from memprune.disk import UNREADABLE
from memprune.errors import UserError
from memprune.findings.frames import variant_label
from memprune.models.decoding import text_decoder
from memprune.report.blobs import columns, plain
from memprune.report.sample_choice import chosen
from memprune.report.sample_evidence import KEY, PER_NAT, matched_tokens, scored_rows, token_codes
from memprune.report.sample_texts import sample_text
from memprune.results import Results
from memprune.variants.names import split_variant

ABOUT = [*KEY, "document", "subset", "duplicates"]
CONTINUED = ["variant", *KEY, "continuation", "near_verbatim_10"]
UNSCORED = 65535


def sample_blobs(own: Results, count: int, texts: bool) -> dict[str, object]:
    """Blobs by name, JSON values or bytes, of `count` samples at most; `texts` says whether with their texts.

    - `samples`: the index, None if no sample was scored: what identifies each sample, and the variants;
    - `matched-{model}` (its place in the index): uint16, variants × context lengths × samples, the
      tokens that are reproduced from the suffix's start, `UNSCORED` where it was not scored;
    - `tokens-{model}-{length}`: uint8, samples × variants × suffix, see `sample_evidence.token_codes`;
    - `texts` and `continuations-{model}`, with texts alone.

    Raises UserError when a file is damaged.
    """
    drawn = own.samples[own.samples.pooled].reset_index(drop=True)
    variants = scored_variants(own)
    if not variants or drawn.empty:
        return {"samples": None}
    lengths = sorted(map(int, own.tables["memorization"].context_length.unique()))
    codes = {
        model: np.stack([token_codes(own.path(*place(model, name)), drawn, lengths) for name in names])
        for model, names in variants.items()
    }
    matched = {model: matched_tokens(own_codes) for model, own_codes in codes.items()}
    most = np.max([own_matched.max(axis=(0, 2)) for own_matched in matched.values()], axis=0)
    places = chosen(drawn, most, count)
    shown = drawn.iloc[places]
    suffix = next(iter(codes.values())).shape[-1]
    told, why = texts_of(own, shown, suffix, lengths) if texts else (None, "report.texts is false")
    index = {
        "total": len(drawn),
        "suffix": suffix,
        "context_lengths": lengths,
        "per_nat": PER_NAT,
        "samples": columns(shown[ABOUT]),
        "models": [about_model(own, model, names) for model, names in variants.items()],
        "no_texts": why,
    }
    blobs = {"samples": index} | ({"texts": told} if told else {})
    for number, (model, names) in enumerate(variants.items()):
        counts = np.where(scored_rows(codes[model]), matched[model], UNSCORED)[:, places].transpose(0, 2, 1)
        blobs[f"matched-{number}"] = counts.astype("<u2").tobytes()
        for at in range(len(lengths)):
            blobs[f"tokens-{number}-{at}"] = codes[model][:, places, at].transpose(1, 0, 2).tobytes()
        if told and has_generation(own, model):
            blobs[f"continuations-{number}"] = continuations(own, model, names, shown)
    return blobs


def place(model: str, variant: str) -> tuple[str, str, str, str]:
    """Where a variant's evidence on samples is, as `Results.path` takes it."""
    return "scores", model, variant, ".memorization.parquet"


def scored_variants(own: Results) -> dict[str, list[str]]:
    """The variants of each model that are in the tables and have scores, in the tables' order."""
    table = own.tables["perplexity"]
    named = table.assign(variant=variant_label(table)).groupby("model", sort=False).variant
    found = {
        model: [name for name in names if name in own.variants(model)]
        for model, names in named
        if model in own.models
    }
    return {model: names for model, names in found.items() if names}


def has_generation(own: Results, model: str) -> bool:
    """Whether a model's variants have continued samples freely."""
    return (own.folder / "measures" / model / "generation.parquet").exists()


def about_model(own: Results, model: str, names: Sequence[str]) -> dict:
    """A model's name and its variants, each with its strategy and what the verdicts call it."""
    table = own.tables["verdicts"]
    rows = table[table.model == model]
    verdicts = dict(zip(variant_label(rows), rows.verdict, strict=True))
    return {
        "name": model,
        "variants": [
            {"name": name, "strategy": split_variant(name)[0], "verdict": verdicts[name]} for name in names
        ],
    }


def texts_of(
    own: Results, shown: pd.DataFrame, suffix: int, lengths: Sequence[int]
) -> tuple[dict | None, str | None]:
    """The samples' texts, or None and why there are none: the tokenizer has gone."""
    folder = own.manifest(own.models[0]).folder
    try:
        decode = text_decoder(folder)
    except (UserError, *UNREADABLE):
        return None, f"the tokenizer in {folder} cannot be read any more"
    told = [sample_text(tokens, suffix, lengths, decode) for tokens in shown.tokens]
    return {name: [own_text[name] for own_text in told] for name in ("context", "tails", "pieces")}, None


def continuations(own: Results, model: str, names: Sequence[str], shown: pd.DataFrame) -> dict:
    """What a model's variants wrote freely after the longest context, a list a column.

    `variant` and `sample` are places in `names` and `shown`.
    """
    rows = own.generation(model).assign(variant=variant_label)[CONTINUED]
    at = pd.MultiIndex.from_frame(shown[KEY]).get_indexer(pd.MultiIndex.from_frame(rows[KEY]))
    variant = pd.Index(names).get_indexer(rows.variant)
    known = (at >= 0) & (variant >= 0)
    return {
        "sample": at[known].tolist(),
        "variant": variant[known].tolist(),
        "text": plain(rows.continuation[known]),
        "near_verbatim": plain(rows.near_verbatim_10[known].astype(bool)),
    }
