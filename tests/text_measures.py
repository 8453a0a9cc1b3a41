"""Random measures of continuations, tasks and membership, of the variants of `random_measures`."""

import numpy as np
import pandas as pd
from random_measures import MODELS, STRATEGIES, described, variants

from memprune.findings.frames import in_order

CONTINUED = 30  # members, and as many non-members
ITEMS = {"cloze": 40, "choice": 25}  # of each task


def random_generation() -> pd.DataFrame:
    """Measures of continuations at k = 100; the nearer to the true one, the lower the level."""
    generator = np.random.default_rng(2)
    parts = []
    for model, strategy, level in reversed(variants()):
        number = np.arange(2 * CONTINUED)
        near = np.clip(generator.beta(2, 2, len(number)) - 0.8 * level, 0, 1)
        rows = samples_of(model, strategy, level, number).assign(
            context_length=100,
            rouge_l=near,
            bleu=near**2,
            edit_distance=1 - near,
            longest_run=np.floor(50 * near),
            near_verbatim_5=near > 0.7,
            near_verbatim_10=near > 0.6,
            exact=near > 0.8,
            repeated_4grams=np.clip(generator.beta(1, 4, len(number)) + 0.3 * level, 0, 1),
            distinct_2=np.clip(generator.beta(8, 2, len(number)) - 0.3 * level, 0, 1),
            continuation="so it goes",
            suffix="so it went",
        )
        parts.append(rows)
    return in_order(pd.concat(parts, ignore_index=True), MODELS, STRATEGIES)


def random_membership() -> pd.DataFrame:
    """Scores that tell members, without a reference model."""
    generator = np.random.default_rng(3)
    parts = []
    for model, strategy, level in reversed(variants()):
        number = np.arange(2 * CONTINUED)
        loss = generator.normal(3 + level, 1, len(number)) - 0.5 * (number < CONTINUED)
        scores = {"loss": loss, "zlib": loss / 9, "min_k": -loss, "min_k_plus_plus": -loss}
        scores["reference"] = np.nan
        parts.append(samples_of(model, strategy, level, number).assign(**scores))
    return in_order(pd.concat(parts, ignore_index=True), MODELS, STRATEGIES)


def random_tasks() -> pd.DataFrame:
    """Two tasks, of which one has a metric more."""
    generator = np.random.default_rng(4)
    parts = []
    for model, strategy, level in reversed(variants()):
        for task, items in ITEMS.items():
            right = generator.random(items) < 0.8 - level
            rows = pd.DataFrame({**described(model, strategy, level), "task": task, "item": range(items)})
            likelihood = generator.normal(-9, 1, items) if task == "cloze" else np.nan
            parts.append(rows.assign(acc=right.astype(float), log_likelihood=likelihood))
    return in_order(pd.concat(parts, ignore_index=True), MODELS, STRATEGIES)


def samples_of(model: str, strategy: str, level: float, number: np.ndarray) -> pd.DataFrame:
    """What identifies the rows of samples, the first half members."""
    return pd.DataFrame(
        {
            **described(model, strategy, level),
            "sample": number,
            "split": np.where(number < CONTINUED, "member", "non_member"),
            "seed": 0,
            "pooled": True,
            "document": [f"d{one}" for one in number],
            "subset": "A",
            "duplicates": pd.array([None] * len(number), dtype="Int64"),
        }
    )
