"""Whether forgetting lasts: what is extracted before a change, after it, and when the result is attacked.

An attack is a strategy that stands after the variant; a prefix of which some tokens are replaced; a longer
context than the shortest; or sampling in place of greedy decoding, by the metric `discoverable`.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from memprune.errors import UserError
from memprune.findings.attacks import LONGER, PERTURBED, SAMPLED
from memprune.findings.by_variant import columns_by_variant
from memprune.findings.frames import VARIANT, level_label, variant_label
from memprune.findings.intervals import wilson_interval
from memprune.findings.paired_tests import tested
from memprune.findings.strategy_methods import Methods, base_of, level_in_words

SAMPLING = "discoverable"  # so begin the columns of samples of that metric
SHARES = ("before", "after", "attacked", "dense_attacked")
COLUMNS = [
    *VARIANT, "context_length", "attack", "attack_level", "samples",
    *(f"{share}{end}" for share in SHARES for end in ("", "_ci_low", "_ci_high")),
    "lost", "came_back", "came_back_fraction", "came_back_ci_low", "came_back_ci_high", "newly",
    "difference", "difference_ci_low", "difference_ci_high", "p_value", "p_holm",
    "before_perplexity", "after_perplexity", "attacked_perplexity",
]  # fmt: skip
Extracted = dict[tuple[int, str, str], np.ndarray]


def lasting_table(
    members: pd.DataFrame, perplexity: pd.DataFrame, methods: Methods, perturbed: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Each attack on each variant after which a strategy stands, or on all where prefixes are perturbed.

    `members` and `perturbed` are measures in order, `perplexity` is the table of that name. Columns:
    `VARIANT` of what is attacked, context_length (the shortest, where the attack is a longer one), attack (a
    strategy, or a name of `memprune.findings.attacks`), attack_level, samples; then with Wilson's intervals
    the shares extracted: before (of the dense model), after (of the variant), attacked, and dense_attacked
    (of the dense model under the same attack; null of strategies). lost counts the samples that the dense
    model extracts and the variant does not, came_back those of them that the attack extracts, with their
    share and its interval (came_back_fraction; null where none is lost), newly those that only the attack
    extracts. difference (attacked − after) has Tango's interval, p_value is exact McNemar's of the two,
    p_holm that corrected over the table. Perplexities are of a token, attacked_perplexity of strategies
    alone. Raises UserError unless all are measured on the same samples.
    """
    parts = [
        rows
        for model, own in members.groupby("model", observed=True)
        for rows in attacks_on(own, of_members(perturbed, model), methods)
    ]
    table = pd.DataFrame(parts)
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    costs = perplexity.assign(name=variant_label(perplexity), model=perplexity.model.astype(str))
    costs = costs.set_index(["model", "name"]).token_perplexity
    for stage in ("before", "after", "attacked"):
        names = [table.model.astype(str), table[f"{stage}_variant"]]
        table[f"{stage}_perplexity"] = costs.reindex(pd.MultiIndex.from_arrays(names)).to_numpy()
    return tested(table.pipe(with_shares))[COLUMNS]


def of_members(perturbed: pd.DataFrame | None, model: str) -> pd.DataFrame | None:
    """The rows of a model's pooled members under perturbed prefixes."""
    if perturbed is None:
        return None
    return perturbed[(perturbed.model == model) & perturbed.pooled & (perturbed.split == "member")]


def attacks_on(members: pd.DataFrame, perturbed: pd.DataFrame | None, methods: Methods) -> Iterator[dict]:
    """The rows of one model, as counts."""
    variants, extracted = conditions(members, perturbed)
    names, labels = variant_label(variants).tolist(), level_label(variants).tolist()
    lengths = sorted({k for k, attack, _ in extracted if not attack})
    others = [key for key in extracted if key[1]]
    dense = names.index("dense")
    for place, name in enumerate(names):
        later = [n for n, strategy in enumerate(variants.strategy) if is_after(strategy, name, methods)]
        if name == "dense" or not (later or perturbed is not None):
            continue
        described = variants.iloc[place].to_dict()
        for k in lengths:
            plain = extracted[k, "", ""]
            before, after = plain[dense], plain[place]
            about = {**described, "context_length": k, "before_variant": "dense", "after_variant": name}
            for attacker in later:
                strategy = variants.strategy.iloc[attacker]
                level = level_in_words(strategy, labels[attacker], methods)
                stage = {"attack": strategy, "attack_level": level, "attacked_variant": names[attacker]}
                yield {**about, **stage, **counts(before, after, plain[attacker], None)}
            for key in [key for key in others if key[0] == k]:
                stage = {"attack": key[1], "attack_level": key[2], "attacked_variant": None}
                attacked = extracted[key]
                yield {**about, **stage, **counts(before, after, attacked[place], attacked[dense])}


def is_after(strategy: str, variant: str, methods: Methods) -> bool:
    """Whether a strategy changes a variant's weights."""
    return strategy != "dense" and base_of(strategy, methods) == variant


def conditions(members: pd.DataFrame, perturbed: pd.DataFrame | None) -> tuple[pd.DataFrame, Extracted]:
    """One model's variants, and which samples each extracts: bool arrays of variants × samples.

    They are by context length, attack and its level: as it is (both empty), and under every attack that is no
    strategy; a longer context stands at the shortest one.
    """
    sampled = [name for name in members if name.startswith(SAMPLING)]
    members = at_every_length(members)
    found: Extracted = {}
    first = None

    def taken(rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
        nonlocal first
        variants, samples, sums = columns_by_variant(rows, "sample", columns)
        first = first or (variants, samples)
        if not (variants.equals(first[0]) and np.array_equal(samples, first[1])):
            raise UserError(
                f"measures of {variants.model[0]}: found other samples or variants under an attack than "
                "without it, allowed: the same; delete its measures and run again"
            )
        return sums.astype(bool)

    by_length = {int(k): rows for k, rows in members.groupby("context_length")}
    shortest, longest = min(by_length), max(by_length)
    for k, rows in by_length.items():
        plain, *under_sampling = taken(rows, ["extracted", *sampled])
        found[k, "", ""] = plain
        if k > shortest:
            found[shortest, LONGER, f"{k} tokens"] = plain
        for name, own in zip(sampled, under_sampling, strict=True):
            found[k, SAMPLED, sampling_in_words(name)] = own
    if perturbed is not None:
        for share, rows in perturbed.groupby("share"):
            [found[longest, PERTURBED, f"{100 * share:.12g} % of tokens"]] = taken(rows, ["extracted"])
    return first[0], found


def at_every_length(members: pd.DataFrame) -> pd.DataFrame:
    """The members that are scored at every context length, as known sequences need not be."""
    lengths = members.groupby("sample").context_length.transform("nunique")
    return members[lengths == members.context_length.nunique()]


def sampling_in_words(column: str) -> str:
    """The n and p in the name of a column of the metric: `n = 10, p = 0.5`."""
    return ", ".join(f"{part[0]} = {part[1:]}" for part in column.split("_")[1:])


def counts(
    before: np.ndarray, after: np.ndarray, attacked: np.ndarray, dense_attacked: np.ndarray | None
) -> dict[str, int | None]:
    """How many samples are extracted at each stage, and how many were lost, came back or are new."""
    lost = before & ~after
    return {
        "samples": len(before),
        "before": before.sum(),
        "after": after.sum(),
        "attacked": attacked.sum(),
        "dense_attacked": None if dense_attacked is None else dense_attacked.sum(),
        "lost": lost.sum(),
        "came_back": (lost & attacked).sum(),
        "newly": (attacked & ~before & ~after).sum(),
        "first_only": (after & ~attacked).sum(),
        "second_only": (attacked & ~after).sum(),
    }


def with_shares(table: pd.DataFrame) -> pd.DataFrame:
    """The table with shares in place of counts, and their intervals."""
    samples = table.samples.to_numpy()
    shares = {}
    for name in SHARES:
        known = table[name].notna().to_numpy()
        shares |= share_of(name, table[name].fillna(0).to_numpy(int), samples, known)
    came_back = share_of("came_back", table.came_back.to_numpy(), table.lost.to_numpy(), table.lost > 0)
    came_back["came_back_fraction"] = came_back.pop("came_back")
    return table.assign(**shares, **came_back)


def share_of(name: str, count: np.ndarray, of: np.ndarray, known: np.ndarray) -> dict[str, np.ndarray]:
    """A share with Wilson's 95 % interval; null where it is not known."""
    of = np.maximum(of, 1)
    low, high = wilson_interval(count, of)
    columns = {name: count / of, f"{name}_ci_low": low, f"{name}_ci_high": high}
    return {column: np.where(known, values, np.nan) for column, values in columns.items()}
