"""Measures of samples that several seeds have drawn, of members and non-members, with random extraction."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from measure_files import write_measure_files

from memprune.findings.frames import VARIANT, in_order

VARIANTS = [("big", "dense", 0.0), ("big", "global", 0.3), ("once", "dense", 0.0), ("other", "dense", 0.0)]
MODELS, STRATEGIES, CONTEXT_LENGTHS = ["big", "once", "other"], ["global"], [50, 100]
RATES = {"member": 0.4, "non_member": 0.1}


def drawn_measures(seeds: Sequence[int] = (0,), members: int = 40, non_members: int = 20) -> pd.DataFrame:
    """Rows of each seed, of which every fourth has a document that all seeds draw.

    Non-members are of fewer subsets than members; duplicates are counted of some.
    """
    generator = np.random.default_rng(0)
    rows = [
        {
            **dict(zip(("model", "strategy", "level"), variant, strict=True)),
            "sparsity": variant[2],
            "removed": variant[2] / 2,
            "variant_bytes": 1000,
            "sample": turn * count + number,
            "split": split,
            "seed": seed,
            "pooled": turn == 0 or number % 4 > 0,
            "document": f"{split} {seed if number % 4 else 'any'} {number}",
            "subset": "ABC"[number % (3 if split == "member" else 2)],
            "duplicates": 2 ** (number % 3) if number % 5 and split == "member" else None,
            "context_length": k,
            "extracted": bool(generator.random() < RATES[split] * (1 - variant[2])),
        }
        for variant in VARIANTS
        for split, count in (("member", members), ("non_member", non_members))
        for turn, seed in enumerate(seeds)
        for number in range(count)
        for k in CONTEXT_LENGTHS
    ]
    measures = (
        pd.DataFrame(rows)
        .assign(target=None, token_accuracy=0.5, compute_dtype="float32")
        .astype({"duplicates": "Int64"})
    )
    return in_order(measures, MODELS, STRATEGIES)


def pooled(measures: pd.DataFrame, split: str) -> pd.DataFrame:
    """The pooled samples of a split."""
    return measures[(measures.split == split) & measures.pooled]


def write_measures(measures: pd.DataFrame, folder) -> tuple[list, list]:
    """The files of measures, with one perplexity window for each variant."""
    windows = measures.drop_duplicates(["model", "strategy", "level"])[[*VARIANT, "document"]]
    windows = windows.assign(nll=30.0, tokens=10, bytes=40, words=8)
    return (
        write_measure_files(measures, "memorization", folder),
        write_measure_files(windows, "perplexity", folder),
    )
