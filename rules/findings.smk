"""Tables, from the measures, and the findings in words."""

TABLE_NAMES = [
    "memorization",
    "memorization_non_members",
    "memorization_by_duplicates",
    "memorization_by_subset",
    "memorization_by_seed",
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
SAID_IN_WORDS = [
    "memorization",
    "perplexity",
    "paired",
    "between_strategies",
    "power",
    "excess",
    "verdicts",
    "at_equal_perplexity",
    "frontier",
    "published",
]


rule aggregate_tables:
    input:
        memorization=paths.all_measures(CONFIG, "memorization"),
        perplexity=paths.all_measures(CONFIG, "perplexity"),
    output:
        expand(f"{TABLES}/{{name}}.{{ending}}", name=TABLE_NAMES, ending=["csv", "md", "tex"]),
        expand(f"{TABLES}/paper_layout.{{ending}}", ending=["md", "tex", "parquet"]),
        f"{TABLES}/README.md",
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


rule write_findings:
    input:
        expand(f"{TABLES}/{{name}}.csv", name=SAID_IN_WORDS),
    output:
        paths.findings(RESULTS),
    log:
        f"{RESULTS}/logs/write_findings.log",
    params:
        source=source("write_findings.py"),
        experiment=CONFIG.experiment,
    shell:
        "write_findings.py --experiment {params.experiment} --tables {input} --output {output} > {log} 2>&1"


rule findings:
    input:
        rules.write_findings.output,
