"""Scores of every variant: `dense`, the unpruned model, and each strategy at each level."""

# One job at a time on a machine's GPU; `--resources gpu=N` allows more.
GPU = int(CONFIG.evaluation.device != "cpu" and Path("/dev/nvidia0").exists())
workflow.global_resources.setdefault("gpu", 1)


def mask_of_variant(wildcards):
    """The mask of a pruned variant; none for `dense`."""
    if wildcards.variant == "dense":
        return []
    return f"{RESULTS}/masks/{wildcards.model}/{wildcards.variant}.safetensors"


def mask_option(wildcards):
    """The option of evaluate.py that names the mask."""
    mask = mask_of_variant(wildcards)
    return f"--mask {mask}" if mask else ""


def evaluation_spec(wildcards):
    """The settings that scores depend on."""
    return canonical(
        {
            "model": wildcards.model,
            "variant": wildcards.variant,
            "context_lengths": CONFIG.samples.context_lengths,
            "suffix": CONFIG.samples.suffix,
            **CONFIG.evaluation.model_dump(),
        }
    )


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
    params:
        spec=evaluation_spec,
        mask=mask_option,
    threads: 1
    resources:
        gpu=GPU,
    shell:
        PYTHON + "/evaluate.py --manifest {input.manifest} {params.mask} --samples {input.samples}"
        " --windows {input.windows} --spec {params.spec:q} --threads {threads}"
        " --memorization {output.memorization} --perplexity {output.perplexity} > {log} 2>&1"
