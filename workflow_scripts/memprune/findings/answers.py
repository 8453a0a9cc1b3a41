"""What the tables answer, a function a question: sentences with numbers, or that nothing can be concluded.

All tables are at one context length, and name variants in a column `variant`, with the `method` of each (see
`write_findings`).
"""

from collections.abc import Callable, Mapping

import pandas as pd

from memprune.findings.kinds_of_set import members_in
from memprune.findings.words import (
    SIGNIFICANT,
    between,
    counted,
    listed,
    number_of,
    p_value,
    percent,
    points,
    times,
)

Tables = Mapping[str, pd.DataFrame]
NO_STRATEGY = "No strategy was run, so nothing can be concluded about pruning."
SIGNATURES = {
    "collapsed": "less than half of dense accuracy on text never seen: what is lost is no forgetting",
    "degraded": "perplexity up by more than half",
    "stalled": "memorization no lower than at the level before",
    "falls apart": "its text repeats itself, or has few distinct bigrams, far more than the dense model's",
}


def reduction(tables: Tables) -> list[str]:
    """What dense models extract, from members and from others, and what pruned ones do."""
    excess, sentences = tables["excess"], []
    for row in excess[(excess.by == "all") & (excess.strategy == "dense")].itertuples():
        sentences += [f"**{row.model}**, {dense_extraction(tables, row)}", *changes(tables, row.model)]
    return sentences + ([] if len(tables["paired"]) else [NO_STRATEGY])


def dense_extraction(tables: Tables, row: tuple) -> str:
    """What a dense model, the row's, extracts from members and others, and what its control does."""
    own = tables["memorization"].query("model == @row.model and strategy == 'dense'").iloc[0]
    share = counted(row.extracted, row.samples, own.ci_low, own.ci_high)
    parts = [f"dense, extracts {share} {members_in(tables['memorization'])}"]
    if row.non_member_samples > 0:
        others = f"{row.non_member_extracted:.0f} of {row.non_member_samples:.0f}"
        interval = between(row.excess_ci_low, row.excess_ci_high, points)
        parts.append(
            f", and {others} texts that it never saw: an excess of {points(row.excess)} ({interval})"
        )
    if pd.notna(row.control_samples) and row.control_samples > 0:
        parts.append(
            f". Its control, which hardly saw the members, extracts {row.control_extracted:.0f} of them "
            f"({p_value(row.control_p_value)})"
        )
    return "".join(parts) + "."


def changes(tables: Tables, model: str) -> list[str]:
    """How many of a model's variants extract fewer members than dense, and the one that loses most."""
    if (tests := tests_against_dense(tables, model)).empty:
        return []
    counts, fewer = f"Of its {changes_counted(tests, members_in(tables['memorization']))}.", losing(tests)
    if fewer.empty:
        return [f"{counts} So no reduction can be concluded for {model}."]
    best = fewer.iloc[0]
    return [
        counts,
        f"The largest drop without collapse is that of {best.variant}: {drop_in_words(best)}. Its perplexity "
        f"is {cost_in_words(tables, best)} the dense one's.",
    ]


def tests_against_dense(tables: Tables, model: str) -> pd.DataFrame:
    """The tests of a model's variants against dense, with each one's verdict."""
    verdicts = of_model(tables["verdicts"], model)[["variant", "verdict"]]
    return of_model(tables["paired"], model).merge(verdicts, on="variant")


def losing(tests: pd.DataFrame) -> pd.DataFrame:
    """The variants that extract fewer members than dense and have not collapsed, the largest drop first."""
    told = (tests.verdict != "collapsed") & (tests.p_holm < SIGNIFICANT)
    return tests[told & (tests.lost > tests.gained)].sort_values("difference", kind="stable")


def changes_counted(tests: pd.DataFrame, members: str = "members") -> str:
    """How many variants there are, and how many of them extract fewer members than dense, or more.

    `members` is what those are called.
    """
    standing = tests[tests.verdict != "collapsed"]
    told, fewer = standing[standing.p_holm < SIGNIFICANT], losing(tests)
    done = "pruned" if (tests.method == "prune").all() else "changed"
    return (
        f"{number_of(len(tests), f'{done} variant')} {len(fewer)} extract fewer {members} after "
        f"Holm's correction, {len(told) - len(fewer)} more, {len(standing) - len(told)} cannot be told "
        f"from dense, and {len(tests) - len(standing)} have collapsed"
    )


def drop_in_words(test: pd.Series) -> str:
    """How many members a variant extracts in place of how many, with the interval and the test."""
    interval = between(test.difference_ci_low, test.difference_ci_high, points)
    return (
        f"from {test.dense} to {test.extracted} of {test.samples} ({points(test.difference)}, {interval}), "
        f"{test.lost} lost and {test.gained} gained, {p_value(test.p_value)}, {p_value(test.p_holm)} after "
        "Holm"
    )


def cost_in_words(tables: Tables, test: pd.Series) -> str:
    """How many times the dense model's a variant's perplexity is, with the interval."""
    cost = of_model(tables["perplexity"], test.model).set_index("variant").loc[test.variant]
    return times(cost.perplexity_ratio, cost.perplexity_ratio_ci_low, cost.perplexity_ratio_ci_high)


def cost_of_strategies(tables: Tables) -> list[str]:
    """The strategies' order at the perplexity that most reach, and at the fewest bytes that many do."""
    sentences = []
    for model in changed_models(tables):
        own = of_model(tables["at_equal_perplexity"], model)
        if own.empty:
            sentences.append(f"**{model}**: no two strategies reach one perplexity, so none is ranked by it.")
        else:
            increase, order = ranked(tables, own, "perplexity_increase", where_most_are)
            sentences.append(
                f"**{model}**, at a perplexity {percent(increase)} above dense, extracts of its "
                f"{members_in(own)}: {order}."
            )
        of_bytes = of_model(tables.get("at_equal_bytes", own.head(0)), model)
        if len(of_bytes):
            saved, order = ranked(tables, of_bytes, "bytes_saved", where_half_are)
            sentences.append(
                f"**{model}**, in {percent(saved)} bytes less than dense, extracts of its "
                f"{members_in(of_bytes)}: {order}."
            )
    return sentences or [NO_STRATEGY]


def where_most_are(reached: pd.Series) -> float:
    """The lowest value at which most strategies are compared, of how many are by ascending values."""
    return reached.idxmax()


def where_half_are(reached: pd.Series) -> float:
    """The highest value at which at least half as many are compared as where most are."""
    return reached.index[reached >= reached.max() / 2][-1]


def ranked(
    tables: Tables, own: pd.DataFrame, quantity: str, choose: Callable[[pd.Series], float]
) -> tuple[float, str]:
    """Of the values at which a model's strategies are compared a chosen one, and their order in words."""
    value = choose(own.groupby(quantity).strategy.nunique())
    rows = own[own[quantity] == value].sort_values("fraction", kind="stable")
    order = [
        f"{row.strategy} {percent(row.fraction)} ({between(row.ci_low, row.ci_high)})"
        for row in rows.itertuples()
    ]
    lacking = [name for name in strategies_of(tables, own.model.iloc[0]) if name not in set(rows.strategy)]
    unreached = f"; {listed(lacking)} did not get there" if lacking else ""
    return value, f"{listed(order)}{unreached}"


def first_two_strategies(tables: Tables) -> list[str]:
    """The test between the two strategies that extract least, at the level where most can be compared."""
    sentences, collapsed = [], collapsed_variants(tables)
    for model in changed_models(tables):
        own = of_model(tables["between_strategies"], model)
        names = zip(own["first"] + "@" + own.level, own["second"] + "@" + own.level, strict=True)
        standing = own[[not collapsed & {(model, first), (model, second)} for first, second in names]]
        if standing.empty:
            sentences.append(f"**{model}** has no two strategies at one level to tell apart.")
        else:
            sentences.append(test_of_first_two(tables, model, standing))
    return sentences or [NO_STRATEGY]


def test_of_first_two(tables: Tables, model: str, pairs: pd.DataFrame) -> str:
    """The test between the two strategies of a model that extract least, and what each of them removes."""
    reached = pairs.at_level.value_counts(sort=False)
    at_level = reached.index[reached == reached.max()][-1]
    pairs = pairs[pairs.at_level == at_level]
    level = pairs.level.iloc[0]
    sides = (pairs.set_index("first").first_extracted, pairs.set_index("second").second_extracted)
    extracted = pd.concat(sides).groupby(level=0, sort=False).first()
    first, second = extracted.sort_values(kind="stable").index[:2]
    row = pairs[pairs["first"].isin([first, second]) & pairs["second"].isin([first, second])].iloc[0]
    only = dict(zip((row["first"], row["second"]), (row.first_only, row.second_only), strict=True))
    shares = [share_left_out(tables, model, f"{name}@{level}") for name in (first, second)]
    return (
        f"**{model}**: at {at_level} the two that extract least, {first} ({extracted[first]} of "
        f"{row.samples}, {shares[0][0]} {shares[0][1]}) and {second} ({extracted[second]}, "
        f"{shares[1][0]}), {'differ' if row.p_holm < SIGNIFICANT else 'cannot be told apart'}: "
        f"{number_of(only[first], 'sample')} extracted under {first} only and {only[second]} under "
        f"{second} only, {p_value(row.p_value)}, {p_value(row.p_holm)} after Holm."
    )


def share_left_out(tables: Tables, model: str, variant: str) -> tuple[str, str]:
    """The share of weights that a variant lacks, or of bytes where it is quantized, and what it is of."""
    own = of_model(tables["memorization"], model).set_index("variant")
    there = own.loc[variant]
    if there.method == "quantize":
        return percent(1 - there.variant_bytes / own.variant_bytes["dense"]), "of all bytes saved"
    return percent(there.removed), "of all weights removed"


def unbeaten(tables: Tables) -> list[str]:
    """The variants of all models that no other beats both in memorization and in perplexity."""
    on = tables["frontier"].query("on_frontier").sort_values("token_perplexity", kind="stable")
    dense = on[on.strategy == "dense"].model.tolist()
    which = f"dense models among them: {listed(dense)}" if dense else "no dense model is among them"
    return [
        *(
            f"{row.model} {row.variant}: {row.extracted} of {row.samples} at perplexity "
            f"{row.token_perplexity:.4g}"
            for row in on.itertuples()
        ),
        f"These are {len(on)} of {number_of(len(tables['frontier']), 'variant')} of all models; {which}.",
    ]


def failures(tables: Tables) -> list[str]:
    """Which variants show a failure signature, and which have the same scores as another."""
    verdicts, sentences = tables["verdicts"], []
    for signature, meaning in SIGNATURES.items():
        shown = verdicts[verdicts.verdict.str.contains(signature)]
        groups = shown.groupby("model", sort=False, observed=True)
        by_model = [f"{model} {listed(rows.variant.tolist())}" for model, rows in groups]
        if by_model:
            sentences.append(f"{len(shown)} {signature} ({meaning}): {'; '.join(by_model)}.")
    same = verdicts[verdicts.same_scores_as.notna()]
    sentences += [
        f"{row.model} {row.variant} has the scores of {row.same_scores_as} to the last bit."
        for row in same.itertuples()
    ]
    return sentences or [f"None of {number_of(len(verdicts), 'variant')} shows a failure signature."]


def too_small_to_see(tables: Tables) -> list[str]:
    """The smallest drop that the samples could have shown, and models that extract less than that."""
    power, sentences = tables["power"], []
    power, members = power[power.model.isin(changed_models(tables))], members_in(power)
    for samples, rows in power.groupby("samples", sort=False):
        row = rows.iloc[0]
        single, corrected = (
            "none at all" if pd.isna(drop) else percent(drop)
            for drop in (row.smallest_drop, row.smallest_drop_holm)
        )
        sentences.append(
            f"With {samples} {members} the smallest drop that four of five such experiments would show is "
            f"{single} of all {members} by one test, and {corrected} after Holm's correction over "
            f"{row.tests}, if nothing is gained ({listed(rows.model.tolist())}); a smaller one may be "
            "there unseen."
        )
    sentences += [
        f"**{row.model}** extracts {row.extracted} of {row.samples} {members} dense, and a test needs "
        f"{row.losses_needed} losses: no reduction can be shown, whatever is done to it."
        for row in power[power.extracted < power.losses_needed].itertuples()
    ]
    return sentences or ["No strategy was run, so no drop was looked for."]


def of_model(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """The rows of a model."""
    return table[table.model == model]


def changed_models(tables: Tables) -> list[str]:
    """The models that have a changed variant, in order."""
    return list(dict.fromkeys(tables["paired"].model))


def strategies_of(tables: Tables, model: str) -> list[str]:
    """The strategies of a model, in order."""
    return list(dict.fromkeys(of_model(tables["paired"], model).strategy))


def collapsed_variants(tables: Tables) -> set[tuple[str, str]]:
    """The collapsed variants, as model and variant's name."""
    rows = tables["verdicts"].query("verdict == 'collapsed'")
    return set(zip(rows.model, rows.variant, strict=True))
