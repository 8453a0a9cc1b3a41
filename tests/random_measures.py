"""Random measures of three models under two strategies, in an order that no table should have."""

import numpy as np
import pandas as pd

from memprune.findings.frames import in_order

MODELS, STRATEGIES = ["small", "b_10%", "large"], ["global", "attention-only"]
LEVELS = {"small": [0.1, 0.3], "b_10%": [0.1, 0.3], "large": [0.2, 0.4]}
CONTEXT_LENGTHS = [50, 100]
SAMPLES = 64
IN_SCOPE = {"dense": 0, "global": 1, "attention-only": 0.25}  # the share of the weights


def variants() -> list[tuple[str, str, float]]:
    pruned = [(m, s, level) for m in MODELS for s in STRATEGIES for level in LEVELS[m]]
    return [(m, "dense", 0.0) for m in MODELS] + pruned


def described(model: str, strategy: str, level: float) -> dict:
    """What identifies a variant in the measures, with what it achieved."""
    removed = level * IN_SCOPE[strategy]
    return {
        "model": model,
        "strategy": strategy,
        "level": level,
        "target": None,
        "sparsity": level + 1e-9,
        "removed": removed,
        "variant_bytes": int(1000 * (1 - removed)),
    }


def random_members() -> pd.DataFrame:
    """Measures of samples; what is extracted falls with the level."""
    generator = np.random.default_rng(0)
    rows = [
        {
            **described(model, strategy, level),
            "sample": sample,
            "duplicates": 2 ** (sample % 8),
            "subset": "ABC"[sample % 3],
            "compute_dtype": "float32",
            "context_length": k,
            "discoverable_n10_p0.5": bool(generator.random() < 0.6 - level),
            "extracted": bool(generator.random() < 0.5 - level),
            "matched": int(generator.integers(0, 50)),
            "near_tie": bool(generator.random() < 0.1),
            "probability": generator.random(),
            "token_accuracy": generator.random(),
        }
        for model, strategy, level in reversed(variants())
        for k in reversed(CONTEXT_LENGTHS)
        for sample in range(SAMPLES)
    ]
    return in_order(pd.DataFrame(rows), MODELS, STRATEGIES)


def both_splits() -> pd.DataFrame:
    """Measures of members, and of as many non-members, of which none is extracted."""
    members = random_members().assign(split="member", seed=0, pooled=True)
    members["document"] = members["sample"].map("d{}".format)
    others = members.assign(split="non_member", extracted=False, sample=members["sample"] + 1000)
    return pd.concat([members, others.assign(document=others["sample"].map("d{}".format))], ignore_index=True)


def random_windows(documents: int = 8) -> pd.DataFrame:
    """Measures of perplexity windows, one to three a document, the same for all variants."""
    generator = np.random.default_rng(1)
    units = [
        {"document": f"d{document}"}
        | dict(zip(("tokens", "bytes", "words"), generator.integers(1, 400, 3), strict=True))
        for document in range(documents)
        for _ in range(1 + document % 3)
    ]
    rows = [
        described(*variant)
        | {"window": number, "nll": unit["tokens"] * (1 + generator.random() + variant[2])}
        | unit
        for variant in reversed(variants())
        for number, unit in enumerate(units)
    ]
    return in_order(pd.DataFrame(rows), MODELS, STRATEGIES)
