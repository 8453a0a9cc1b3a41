"""Pruning masks, and what they are computed from."""


rule count_magnitudes:
    input:
        rules.resolve_model.output,
    output:
        f"{RESULTS}/models/{{model}}/magnitudes.safetensors",
    log:
        f"{RESULTS}/logs/count_magnitudes/{{model}}.log",
    group:
        grouped("models")
    threads: model_threads
    resources:
        **asked(resources.count_magnitudes),
    params:
        source=source("count_magnitudes.py"),
    shell:
        "count_magnitudes.py --manifest {input} --threads {threads} --output {output} > {log} 2>&1"


rule compute_mask:
    input:
        manifest=rules.resolve_model.output,
        magnitudes=rules.count_magnitudes.output,
    output:
        mask=f"{RESULTS}/masks/{{model}}/{{strategy}}@{{level}}.safetensors",
        statistics=f"{RESULTS}/masks/{{model}}/{{strategy}}@{{level}}.csv",
    log:
        f"{RESULTS}/logs/compute_mask/{{model}}/{{strategy}}@{{level}}.log",
    group:
        grouped("masks")
    threads: model_threads
    resources:
        **asked(resources.compute_mask),
    params:
        source=mask_source,
        spec=lambda wildcards: option("--spec", mask_spec(wildcards)),
    shell:
        "compute_mask.py --strategy {wildcards.strategy} --manifest {input.manifest}"
        " --magnitudes {input.magnitudes} {params.spec} --threads {threads}"
        " --mask {output.mask} --statistics {output.statistics} > {log} 2>&1"
