"""Changes of models' weights, and what they are computed from."""


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


rule gather_activations:
    """Gathering activations on calibration text"""
    input:
        manifest=rules.resolve_model.output,
        changes=lambda wildcards: paths.changes_of(CONFIG, wildcards.model, wildcards.variant),
        calibration=paths.draw(RESULTS, text_draw(CONFIG, "calibration")),
    output:
        paths.statistics(RESULTS, "{model}", "{variant}", "activations"),
    log:
        f"{RESULTS}/logs/gather_activations/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/gather_activations/{{model}}/{{variant}}.tsv"
    group:
        in_chain("activations", paths.changes_of)
    threads: of_model(resources.threads)
    resources:
        **asked(lambda size, threads: change_resources.gather_activations(size, threads, GPU, CONFIG)),
        gpu=GPU,
    params:
        source=source("gather_activations.py"),
        changes=lambda wildcards: params.changes_option(CONFIG, wildcards.model, wildcards.variant),
        spec=lambda wildcards: option("--spec", params.gathering_spec(CONFIG)),
    shell:
        "gather_activations.py --variant {wildcards.variant} --manifest {input.manifest} {params.changes}"
        " --calibration {input.calibration} {params.spec} --threads {threads} --output {output} > {log} 2>&1"


rule gather_gradients:
    """Gathering gradients on fitted samples and calibration text"""
    input:
        manifest=rules.resolve_model.output,
        changes=lambda wildcards: paths.changes_of(CONFIG, wildcards.model, wildcards.variant),
        samples=rules.extract_samples.output.samples,
        calibration=paths.draw(RESULTS, text_draw(CONFIG, "calibration")),
    output:
        paths.statistics(RESULTS, "{model}", "{variant}", "gradients"),
    log:
        f"{RESULTS}/logs/gather_gradients/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/gather_gradients/{{model}}/{{variant}}.tsv"
    group:
        in_chain("gradients", paths.changes_of)
    threads: of_model(resources.threads)
    resources:
        **asked(lambda size, threads: change_resources.gather_gradients(size, threads, GPU, CONFIG)),
        gpu=GPU,
    params:
        source=source("gather_gradients.py"),
        changes=lambda wildcards: params.changes_option(CONFIG, wildcards.model, wildcards.variant),
        spec=lambda wildcards: option("--spec", params.gathering_spec(CONFIG)),
    shell:
        "gather_gradients.py --manifest {input.manifest} {params.changes} --samples {input.samples}"
        " --calibration {input.calibration} {params.spec} --threads {threads} --output {output} > {log} 2>&1"


rule solve_level:
    """Finding levels by their perplexity"""
    input:
        manifest=rules.resolve_model.output,
        before=lambda wildcards: paths.changes_before(CONFIG, wildcards.model, variant_of(wildcards)),
        inputs=lambda wildcards: inputs_of(wildcards).values(),
        windows=rules.extract_samples.input.perplexity,
    output:
        paths.level(RESULTS, "{model}", "{strategy}@{level}"),
    log:
        f"{RESULTS}/logs/solve_level/{{model}}/{{strategy}}@{{level}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/solve_level/{{model}}/{{strategy}}@{{level}}.tsv"
    wildcard_constraints:
        level=TARGET,
    group:
        in_chain("levels", paths.changes_before)
    threads: of_model(resources.threads)
    resources:
        **asked_by(change_resources.solve_level),
        gpu=GPU,
    params:
        source=lambda wildcards: params.change_source(CONFIG, "solve_level.py", wildcards.strategy),
        spec=lambda wildcards: option("--spec", params.solve_spec(CONFIG, variant_of(wildcards))),
        before=lambda wildcards: params.before_option(CONFIG, wildcards.model, variant_of(wildcards)),
        inputs=lambda wildcards: params.inputs_option(CONFIG, wildcards.model, variant_of(wildcards)),
    shell:
        "solve_level.py --model {wildcards.model} --strategy {wildcards.strategy} --manifest {input.manifest}"
        " {params.before} {params.inputs} --windows {input.windows} {params.spec} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule compute_change:
    """Changing weights"""
    input:
        manifest=rules.resolve_model.output,
        before=lambda wildcards: paths.changes_before(CONFIG, wildcards.model, variant_of(wildcards)),
        inputs=lambda wildcards: inputs_of(wildcards).values(),
        level=lambda wildcards: paths.level_of(CONFIG, wildcards.model, variant_of(wildcards)),
    output:
        change=paths.change(RESULTS, "{model}", "{strategy}@{level}"),
        zeros=paths.zeros(RESULTS, "{model}", "{strategy}@{level}"),
    log:
        f"{RESULTS}/logs/compute_change/{{model}}/{{strategy}}@{{level}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compute_change/{{model}}/{{strategy}}@{{level}}.tsv"
    group:
        in_chain("changes", paths.changes_before)
    threads: of_model(resources.threads)
    resources:
        **asked_by(change_resources.compute_change),
        gpu=lambda wildcards: GPU * uses_device(CONFIG, wildcards.strategy),
    params:
        source=lambda wildcards: params.change_source(CONFIG, "compute_change.py", wildcards.strategy),
        before=lambda wildcards: params.before_option(CONFIG, wildcards.model, variant_of(wildcards)),
        inputs=lambda wildcards: params.inputs_option(CONFIG, wildcards.model, variant_of(wildcards)),
        spec=lambda wildcards: option("--spec", params.change_spec(CONFIG, variant_of(wildcards))),
        level=lambda wildcards, input: option("--level-file", input.level) if input.level else "",
    shell:
        "compute_change.py --strategy {wildcards.strategy} --manifest {input.manifest}"
        " {params.before} {params.inputs} {params.spec} {params.level} --threads {threads}"
        " --change {output.change} --zeros {output.zeros} > {log} 2>&1"
