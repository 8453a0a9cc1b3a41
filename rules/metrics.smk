"""Measures: the metrics of every variant, from the evidence in its scores, without the models."""


rule measure:
    input:
        memorization=rules.evaluate.output.memorization,
        perplexity=rules.evaluate.output.perplexity,
    output:
        memorization=paths.measures(RESULTS, "{model}", "{variant}", "memorization"),
        perplexity=paths.measures(RESULTS, "{model}", "{variant}", "perplexity"),
    log:
        f"{RESULTS}/logs/measure/{{model}}/{{variant}}.log",
    group:
        "measures"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        source=params.metrics_source(CONFIG),
        spec=option("--spec", params.metrics_spec(CONFIG)),
    shell:
        "measure.py --memorization-scores {input.memorization} --perplexity-scores {input.perplexity}"
        " {params.spec} --memorization {output.memorization} --perplexity {output.perplexity} > {log} 2>&1"
