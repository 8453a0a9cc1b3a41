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


rule extract_samples:
    input:
        files=rules.build_mini_pile.output if EMBEDDED else corpus_files(),
        manifest=f"{RESULTS}/models/{FIRST_MODEL}/manifest.json",
    output:
        samples=f"{RESULTS}/samples/samples.parquet",
        windows=f"{RESULTS}/samples/windows.parquet",
    log:
        f"{RESULTS}/logs/extract_samples.log",
    params:
        source=source("extract_samples.py", f"memprune.corpora.{CONFIG.corpus.source}"),
        spec=samples_spec(),
    shell:
        "extract_samples.py --spec {params.spec:q} --files {input.files:q} --manifest {input.manifest}"
        " --samples {output.samples} --windows {output.windows} > {log} 2>&1"
