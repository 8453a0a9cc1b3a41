"""Tables, from the measures, and the findings in words."""


rule aggregate_tables:
    """Writing the tables"""
    input:
        **{kind: paths.all_measures(CONFIG, kind) for kind in CONFIG.text_kinds},
        samples=paths.known_sequences(CONFIG),
        dense=paths.scores_published_elsewhere(CONFIG),
        memorization=paths.all_measures(CONFIG, "memorization"),
        perplexity=paths.all_measures(CONFIG, "perplexity"),
        generation=paths.all_generations(CONFIG, "measures"),
        features=[paths.features(RESULTS)],
    output:
        [shown_table(name, "csv") for name in table_names(CONFIG)],
        expand(f"{TABLES}/{{name}}.{{ending}}", name=table_names(CONFIG), ending=["md", "tex"]),
        shown_table("paper_layout", "md"),
        expand(f"{TABLES}/paper_layout.{{ending}}", ending=["tex", "parquet"]),
        f"{TABLES}/README.md",
    log:
        f"{RESULTS}/logs/aggregate_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/aggregate_tables.tsv"
    params:
        source=source("aggregate_tables.py"),
        spec=lambda wildcards: option("--spec", params.tables_spec(CONFIG)),
        measures=lambda wildcards, input: " ".join(
            option(f"--{kind}", *files) for kind, files in input.items() if files
        ),
    shell:
        "aggregate_tables.py {params.measures} {params.spec} --output {output} > {log} 2>&1"


rule tables:
    input:
        rules.aggregate_tables.output,
    localrule: True


rule write_findings:
    """Writing the findings"""
    input:
        expand(f"{TABLES}/{{name}}.csv", name=tables_in_words(CONFIG)),
    output:
        report(
            paths.findings(RESULTS),
            caption="../report/findings.rst",
            category="Findings",
            labels={"result": "findings in sentences", "experiment": CONFIG.experiment},
        ),
    log:
        f"{RESULTS}/logs/write_findings.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_findings.tsv"
    params:
        source=source("write_findings.py"),
        spec=lambda wildcards: option("--spec", params.findings_spec(CONFIG)),
    shell:
        "write_findings.py {params.spec} --tables {input} --output {output} > {log} 2>&1"


rule findings:
    input:
        rules.write_findings.output,
    localrule: True
