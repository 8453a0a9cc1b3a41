"""Which tables an experiment has: those of any, and those of what its configuration asks for beside."""

from memprune.config.experiment import Config
from memprune.findings.kinds_of_set import KNOWN
from memprune.findings.strategy_methods import has_chains, stores_otherwise
from memprune.planning.methods_known import methods_known

MEMORIZATION = [
    "memorization",
    "memorization_non_members",
    "memorization_by_duplicates",
    "memorization_by_subset",
    "memorization_by_seed",
    "categories",
    "excess",
    "paired",
    "between_strategies",
    "power",
    "perplexity",
    "verdicts",
    "at_equal_sparsity",
    "at_equal_removed",
    "at_equal_perplexity",
    "frontier",
    "published",
]
METRICS = ["metrics", "metrics_at_equal", "metrics_controls"]
SAID_IN_WORDS = [
    "memorization",
    "perplexity",
    "paired",
    "between_strategies",
    "power",
    "excess",
    "verdicts",
    "at_equal_perplexity",
    "at_equal_bytes",
    "frontier",
    "published",
    "published_scores",
    "metrics",
    "agreement",
    "membership",
    "memorization_fitted",
    "lasting",
]


def table_names(config: Config) -> list[str]:
    """The names of the experiment's tables."""
    own = [*MEMORIZATION, *METRICS]
    if config.samples.fitted:
        own.append("memorization_fitted")
    if config.kind_of_set == KNOWN:
        own.append("sequences")
    if config.scored_elsewhere:
        own += ["published_scores", "published_differences"]
    if config.perturbed:
        own.append("perturbed")
    methods = methods_known(config)
    if config.perturbed or has_chains(methods):
        own.append("lasting")
    if stores_otherwise(methods):
        own.append("at_equal_bytes")
    if config.generation or config.tasks or config.membership:
        own.append("metrics_between_strategies")
    if config.generation or config.tasks:
        own.append("agreement")
    if config.membership:
        own.append("membership")
    if config.concatenated:
        own.append("concatenated_perplexity")
    if config.evaluation.precision == "screened":
        own.append("screening")
    return own


def quantities_drawn(config: Config) -> list[str]:
    """What strategies are compared at in a figure each."""
    compared = {name.removeprefix("at_equal_") for name in table_names(config)}
    return [name for name in ("sparsity", "removed", "bytes", "perplexity") if name in compared]


def tables_in_words(config: Config) -> list[str]:
    """The names of the tables that the findings say in words."""
    return [name for name in table_names(config) if name in SAID_IN_WORDS]
