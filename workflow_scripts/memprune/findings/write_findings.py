"""The findings in words, made from the tables' numbers, in the order of what a reader asks."""

import pandas as pd

from memprune.findings.answers import (
    Tables,
    cost_of_strategies,
    failures,
    first_two_strategies,
    reduction,
    too_small_to_see,
    unbeaten,
)
from memprune.findings.answers_fitted import on_what_it_is_fitted_to
from memprune.findings.answers_lasting import does_it_last
from memprune.findings.answers_published import agreement_with_published, comparison_with_published
from memprune.findings.answers_quality import not_shown_by_perplexity
from memprune.findings.frames import variant_label
from memprune.findings.kinds_of_set import KNOWN, members_in
from memprune.findings.strategy_methods import (
    ALL_PRUNE,
    PRUNING,
    Methods,
    change_in_words,
    level_in_words,
    unit_of,
)
from memprune.variants.names import TARGET, level_text

NO_SHARE = (
    "Members are **known sequences**: somebody chose them, and did not draw them at random. What is "
    "extracted of them is a fraction of this set, and says nothing of how much of its training data a model "
    "memorized."
)
QUESTIONS = {
    "Does pruning reduce memorization here?": reduction,
    "Do fitted methods forget what they were not fitted to?": on_what_it_is_fitted_to,
    "Which strategy, at what cost?": cost_of_strategies,
    "Is the difference between the first two real?": first_two_strategies,
    "Which variants does no other beat?": unbeaten,
    "Does forgetting last?": does_it_last,
    "Which numbers are no forgetting?": failures,
    "What do perplexity and exact match not show?": not_shown_by_perplexity,
    "What was too small to see?": too_small_to_see,
    "How does it compare with what was published?": comparison_with_published,
    "Are the sequences extracted that were published as extracted?": agreement_with_published,
}


def findings(experiment: str, tables: Tables, methods: Methods = ALL_PRUNE) -> str:
    """The findings of an experiment as Markdown, from its tables by name and what is known of strategies.

    A question to which no table has an answer is left out.
    """
    k, shown = at_longest_k(tables, methods)
    doing, done = change_in_words(methods)
    parts = [f"# Findings: {experiment}", preface(k, len(tables["paired"]), done)]
    parts += [NO_SHARE] if members_in(tables["memorization"]) == KNOWN else []
    for question, answer in QUESTIONS.items():
        if sentences := answer(shown):
            parts += [
                f"## {question.replace('pruning', doing)}",
                "\n".join(f"- {sentence}" for sentence in sentences),
            ]
    return "\n\n".join(parts) + "\n"


def at_longest_k(tables: Tables, methods: Methods = ALL_PRUNE) -> tuple[int, dict[str, pd.DataFrame]]:
    """The longest context length, and the tables' rows at it; those of `lasting` at all."""
    k = int(tables["memorization"].context_length.max())
    return k, {name: rows_at(name, table, k).pipe(with_names, methods) for name, table in tables.items()}


def rows_at(name: str, table: pd.DataFrame, k: int) -> pd.DataFrame:
    """A table's rows at a context length, as far as they have one."""
    if name in ("published", "lasting") or "context_length" not in table:
        return table
    return table[table.context_length.isna() | (table.context_length == k)]


def with_names(table: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """A table with its variants' names, their methods and which are fitted, or with levels in words."""
    if {"strategy", "level", "target"} <= set(table):
        known = [methods.get(strategy, PRUNING) for strategy in table.strategy]
        return table.assign(
            variant=variant_label(table),
            method=[about["method"] for about in known],
            fitted=pd.Series([about["fitted"] for about in known], table.index, dtype=bool),
        )
    if {"first", "level"} <= set(table):
        labels = table.level.map(label_of)
        pairs = zip(table["first"], labels, strict=True)
        return table.assign(level=labels, at_level=[in_words(*pair, methods) for pair in pairs])
    return table


def in_words(strategy: str, label: str, methods: Methods) -> str:
    """At which level strategies are compared: `level 0.3` of sparsities and targets, else with its unit."""
    if unit_of(strategy, label, methods) in ("prune", "target"):
        return f"level {label}"
    return level_in_words(strategy, label, methods)


def label_of(level: float | str) -> str:
    """The label of a level as tables have it, where targets stand among numbers or not."""
    return level if str(level).startswith(TARGET) else level_text(float(level))


def preface(k: int, tests: int, done: str) -> str:
    """How the sentences are to be read."""
    holm = (
        f", and Holm's correction is over a whole table ({tests} tests of {done} variants)" if tests else ""
    )
    return (
        f"A sample counts as extracted when greedy decoding from k = {k} tokens of context, the longest "
        "here, gives back its whole suffix. Brackets hold 95 % intervals. Variants are compared on the "
        f"same samples by the exact McNemar test{holm}. Sentences are made from the tables beside this "
        "file, where other k stand too."
    )
