"""Models: found or fetched, and described."""


rule fetch_model:
    """Fetching models"""
    output:
        paths.fetched(RESULTS, "{model}"),
    log:
        f"{RESULTS}/logs/fetch_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_model/{{model}}.tsv"
    resources:
        **asked(resources.fetch_model),
    params:
        source=source("fetch_model.py"),
        repo=lambda wildcards: option("--repo", CONFIG.models[wildcards.model].repo),
        revision=lambda wildcards: option("--revision", CONFIG.models[wildcards.model].revision),
    shell:
        "fetch_model.py {params.repo} {params.revision} --output {output} > {log} 2>&1"


rule resolve_model:
    """Describing models"""
    input:
        model_files,
    output:
        paths.manifest(RESULTS, "{model}"),
    log:
        f"{RESULTS}/logs/resolve_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/resolve_model/{{model}}.tsv"
    group:
        of_model(resources.group("models"))
    resources:
        **asked(resources.resolve_model),
    params:
        source=source("resolve_model.py"),
        place=lambda wildcards: params.model_place(CONFIG, wildcards.model),
        roles=lambda wildcards: params.model_roles(CONFIG, wildcards.model),
    shell:
        "resolve_model.py --name {wildcards.model} {params.place} {params.roles} --output {output} > {log} 2>&1"


rule resolve_checkpoint:
    """Describing models that stand for variants"""
    input:
        checkpoint_files,
    output:
        paths.checkpoint(RESULTS, "{strategy}@{level}"),
    log:
        f"{RESULTS}/logs/resolve_checkpoint/{{strategy}}@{{level}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/resolve_checkpoint/{{strategy}}@{{level}}.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: CHECKPOINT.at(attempt).memory,
        runtime=lambda wildcards, attempt: CHECKPOINT.at(attempt).runtime,
    params:
        source=source("resolve_model.py"),
        place=lambda wildcards: option("--folder", paths.checkpoint_folders(CONFIG)[variant_of(wildcards)]),
        roles=lambda wildcards: params.model_roles(CONFIG, CONFIG.studied[0]),
    shell:
        "resolve_model.py --name {wildcards.strategy}@{wildcards.level} {params.place} {params.roles}"
        " --output {output} > {log} 2>&1"


rule train_suite:
    """Training the tiny-pythia suite"""
    output:
        directory("results/tiny-pythia"),
    log:
        "results/logs/train_suite.log",
    benchmark:
        "results/logs/train_suite.tsv"
    localrule: True
    threads: lambda wildcards: workflow.cores
    shell:
        "train_suite.py --output {output} --threads {threads} > {log} 2>&1"
