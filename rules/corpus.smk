"""From texts to samples."""


rule build_mini_pile:
    output:
        expand("results/mini-pile/{split}.jsonl.zst", split=["train", "validation", "test"]),
    log:
        "results/mini-pile/build_mini_pile.log",
    shell:
        "build_mini_pile.py --output results/mini-pile > {log} 2>&1"


rule extract_samples:
    input:
        corpus=rules.build_mini_pile.output if EMBEDDED else [],
        files=corpus_files(),
        manifest=f"{RESULTS}/models/{FIRST_MODEL}/manifest.json",
    output:
        samples=f"{RESULTS}/samples/samples.parquet",
        windows=f"{RESULTS}/samples/windows.parquet",
    log:
        f"{RESULTS}/logs/extract_samples.log",
    params:
        spec=samples_spec(),
        folder="--corpus-folder results/mini-pile" if EMBEDDED else "",
    shell:
        "extract_samples.py --spec {params.spec:q} {params.folder} --manifest {input.manifest}"
        " --samples {output.samples} --windows {output.windows} > {log} 2>&1"
