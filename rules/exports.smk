"""Variants as folders that transformers loads, for use elsewhere: made when asked for, not by `all`."""


rule export_variant:
    """Exporting variants"""
    input:
        manifest=rules.resolve_model.output,
        changes=lambda wildcards: paths.changes_of(CONFIG, wildcards.model, wildcards.variant),
        fetched=lambda wildcards: paths.fetched_of(CONFIG, wildcards.model),
    output:
        directory(f"{RESULTS}/exports/{{model}}/{{variant}}"),
    log:
        f"{RESULTS}/logs/export_variant/{{model}}/{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/export_variant/{{model}}/{{variant}}.tsv"
    resources:
        **asked(resources.export_variant),
    params:
        source=source("export_variant.py"),
        changes=lambda wildcards: params.changes_option(CONFIG, wildcards.model, wildcards.variant),
        fetched=lambda wildcards, input: option("--fetched", input.fetched) if input.fetched else "",
    shell:
        "export_variant.py --variant {wildcards.variant} --manifest {input.manifest} {params.changes}"
        " {params.fetched} --output {output} > {log} 2>&1"
