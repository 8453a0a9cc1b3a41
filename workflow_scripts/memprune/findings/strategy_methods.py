"""What tables and figures know of strategies beside their names: methods, and what they stand after."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from memprune.findings.frames import variant_label
from memprune.variants.names import TARGET, increase_of

# By strategy: its `method`, the variant that it stands `after` or None, whether it is `fitted` to samples.
Methods = Mapping[str, Mapping]
PRUNING = MappingProxyType({"method": "prune", "after": None, "fitted": False})
ALL_PRUNE: Methods = MappingProxyType({})  # a strategy that is not there prunes the dense model
REMOVING = ("prune", "low-rank")  # whose levels are shares of weights
STORING = ("quantize", "low-rank")  # which keep numbers in another form than the model's


def method_of(strategy: str, methods: Methods) -> str:
    """The method of a strategy."""
    return methods.get(strategy, PRUNING)["method"]


def base_of(strategy: str, methods: Methods) -> str:
    """The name of the variant that a strategy changes."""
    return methods.get(strategy, PRUNING)["after"] or "dense"


def has_chains(methods: Methods) -> bool:
    """Whether any strategy stands after another."""
    return any(about["after"] for about in methods.values())


def stores_otherwise(methods: Methods) -> bool:
    """Whether bytes of variants say more than how many weights were removed."""
    return any(about["method"] in STORING for about in methods.values())


def change_in_words(methods: Methods) -> tuple[str, str]:
    """What was done to models, and what variants are: pruning and pruned, where that is all."""
    if all(about["method"] == "prune" for about in methods.values()):
        return "pruning", "pruned"
    return "changing weights", "changed"


def strength(variants: pd.DataFrame, methods: Methods) -> pd.Series:
    """What each row's level is sorted by among its strategy's, the lightest change first: fewer bits last."""
    fewer_is_more = [method_of(name, methods) == "quantize" for name in variants.strategy]
    return variants.level * np.where(fewer_is_more, -1, 1)


def strongest(rows: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """The rows of each model and strategy at its strongest level."""
    order = strength(rows, methods)
    highest = order.groupby([rows.model, rows.strategy], observed=True).transform("max")
    return rows[order == highest]


def along(points: pd.DataFrame, strategy: str, methods: Methods) -> pd.DataFrame:
    """One model's rows of a strategy, the lightest level first, behind the row of what it changes."""
    levels = points[points.strategy == strategy]
    levels = levels.loc[strength(levels, methods).sort_values(kind="stable").index]
    return pd.concat([points[variant_label(points) == base_of(strategy, methods)], levels])


def level_in_words(strategy: str, label: str, methods: Methods) -> str:
    """A level's label with its unit: `30 %`, `4 bits`, `20 % of parameters`, `400 steps`."""
    if label.startswith(TARGET):
        return f"perplexity +{100 * increase_of(label):.12g} %"
    method, number = method_of(strategy, methods), float(label)
    if method == "quantize":
        return f"{number:g} bits"
    if method == "finetune":
        return f"{number:.0f} step{'' if number == 1 else 's'}"
    if method == "checkpoint":
        return label
    return f"{100 * number:.12g} %" + (" of parameters" if method == "low-rank" else "")


def unit_of(strategy: str, label: str, methods: Methods) -> str:
    """What a level counts: two strategies are at one level only where that is the same.

    Checkpoints have the levels that they were given, as sparsities to compare pruning with.
    """
    if label.startswith(TARGET):
        return "target"
    method = method_of(strategy, methods)
    return "prune" if method == "checkpoint" else method
