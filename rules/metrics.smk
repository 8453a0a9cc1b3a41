"""Measures: the metrics of every variant, from the evidence in its scores, without the models."""


rule measure:
    """Measuring memorization and perplexity"""
    input:
        memorization=rules.evaluate.output.memorization,
        perplexity=rules.evaluate.output.perplexity,
    output:
        memorization=paths.measures(RESULTS, "{model}", "{variant}", "memorization"),
        perplexity=paths.measures(RESULTS, "{model}", "{variant}", "perplexity"),
    log:
        f"{RESULTS}/logs/measure/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure/{{model}}/{{variant}}.tsv"
    group:
        "measures"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        source=params.metrics_source(CONFIG),
        spec=lambda wildcards: option("--spec", params.metrics_spec(CONFIG)),
    shell:
        "measure.py --memorization-scores {input.memorization} --perplexity-scores {input.perplexity}"
        " {params.spec} --memorization {output.memorization} --perplexity {output.perplexity} > {log} 2>&1"


rule measure_generation:
    """Measuring generated text"""
    input:
        generation=rules.generate.output,
        samples=rules.extract_samples.output.samples,
        manifest=rules.resolve_model.output,
    output:
        paths.generation(RESULTS, "measures", "{model}"),
    log:
        f"{RESULTS}/logs/measure_generation/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_generation/{{model}}.tsv"
    group:
        "measures"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        source=source("measure_generation.py"),
    shell:
        "measure_generation.py --generation {input.generation} --samples {input.samples}"
        " --manifest {input.manifest} --output {output} > {log} 2>&1"


rule measure_membership:
    """Measuring membership inference"""
    input:
        scores=paths.scores(RESULTS, "{model}", "{variant}", "membership"),
        samples=rules.extract_samples.output.samples,
        manifest=rules.resolve_model.output,
        reference=paths.reference_scores(CONFIG),
    output:
        paths.measures(RESULTS, "{model}", "{variant}", "membership"),
    log:
        f"{RESULTS}/logs/measure_membership/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_membership/{{model}}/{{variant}}.tsv"
    group:
        "measures"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        source=source("measure_membership.py"),
        spec=lambda wildcards: option("--spec", params.membership_spec(CONFIG)),
        reference=lambda wildcards, input: option("--reference", *input.reference) if input.reference else "",
    shell:
        "measure_membership.py --scores {input.scores} --samples {input.samples} --manifest {input.manifest}"
        " {params.reference} {params.spec} --output {output} > {log} 2>&1"


rule measure_concatenated:
    """Measuring concatenated perplexity"""
    input:
        paths.scores(RESULTS, "{model}", "{variant}", "concatenated"),
    output:
        paths.measures(RESULTS, "{model}", "{variant}", "concatenated"),
    log:
        f"{RESULTS}/logs/measure_concatenated/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_concatenated/{{model}}/{{variant}}.tsv"
    group:
        "measures"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        source=source("measure_concatenated.py"),
    shell:
        "measure_concatenated.py --scores {input} --output {output} > {log} 2>&1"


rule measure_tasks:
    """Measuring tasks"""
    input:
        scores=paths.scores(RESULTS, "{model}", "{variant}", "tasks"),
        tasks=paths.texts(CONFIG, "tasks"),
    output:
        paths.measures(RESULTS, "{model}", "{variant}", "tasks"),
    log:
        f"{RESULTS}/logs/measure_tasks/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_tasks/{{model}}/{{variant}}.tsv"
    group:
        "measures"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        source=source("measure_tasks.py"),
        tasks=lambda wildcards, input: option("--tasks", *input.tasks),
    shell:
        "measure_tasks.py --scores {input.scores} {params.tasks} --output {output} > {log} 2>&1"


rule measure_perturbed:
    """Measuring memorization after perturbed prefixes"""
    input:
        paths.scores(RESULTS, "{model}", "{variant}", "perturbed"),
    output:
        paths.measures(RESULTS, "{model}", "{variant}", "perturbed"),
    log:
        f"{RESULTS}/logs/measure_perturbed/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_perturbed/{{model}}/{{variant}}.tsv"
    group:
        "measures"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        source=params.metrics_source(CONFIG, "measure_perturbed.py"),
        spec=lambda wildcards: option("--spec", params.metrics_spec(CONFIG)),
    shell:
        "measure_perturbed.py --scores {input} {params.spec} --output {output} > {log} 2>&1"
