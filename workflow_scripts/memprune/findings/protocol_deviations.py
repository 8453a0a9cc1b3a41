"""In what our protocol differs from that of a published figure, in words."""

from collections.abc import Mapping, Sequence

import pandas as pd

# What the protocol of each kind of figure is made of, beside model, revision and level.
EXTRACTION = ("suffix", "offset", "balance_duplicates", "corpus", "decoding", "dtype")
PERPLEXITY = ("perplexity_text", "perplexity_window", "dtype")


def deviations(
    figure: Mapping, protocol: Mapping, variant: pd.DataFrame, experiment: Mapping[str, Mapping]
) -> tuple[str, int]:
    """The deviations of our variant from a figure's protocol, and how many points the source leaves unknown.

    `variant` has the rows that are compared, one or one a k, of the tables of memorization or perplexity,
    with its level's name in `label`. A deviation is `{what} {ours}, published {theirs}`; all are separated by
    semicolons. What is not known of either is none.
    """
    compared = points(figure, protocol, variant, experiment)
    differing = [
        f"{name.replace('_', ' ')} {worded(ours)}, published {worded(theirs)}"
        for name, (ours, theirs) in compared.items()
        if ours is not None and theirs is not None and ours != theirs
    ]
    if "k" in compared and figure["context_length"] is None:
        differing.insert(0, f"mean over k of {worded(variant.context_length.to_list())}, published k unknown")
    return "; ".join(differing), sum(theirs is None for _, theirs in compared.values())


def points(
    figure: Mapping, protocol: Mapping, variant: pd.DataFrame, experiment: Mapping[str, Mapping]
) -> dict[str, tuple]:
    """Ours and theirs of each point that is compared; null is unknown."""
    row, own = variant.iloc[0], experiment["protocol"]
    place = experiment["models"][row.model]
    found = {"model": (place["repo"], figure["model"]), "revision": (place["revision"], protocol["revision"])}
    if figure["strategy"] != "dense":
        found["level"] = (row.label, level_text(figure["level"]))
    if not figure["quantity"].startswith("extracted"):
        return found | {name: (own[name], protocol[name]) for name in PERPLEXITY}
    k = figure["context_length"]
    found["k"] = (None if k is None else int(row.context_length), k)
    if k is None:
        found["context_lengths"] = (own["context_lengths"], protocol["context_lengths"])
    found["samples"] = (int(row.samples), figure["samples"])
    return found | {name: (own[name], protocol[name]) for name in EXTRACTION}


def level_text(level: Sequence[float] | None) -> str | None:
    """A published level or its range, as text; null if it is unknown."""
    return None if level is None else " to ".join(dict.fromkeys(repr(float(end)) for end in level))


def worded(value: object) -> str:
    """A value of a protocol as text."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
