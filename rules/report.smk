"""The report: one page that shows what the tables, the evidence and the texts say."""


rule render_report:
    """Rendering the report"""
    input:
        [path for path in rules.tables.input if not path.endswith((".md", ".tex"))],
        rules.findings.input,
        rules.extract_samples.output.samples,
        expand(rules.resolve_model.output, model=CONFIG.models),
        [path for path in paths.all_changes(CONFIG) if path.endswith(".csv")],
        paths.all_scores(CONFIG, "memorization"),
        paths.all_generations(CONFIG, "measures"),
    output:
        report(
            paths.report(RESULTS),
            caption="../report/page.rst",
            category="Findings",
            labels={"result": "page to explore", "experiment": CONFIG.experiment},
        ),
    log:
        f"{RESULTS}/logs/render_report.log",
    benchmark:
        f"{RESULTS}/benchmarks/render_report.tsv"
    params:
        source=source("render_report.py"),
        page=params.page_files(),
        results=lambda wildcards: RESULTS,
        spec=lambda wildcards: option("--spec", params.report_spec(CONFIG)),
    shell:
        "render_report.py --results {params.results} {params.spec} --output {output} > {log} 2>&1"


rule report:
    input:
        rules.render_report.output,
    localrule: True
