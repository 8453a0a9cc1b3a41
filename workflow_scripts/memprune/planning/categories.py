"""Under which heading `snakemake --report` shows a table."""

CATEGORIES = {
    "Memorization": [
        "memorization",
        "memorization_non_members",
        "memorization_fitted",
        "memorization_by_duplicates",
        "memorization_by_subset",
        "memorization_by_seed",
        "categories",
        "screening",
        "excess",
        "perturbed",
        "lasting",
        "paired",
        "power",
        "paper_layout",
        "published",
        "sequences",
        "published_scores",
        "published_differences",
    ],
    "Perplexity": ["perplexity", "concatenated_perplexity"],
    "Comparisons": [
        "between_strategies",
        "at_equal_sparsity",
        "at_equal_removed",
        "at_equal_bytes",
        "at_equal_perplexity",
        "frontier",
    ],
    "Strategies": ["verdicts"],
    "Metrics": [
        "metrics",
        "metrics_controls",
        "metrics_at_equal",
        "metrics_between_strategies",
        "agreement",
        "membership",
    ],
}


def category(table: str) -> str:
    """The heading of a table."""
    return next(heading for heading, tables in CATEGORIES.items() if table in tables)
