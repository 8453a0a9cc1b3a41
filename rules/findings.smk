"""Tables, from the measures."""

TABLE_NAMES = [
    "memorization.csv",
    "memorization_non_members.csv",
    "memorization_by_duplicates.csv",
    "memorization_by_subset.csv",
    "paired.csv",
    "between_strategies.csv",
    "power.csv",
    "perplexity.csv",
    "paper_layout.md",
    "paper_layout.tex",
    "paper_layout.parquet",
    *(["published.csv"] if params.published(CONFIG) else []),
]


rule aggregate_tables:
    input:
        memorization=paths.all_measures(CONFIG, "memorization"),
        perplexity=paths.all_measures(CONFIG, "perplexity"),
    output:
        expand(f"{TABLES}/{{name}}", name=TABLE_NAMES),
    log:
        f"{RESULTS}/logs/aggregate_tables.log",
    params:
        source=source("aggregate_tables.py"),
        spec=option("--spec", params.tables_spec(CONFIG)),
        measures=lambda wildcards, input: (
            f"{option('--memorization', *input.memorization)} {option('--perplexity', *input.perplexity)}"
        ),
    shell:
        "aggregate_tables.py {params.measures} {params.spec} --output {output} > {log} 2>&1"


rule tables:
    input:
        rules.aggregate_tables.output,
