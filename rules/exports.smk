"""Variants as folders that transformers loads, for use elsewhere: made when asked for, not by `all`."""


def fetched_record(wildcards):
    """The record of having fetched a model from the Hub; none of a local one."""
    is_local = CONFIG.models[wildcards.model].repo is None
    return [] if is_local else rules.fetch_model.output[0].format(model=wildcards.model)


rule export_variant:
    input:
        manifest=rules.resolve_model.output,
        mask=mask_of_variant,
        fetched=fetched_record,
    output:
        directory(f"{RESULTS}/exports/{{model}}/{{variant}}"),
    log:
        f"{RESULTS}/logs/export_variant/{{model}}/{{variant}}.log",
    resources:
        **asked(resources.export_variant),
    params:
        source=source("export_variant.py"),
        mask=mask_option,
        fetched=lambda wildcards, input: option("--fetched", input.fetched) if input.fetched else "",
    shell:
        "export_variant.py --variant {wildcards.variant} --manifest {input.manifest} {params.mask}"
        " {params.fetched} --output {output} > {log} 2>&1"
