"""Pruning masks."""


def mask_spec(wildcards):
    """The strategy's settings but its list of levels, and the one level of this mask."""
    strategy = CONFIG.strategies[wildcards.strategy].model_dump(exclude={"levels"})
    return canonical({**strategy, "strategy": wildcards.strategy, "level": float(wildcards.level)})


rule compute_mask:
    input:
        manifest=rules.resolve_model.output,
        magnitudes=rules.count_magnitudes.output,
    output:
        mask=f"{RESULTS}/masks/{{model}}/{{strategy}}@{{level}}.safetensors",
        statistics=f"{RESULTS}/masks/{{model}}/{{strategy}}@{{level}}.csv",
    log:
        f"{RESULTS}/logs/compute_mask/{{model}}/{{strategy}}@{{level}}.log",
    params:
        spec=mask_spec,
    shell:
        PYTHON + "/compute_mask.py --manifest {input.manifest} --magnitudes {input.magnitudes}"
        " --spec {params.spec:q} --mask {output.mask} --statistics {output.statistics} > {log} 2>&1"
