"""What variants write after the longest context, where text was generated: measures, and texts."""

from collections.abc import Sequence

import pandas as pd

from memprune.findings.frames import variant_label
from memprune.report.blobs import plain
from memprune.report.sample_evidence import KEY
from memprune.report.sample_texts import shared
from memprune.results import Results

# With the digits that are shown.
MEASURES = {
    "near_verbatim_5": 0,
    "near_verbatim_10": 0,
    "rouge_l": 3,
    "edit_distance": 3,
}


def generated(own: Results, model: str, variants: Sequence[str], samples: pd.DataFrame) -> list | None:
    """For each variant its continuations as a frame, a row a sample; null where none was generated.

    None where the experiment generates no text.
    """
    if not (own.folder / "measures" / model / "generation.parquet").is_file():
        return None
    rows = own.generation(model)
    by_variant = dict(list(rows.set_index(KEY).groupby(variant_label(rows).to_numpy())))
    asked = pd.MultiIndex.from_frame(samples[KEY])
    return [by_variant.get(name, rows.set_index(KEY).head(0)).reindex(asked) for name in variants]


def measures_of(continuations: Sequence[pd.DataFrame]) -> dict[str, list[list]]:
    """Each measure as lists: a list a variant, a value a sample."""
    return {
        name: [plain(own[name].astype("Float64").round(digits)) for own in continuations]
        for name, digits in MEASURES.items()
    }


def written(continuations: Sequence[pd.DataFrame], truths: Sequence[str]) -> list[list]:
    """The texts: for each variant and sample how far it is the true suffix, and how it goes on from there.

    That far is counted in units of UTF-16, as the page's scripts count characters.
    """
    return [
        [
            None if pd.isna(text) else parted(text, suffix, truth)
            for text, suffix, truth in zip(own.continuation, own.suffix, truths, strict=True)
        ]
        for own in continuations
    ]


def parted(text: str, suffix: str, truth: str) -> tuple[int, str]:
    """A continuation as the length of its common start with the truth, and the rest.

    `suffix` is the true text as it was decoded by itself: what that lacks at the start of `truth`, as the
    space that a tokenizer drops there, the continuation lacks, too.
    """
    whole = truth.removesuffix(suffix) + text if truth.endswith(suffix) else text
    length = shared(whole, truth)
    return len(whole[:length].encode("utf-16-le")) // 2, whole[length:]
