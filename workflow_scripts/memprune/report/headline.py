"""The main finding, in one sentence with its interval: that of the largest model with one."""

from collections.abc import Sequence

from memprune.findings.answers import (
    changes_counted,
    cost_in_words,
    dense_extraction,
    drop_in_words,
    losing,
    tests_against_dense,
)
from memprune.findings.kinds_of_set import members_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods
from memprune.findings.words import listed
from memprune.findings.write_findings import at_longest_k
from memprune.report.parameters import parameters
from memprune.results import Results


def headline(own: Results, models: Sequence[str], methods: Methods = ALL_PRUNE) -> str:
    """The largest drop of memorization without collapse, of the largest of `models` that has one.

    Without one it says that no reduction can be concluded; without a strategy, what the largest dense model
    extracts. The numbers are those of the findings.
    """
    k, tables = at_longest_k(own.tables, methods)
    members = members_in(tables["memorization"])
    tests = {model: tests_against_dense(tables, model) for model in by_size(own, models)}
    for model, own_tests in tests.items():
        if len(fewer := losing(own_tests)):
            best = fewer.iloc[0]
            return (
                f"In {model} the largest drop of extracted {members} without collapse is that of "
                f"{best.variant}, at k = {k}: {drop_in_words(best)}, at {cost_in_words(tables, best)} the "
                "dense model's perplexity."
            )
    largest = next(iter(tests))
    if any(map(len, tests.values())):
        counts = changes_counted(tests[largest], members)
        return f"No reduction can be concluded for {listed(models)}: of {largest}'s {counts}."
    excess = tables["excess"].query("by == 'all' and strategy == 'dense' and model == @largest")
    return f"{largest}, {dense_extraction(tables, next(excess.itertuples()))}"


def by_size(own: Results, models: Sequence[str]) -> list[str]:
    """The models from the largest to the smallest."""
    return sorted(models, key=lambda model: parameters(own.manifest(model)), reverse=True)
