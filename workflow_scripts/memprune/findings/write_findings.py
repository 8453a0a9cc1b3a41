"""The findings in words, made from the tables' numbers, in the order of what a reader asks."""

import pandas as pd

from memprune.findings.answers import (
    Tables,
    comparison_with_published,
    cost_of_strategies,
    failures,
    first_two_strategies,
    reduction,
    too_small_to_see,
    unbeaten,
)
from memprune.findings.answers_quality import not_shown_by_perplexity
from memprune.findings.frames import variant_label

QUESTIONS = {
    "Does pruning reduce memorization here?": reduction,
    "Which strategy, at what cost?": cost_of_strategies,
    "Is the difference between the first two real?": first_two_strategies,
    "Which variants does no other beat?": unbeaten,
    "Which numbers are no forgetting?": failures,
    "What do perplexity and exact match not show?": not_shown_by_perplexity,
    "What was too small to see?": too_small_to_see,
    "How does it compare with what was published?": comparison_with_published,
}


def findings(experiment: str, tables: Tables) -> str:
    """The findings of an experiment as Markdown, from its tables by name.

    A question to which no table has an answer is left out.
    """
    k, shown = at_longest_k(tables)
    parts = [f"# Findings: {experiment}", preface(k, len(tables["paired"]))]
    for question, answer in QUESTIONS.items():
        if sentences := answer(shown):
            parts += [f"## {question}", "\n".join(f"- {sentence}" for sentence in sentences)]
    return "\n\n".join(parts) + "\n"


def at_longest_k(tables: Tables) -> tuple[int, dict[str, pd.DataFrame]]:
    """The longest context length, and the tables' rows at it."""
    k = int(tables["memorization"].context_length.max())
    return k, {name: rows_at(name, table, k) for name, table in tables.items()}


def rows_at(name: str, table: pd.DataFrame, k: int) -> pd.DataFrame:
    """A table's rows at a context length, as far as they have one, with the variants' names."""
    if name == "published":
        return table
    if "context_length" in table:
        table = table[table.context_length.isna() | (table.context_length == k)]
    return table.assign(variant=variant_label(table)) if "strategy" in table and "level" in table else table


def preface(k: int, tests: int) -> str:
    """How the sentences are to be read."""
    holm = (
        f", and Holm's correction is over a whole table ({tests} tests of pruned variants)" if tests else ""
    )
    return (
        f"A sample counts as extracted when greedy decoding from k = {k} tokens of context, the longest "
        "here, gives back its whole suffix. Brackets hold 95 % intervals. Variants are compared on the "
        f"same samples by the exact McNemar test{holm}. Sentences are made from the tables beside this "
        "file, where other k stand too."
    )
