"""Random measures of two models whose changes stand in chains, and of the prefixes that attack them."""

import numpy as np
import pandas as pd

from memprune.findings.frames import in_order

MODELS, CONTEXT_LENGTHS = ["small", "large"], [10, 50]
SAMPLES, SHARES = 60, (0.05, 0.1)
# What `planning.methods_known` says of them; `global` and `random` prune the dense model.
METHODS = {
    "gptq": {"method": "quantize", "after": "global@0.5", "fitted": False},
    "nearest": {"method": "quantize", "after": None, "fitted": False},
    "retrain": {"method": "finetune", "after": "global@0.5", "fitted": False},
    "svd": {"method": "low-rank", "after": None, "fitted": False},
    "targeted": {"method": "prune", "after": None, "fitted": True},
}
# By strategy: level, sparsity, removed, bytes, what is left of memorization, perplexity.
LEVELS = {
    "dense": [(0.0, 0.0, 0.0, 1000, 1.0, 20.0)],
    "global": [(0.3, 0.3, 0.3, 730, 0.8, 21.0), (0.5, 0.5, 0.5, 530, 0.4, 30.0)],
    "gptq": [
        (3.0, 0.5, 0.5, 150, 0.2, 50.0),
        (4.0, 0.5, 0.5, 180, 0.35, 32.0),
        (8.0, 0.5, 0.5, 290, 0.4, 30.1),
    ],
    "nearest": [
        (3.0, 0.0, 0.0, 200, 0.5, 28.0),
        (4.0, 0.0, 0.0, 260, 0.8, 21.5),
        (8.0, 0.0, 0.0, 510, 1.0, 20.0),
    ],
    "retrain": [(100.0, 0.5, 0.5, 530, 0.5, 24.0), (400.0, 0.5, 0.5, 530, 0.6, 22.0)],
    "svd": [(0.2, 0.0, 0.2, 800, 0.7, 23.0), (0.5, 0.0, 0.5, 500, 0.3, 40.0)],
    "targeted": [(0.1, 0.1, 0.1, 950, 0.3, 20.5)],
}  # fmt: skip
STRATEGIES = list(LEVELS)[1:]


def chain_members(generator: np.random.Generator | None = None) -> pd.DataFrame:
    """Measures of members, of as many non-members, and of samples that methods may be fitted to."""
    generator = generator or np.random.default_rng(0)
    parts = [
        measured(generator, model, strategy, level, split).assign(context_length=k)
        for model in MODELS
        for strategy, levels in LEVELS.items()
        for level in levels
        for split in ("member", "non_member", "fitted")
        for k in CONTEXT_LENGTHS
    ]
    return in_order(pd.concat(parts, ignore_index=True), MODELS, STRATEGIES)


def chain_perturbed(generator: np.random.Generator | None = None) -> pd.DataFrame:
    """Measures of members and non-members after the longest context, of which some tokens are replaced."""
    generator = generator or np.random.default_rng(1)
    parts = [
        measured(generator, model, strategy, level, split).assign(
            context_length=max(CONTEXT_LENGTHS), share=share
        )
        for model in MODELS
        for strategy, levels in LEVELS.items()
        for level in levels
        for split in ("member", "non_member")
        for share in SHARES
    ]
    return in_order(pd.concat(parts, ignore_index=True), MODELS, STRATEGIES)


def chain_windows() -> pd.DataFrame:
    """Measures of perplexity windows, two of each of four documents."""
    parts = [
        pd.DataFrame({**variant(model, strategy, level), "window": range(8)}).assign(
            document=lambda rows: "d" + (rows.window // 2).astype(str),
            nll=10 * np.log(level[5]),
            tokens=10,
            bytes=40,
            words=8,
        )
        for model in MODELS
        for strategy, levels in LEVELS.items()
        for level in levels
    ]
    return in_order(pd.concat(parts, ignore_index=True), MODELS, STRATEGIES)


def variant(model: str, strategy: str, level: tuple) -> dict:
    """What identifies a variant, with what it achieved."""
    achieved = dict(zip(("level", "sparsity", "removed", "variant_bytes"), level, strict=False))
    return {"model": model, "strategy": strategy, "target": None, **achieved}


def measured(
    generator: np.random.Generator, model: str, strategy: str, level: tuple, split: str
) -> pd.DataFrame:
    """Rows of one variant and split, of which members are extracted as often as the level leaves it."""
    share = 0.1 if split == "non_member" else 0.7 * level[4]
    number = np.arange(SAMPLES) + 1000 * ("member", "non_member", "fitted").index(split)
    return pd.DataFrame(
        {
            **variant(model, strategy, level),
            "sample": number,
            "split": split,
            "seed": 0,
            "pooled": True,
            "document": [f"d{one}" for one in number],
            "subset": "A",
            "duplicates": pd.array([None] * SAMPLES, dtype="Int64"),
            "extracted": generator.random(SAMPLES) < share,
            "discoverable_n100_p0.5": generator.random(SAMPLES) < share + 0.1,
            "token_accuracy": 0.5,
            "compute_dtype": "float32",
        }
    )
