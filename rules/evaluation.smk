"""Scores of every variant: `dense`, the unpruned model, and each strategy at each level."""


rule score_shards:
    input:
        manifest=rules.resolve_model.output,
        mask=mask_of_variant,
        samples=rules.extract_samples.output.samples,
        windows=rules.extract_samples.output.windows,
    output:
        f"{RESULTS}/scores/{{model}}/{{variant}}.parts/{{part}}.json",
    log:
        f"{RESULTS}/logs/score_shards/{{model}}/{{variant}}/{{part}}.log",
    group:
        grouped("evaluations")
    threads: model_threads
    resources:
        **asked(scoring_resources),
        gpu=GPU,
    params:
        source=source("score_shards.py"),
        spec=option("--spec", evaluation_spec()),
        mask=mask_option,
        parts=PARTS,
    shell:
        "score_shards.py --model {wildcards.model} --variant {wildcards.variant}"
        " --manifest {input.manifest} {params.mask} --samples {input.samples} --windows {input.windows}"
        " {params.spec} --threads {threads} --part {wildcards.part} --parts {params.parts}"
        " --receipt {output} > {log} 2>&1"


rule evaluate:
    input:
        manifest=rules.resolve_model.output,
        mask=mask_of_variant,
        samples=rules.extract_samples.output.samples,
        windows=rules.extract_samples.output.windows,
        parts=lambda wildcards: receipts(wildcards.model, wildcards.variant),
    output:
        memorization=f"{RESULTS}/scores/{{model}}/{{variant}}.memorization.parquet",
        perplexity=f"{RESULTS}/scores/{{model}}/{{variant}}.perplexity.parquet",
    log:
        f"{RESULTS}/logs/evaluate/{{model}}/{{variant}}.log",
    group:
        grouped("evaluations")
    threads: evaluation_threads
    resources:
        **asked(evaluation_resources),
        gpu=evaluation_gpu,
    params:
        source=source("evaluate.py"),
        spec=option("--spec", evaluation_spec()),
        mask=mask_option,
        parts=lambda wildcards, input: option("--parts", *input.parts),
    shell:
        "evaluate.py --model {wildcards.model} --variant {wildcards.variant}"
        " --manifest {input.manifest} {params.mask} --samples {input.samples} --windows {input.windows}"
        " {params.spec} --threads {threads} {params.parts}"
        " --memorization {output.memorization} --perplexity {output.perplexity} > {log} 2>&1"
