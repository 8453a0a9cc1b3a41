"""Pruning masks, and what they are computed from."""


rule count_magnitudes:
    """Counting weights by magnitude"""
    input:
        rules.resolve_model.output,
    output:
        paths.magnitudes(RESULTS, "{model}"),
    log:
        f"{RESULTS}/logs/count_magnitudes/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_magnitudes/{{model}}.tsv"
    group:
        of_model(resources.group("models"))
    threads: of_model(resources.threads)
    resources:
        **asked(resources.count_magnitudes),
    params:
        source=source("count_magnitudes.py"),
    shell:
        "count_magnitudes.py --manifest {input} --threads {threads} --output {output} > {log} 2>&1"


rule solve_level:
    """Finding levels by their perplexity"""
    input:
        manifest=rules.resolve_model.output,
        magnitudes=lambda wildcards: paths.magnitudes_of(CONFIG, wildcards.model, wildcards.strategy),
        windows=rules.extract_samples.input.perplexity,
    output:
        paths.level(RESULTS, "{model}", "{strategy}@{target}"),
    log:
        f"{RESULTS}/logs/solve_level/{{model}}/{{strategy}}@{{target}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/solve_level/{{model}}/{{strategy}}@{{target}}.tsv"
    group:
        of_model(resources.group("levels"))
    threads: of_model(resources.threads)
    resources:
        **asked(lambda size, threads: resources.solve_level(size, threads, GPU, CONFIG)),
        gpu=GPU,
    params:
        source=lambda wildcards: params.pruning_source(CONFIG, "solve_level.py", wildcards.strategy),
        spec=lambda wildcards: option(
            "--spec", params.solve_spec(CONFIG, wildcards.strategy, wildcards.target)
        ),
        magnitudes=lambda wildcards: params.magnitudes_option(CONFIG, wildcards.model, wildcards.strategy),
    shell:
        "solve_level.py --model {wildcards.model} --strategy {wildcards.strategy} --manifest {input.manifest}"
        " {params.magnitudes} --windows {input.windows} {params.spec} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule compute_mask:
    """Making pruning masks"""
    input:
        manifest=rules.resolve_model.output,
        magnitudes=lambda wildcards: paths.magnitudes_of(CONFIG, wildcards.model, wildcards.strategy),
        level=lambda wildcards: paths.level_of(
            CONFIG, wildcards.model, f"{wildcards.strategy}@{wildcards.level}"
        ),
    output:
        mask=paths.mask(RESULTS, "{model}", "{strategy}@{level}"),
        statistics=paths.zeros(RESULTS, "{model}", "{strategy}@{level}"),
    log:
        f"{RESULTS}/logs/compute_mask/{{model}}/{{strategy}}@{{level}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compute_mask/{{model}}/{{strategy}}@{{level}}.tsv"
    group:
        of_model(resources.group("masks"))
    threads: of_model(resources.threads)
    resources:
        **asked(resources.compute_mask),
    params:
        source=lambda wildcards: params.pruning_source(CONFIG, "compute_mask.py", wildcards.strategy),
        magnitudes=lambda wildcards: params.magnitudes_option(CONFIG, wildcards.model, wildcards.strategy),
        spec=lambda wildcards: option("--spec", params.mask_spec(CONFIG, wildcards.strategy, wildcards.level)),
        level=lambda wildcards, input: option("--level-file", input.level) if input.level else "",
    shell:
        "compute_mask.py --strategy {wildcards.strategy} --manifest {input.manifest}"
        " {params.magnitudes} {params.spec} {params.level} --threads {threads}"
        " --mask {output.mask} --statistics {output.statistics} > {log} 2>&1"
