"""Whether forgetting lasts, in sentences with counts.

Tables are as in `answers`; nothing is said where there is no attack.
"""

import pandas as pd

from memprune.findings.answers import Tables, collapsed_variants
from memprune.findings.answers_quality import lost_most
from memprune.findings.attacks import LONGER, NOT_STRATEGIES, PERTURBED, SAMPLED
from memprune.findings.words import SIGNIFICANT, counted, number_of, p_value


def does_it_last(tables: Tables) -> list[str]:
    """How many attacks bring something back, and what of each variant that a strategy stands after.

    Without such strategies it is the variant of each model that has lost most.
    """
    if "lasting" not in tables:
        return []
    sentences = []
    for model, own in tables["lasting"].groupby("model", sort=False):
        collapsed = {variant for name, variant in collapsed_variants(tables) if name == model}
        standing = own[~own.variant.isin(collapsed)]
        if len(standing):
            sentences.append(attacks_counted(model, standing))
        of_strategies = standing[~standing.attack.isin(NOT_STRATEGIES)]
        chosen = list(dict.fromkeys(of_strategies.variant)) or [lost_most(tables, model)]
        sentences += [said for name in chosen for said in of_variant(standing[standing.variant == name])]
    return sentences


def attacks_counted(model: str, attacks: pd.DataFrame) -> str:
    """How many attacks on a model's variants extract more than these did, fewer, or as many."""
    told = attacks[attacks.p_holm < SIGNIFICANT]
    more = int((told.difference > 0).sum())
    variants = number_of(attacks.variant.nunique(), "variant")
    return (
        f"**{model}**: of {number_of(len(attacks), 'attack')} on {variants}, at all k, {more} extract more "
        f"than the variant itself after Holm's correction, {len(told) - more} fewer, and "
        f"{len(attacks) - len(told)} cannot be told from it."
    )


def of_variant(attacks: pd.DataFrame) -> list[str]:
    """What comes back of what a variant has lost at the longest k, and by longer contexts at the shortest."""
    sentences = []
    longer = attacks.attack == LONGER
    k = attacks[~longer].context_length.max()
    for rows in (attacks[~longer & (attacks.context_length == k)], attacks[longer]):
        if rows.empty:
            continue
        first, strongest = rows.iloc[0], most_of_each(rows)
        begin = (
            f"{first.model} {first.variant} loses {first.lost} of the {round(first.before * first.samples)} "
            f"samples that dense extracts at k = {first.context_length}"
        )
        if first.lost == 0:
            sentences.append(f"{begin}.")
        else:
            sentences.append(f"{begin}; of these come back {'; '.join(map(came_back, strongest))}.")
    return sentences


def most_of_each(rows: pd.DataFrame) -> list[tuple]:
    """The rows of strategies, and of every other attack the one that brings most back, the last of equals."""
    is_strategy = ~rows.attack.isin(NOT_STRATEGIES)
    others = rows[~is_strategy].sort_values("came_back", kind="stable").drop_duplicates("attack", keep="last")
    return list(pd.concat([rows[is_strategy], others.sort_index()]).itertuples())


def came_back(row: tuple) -> str:
    """How many samples come back under an attack, of how many, with the test of all that it extracts."""
    share = counted(row.came_back, row.lost, row.came_back_ci_low, row.came_back_ci_high)
    return f"{share} {attack_in_words(row)} ({p_value(row.p_holm)} after Holm)"


def attack_in_words(row: tuple) -> str:
    """What was done to a variant, and what it cost."""
    if row.attack == PERTURBED:
        return f"with {row.attack_level} of the prefix replaced"
    if row.attack == LONGER:
        return f"with {row.attack_level} of context"
    if row.attack == SAMPLED:
        return f"by sampling with {row.attack_level}"
    cost = row.attacked_perplexity / row.before_perplexity
    return f"after {row.attack}, {row.attack_level}, at {cost:.3g} times the dense perplexity"
