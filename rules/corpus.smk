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
        spec=draw_spec,
    shell:
        "draw_samples.py --spec {params.spec:q} --files {input.files:q} --manifest {input.manifest}"
        " --output {output} > {log} 2>&1"


rule extract_samples:
    input:
        members=expand(
            rules.draw_samples.output, draw=[f"member-{part}" for part in range(CONFIG.member_draws)]
        ),
        non_members=f"{RESULTS}/samples/draws/non_member-0.parquet",
        perplexity=f"{RESULTS}/samples/draws/perplexity-0.parquet",
    output:
        samples=f"{RESULTS}/samples/samples.parquet",
        windows=f"{RESULTS}/samples/windows.parquet",
    log:
        f"{RESULTS}/logs/extract_samples.log",
    params:
        source=source("extract_samples.py"),
        spec=canonical({"suffix": str(CONFIG.samples.suffix)}),
    shell:
        "extract_samples.py --members {input.members} --non-members {input.non_members}"
        " --perplexity {input.perplexity} --spec {params.spec:q}"
        " --samples {output.samples} --windows {output.windows} > {log} 2>&1"
