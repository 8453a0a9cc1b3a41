"""Scores of every variant: `dense`, the unpruned model, and each strategy at each level."""


rule evaluate:
    input:
        manifest=rules.resolve_model.output,
        mask=mask_of_variant,
        samples=rules.extract_samples.output.samples,
        windows=rules.extract_samples.output.windows,
    output:
        memorization=f"{RESULTS}/scores/{{model}}/{{variant}}.memorization.parquet",
        perplexity=f"{RESULTS}/scores/{{model}}/{{variant}}.perplexity.parquet",
    log:
        f"{RESULTS}/logs/evaluate/{{model}}/{{variant}}.log",
    threads: model_threads
    resources:
        gpu=GPU,
    params:
        source=source("evaluate.py"),
        spec=evaluation_spec(),
        mask=mask_option,
    shell:
        "evaluate.py --model {wildcards.model} --variant {wildcards.variant}"
        " --manifest {input.manifest} {params.mask} --samples {input.samples} --windows {input.windows}"
        " --spec {params.spec:q} --threads {threads}"
        " --memorization {output.memorization} --perplexity {output.perplexity} > {log} 2>&1"
