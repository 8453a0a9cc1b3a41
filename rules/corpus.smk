"""From texts to samples."""


rule build_mini_pile:
    output:
        expand("results/mini-pile/{split}.jsonl.zst", split=["train", "validation", "test"]),
    log:
        "results/mini-pile/build_mini_pile.log",
    params:
        source=source("build_mini_pile.py"),
    shell:
        "build_mini_pile.py --output {output} > {log} 2>&1"


rule draw_samples:
    input:
        files=draw_files,
        manifest=f"{RESULTS}/models/{FIRST_MODEL}/manifest.json",
    output:
        f"{RESULTS}/samples/draws/{{draw}}.parquet",
    log:
        f"{RESULTS}/logs/draw_samples/{{draw}}.log",
    resources:
        mem_mb=4000,
        runtime=240,  # minutes: the Hub lets so many requests through
    params:
        source=draw_source,
        spec=lambda wildcards: option("--spec", draw_spec(wildcards)),
        files=lambda wildcards: option("--files", *draw_files(wildcards)),
    shell:
        "draw_samples.py {params.spec} {params.files} --manifest {input.manifest}"
        " --output {output} > {log} 2>&1"


rule extract_samples:
    input:
        members=expand(rules.draw_samples.output, draw=member_draws()),
        non_members=f"{RESULTS}/samples/draws/non_member-0.parquet",
        perplexity=f"{RESULTS}/samples/draws/perplexity-0.parquet",
    output:
        samples=f"{RESULTS}/samples/samples.parquet",
        windows=f"{RESULTS}/samples/windows.parquet",
    log:
        f"{RESULTS}/logs/extract_samples.log",
    params:
        source=source("extract_samples.py"),
        spec=option("--spec", canonical({"suffix": str(CONFIG.samples.suffix)})),
        members=lambda wildcards, input: option("--members", *input.members),
    shell:
        "extract_samples.py {params.members} --non-members {input.non_members}"
        " --perplexity {input.perplexity} {params.spec}"
        " --samples {output.samples} --windows {output.windows} > {log} 2>&1"
