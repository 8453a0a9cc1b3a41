"""Tables, from the measures."""

TABLE_NAMES = [
    "memorization.csv",
    "memorization_non_members.csv",
    "memorization_by_duplicates.csv",
    "memorization_by_subset.csv",
    "paired.csv",
    "perplexity.csv",
    "paper_layout.md",
    "paper_layout.tex",
    "paper_layout.parquet",
]


rule aggregate_tables:
    input:
        memorization=measures("memorization"),
        perplexity=measures("perplexity"),
    output:
        expand(f"{TABLES}/{{name}}", name=table_names()),
    log:
        f"{RESULTS}/logs/aggregate_tables.log",
    params:
        source=source("aggregate_tables.py"),
        spec=option("--spec", tables_spec()),
        measures=lambda wildcards, input: (
            f"{option('--memorization', *input.memorization)} {option('--perplexity', *input.perplexity)}"
        ),
    shell:
        "aggregate_tables.py {params.measures} {params.spec} --output {output} > {log} 2>&1"


rule tables:
    input:
        rules.aggregate_tables.output,
