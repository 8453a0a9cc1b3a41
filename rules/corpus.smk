"""From texts to samples."""

EMBEDDED = CONFIG.corpus.source == "embedded"
FIRST_MODEL = next(iter(CONFIG.models))  # its tokenizer is the experiment's


def corpus_files():
    """The local files that the corpus is read from."""
    corpus = CONFIG.corpus
    return [*corpus.train, *corpus.validation, *corpus.test] if corpus.source == "files" else []


def samples_spec():
    """The settings of the draw; of the context lengths only their longest matters, in the window."""
    samples = CONFIG.samples.model_dump(exclude={"context_lengths"})
    return canonical(
        {**samples, "window": CONFIG.samples.window, "corpus": CONFIG.corpus.model_dump(), "seed": CONFIG.seed}
    )


rule build_mini_pile:
    output:
        expand("results/mini-pile/{split}.jsonl.zst", split=["train", "validation", "test"]),
    log:
        "results/mini-pile/build_mini_pile.log",
    shell:
        PYTHON + "/build_mini_pile.py --output results/mini-pile > {log} 2>&1"


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
        PYTHON + "/extract_samples.py --spec {params.spec:q} {params.folder} --manifest {input.manifest}"
        " --samples {output.samples} --windows {output.windows} > {log} 2>&1"
