"""Scores of every variant: `dense`, the unpruned model, and each strategy at each level."""


rule score_shards:
    """Scoring parts of variants"""
    input:
        manifest=rules.resolve_model.output,
        changes=lambda wildcards: paths.changes_of(CONFIG, wildcards.model, wildcards.variant),
        samples=rules.extract_samples.output.samples,
        windows=rules.extract_samples.output.windows,
    output:
        paths.receipt(RESULTS, "{model}", "{variant}", "{part}"),
    log:
        f"{RESULTS}/logs/score_shards/{{model}}/{{variant}}/{{part}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_shards/{{model}}/{{variant}}/{{part}}.tsv"
    group:
        of_model(resources.group("evaluations"))
    threads: of_model(resources.threads)
    resources:
        **asked(lambda size, threads: resources.score_shards(size, threads, GPU, CONFIG)),
        gpu=GPU,
    params:
        source=source("score_shards.py"),
        spec=lambda wildcards: option("--spec", params.evaluation_spec(CONFIG)),
        changes=lambda wildcards: params.changes_option(CONFIG, wildcards.model, wildcards.variant),
        parts=parts_of(CONFIG),
    shell:
        "score_shards.py --model {wildcards.model} --variant {wildcards.variant}"
        " --manifest {input.manifest} {params.changes} --samples {input.samples} --windows {input.windows}"
        " {params.spec} --threads {threads} --part {wildcards.part} --parts {params.parts}"
        " --receipt {output} > {log} 2>&1"


rule evaluate:
    """Scoring variants"""
    input:
        manifest=rules.resolve_model.output,
        changes=lambda wildcards: paths.changes_of(CONFIG, wildcards.model, wildcards.variant),
        samples=rules.extract_samples.output.samples,
        windows=rules.extract_samples.output.windows,
        parts=lambda wildcards: paths.receipts(CONFIG, wildcards.model, wildcards.variant),
    output:
        memorization=paths.scores(RESULTS, "{model}", "{variant}", "memorization"),
        perplexity=paths.scores(RESULTS, "{model}", "{variant}", "perplexity"),
    log:
        f"{RESULTS}/logs/evaluate/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{model}}/{{variant}}.tsv"
    group:
        of_model(resources.group("evaluations"))
    threads: of_model(lambda size: resources.evaluation_threads(size, CONFIG))
    resources:
        **asked(lambda size, threads: resources.evaluate(size, threads, GPU, CONFIG)),
        gpu=GPU if scores_itself(CONFIG) else 0,
    params:
        source=source("evaluate.py"),
        spec=lambda wildcards: option("--spec", params.evaluation_spec(CONFIG)),
        changes=lambda wildcards: params.changes_option(CONFIG, wildcards.model, wildcards.variant),
        parts=lambda wildcards, input: option("--parts", *input.parts),
    shell:
        "evaluate.py --model {wildcards.model} --variant {wildcards.variant}"
        " --manifest {input.manifest} {params.changes} --samples {input.samples} --windows {input.windows}"
        " {params.spec} --threads {threads} {params.parts}"
        " --memorization {output.memorization} --perplexity {output.perplexity} > {log} 2>&1"


rule score_texts:
    """Scoring more texts"""
    input:
        manifest=rules.resolve_model.output,
        changes=lambda wildcards: paths.changes_of(CONFIG, wildcards.model, wildcards.variant),
        texts=lambda wildcards: paths.texts(CONFIG, wildcards.kind),
    output:
        paths.scores(RESULTS, "{model}", "{variant}", "{kind}"),
    log:
        f"{RESULTS}/logs/score_texts/{{model}}/{{variant}}.{{kind}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_texts/{{model}}/{{variant}}.{{kind}}.tsv"
    group:
        of_model(resources.group("evaluations"))
    threads: of_model(resources.threads)
    resources:
        **asked(lambda size, threads: resources.score_shards(size, threads, GPU, CONFIG)),
        gpu=GPU,
    params:
        source=lambda wildcards: source("score_texts.py", KINDS[wildcards.kind].module),
        spec=lambda wildcards: option("--spec", params.scoring_spec(CONFIG)),
        changes=lambda wildcards: params.changes_option(CONFIG, wildcards.model, wildcards.variant),
        texts=lambda wildcards, input: option("--texts", *input.texts),
    shell:
        "score_texts.py --kind {wildcards.kind} --model {wildcards.model} --variant {wildcards.variant}"
        " --manifest {input.manifest} {params.changes} {params.texts} {params.spec} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule generate:
    """Generating text with all variants"""
    input:
        manifest=rules.resolve_model.output,
        changes=lambda wildcards: paths.all_changes_of(CONFIG, wildcards.model),
        samples=rules.extract_samples.output.samples,
    output:
        paths.generation(RESULTS, "scores", "{model}"),
    log:
        f"{RESULTS}/logs/generate/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/generate/{{model}}.tsv"
    group:
        of_model(resources.group("evaluations"))
    threads: of_model(resources.threads)
    resources:
        **asked(lambda size, threads: resources.generate(size, threads, GPU, CONFIG)),
        gpu=GPU,
    params:
        source=source("generate.py"),
        spec=lambda wildcards: option("--spec", params.generation_spec(CONFIG)),
        variants=lambda wildcards: params.variants_option(CONFIG, wildcards.model),
    shell:
        "generate.py --model {wildcards.model} {params.variants} --manifest {input.manifest}"
        " --samples {input.samples} {params.spec} --threads {threads} --output {output} > {log} 2>&1"
