"""Models: found or fetched, described, and their magnitudes counted."""


def model_files(wildcards):
    """What a model's manifest is made from: its local files, or the record of having fetched them."""
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return f"{RESULTS}/models/{wildcards.model}/fetched.json"
    return sorted(map(str, Path(model.path).glob("*.safetensors")))


def model_source(wildcards):
    """The options of resolve_model.py that say where the model is."""
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return f"--fetched {RESULTS}/models/{wildcards.model}/fetched.json"
    return f"--folder {shlex.quote(model.path)}"


rule fetch_model:
    output:
        f"{RESULTS}/models/{{model}}/fetched.json",
    log:
        f"{RESULTS}/logs/fetch_model/{{model}}.log",
    params:
        repo=lambda wildcards: CONFIG.models[wildcards.model].repo,
        revision=lambda wildcards: CONFIG.models[wildcards.model].revision,
    shell:
        PYTHON + "/fetch_model.py --repo {params.repo:q} --revision {params.revision:q} --output {output}"
        " > {log} 2>&1"


rule resolve_model:
    input:
        model_files,
    output:
        f"{RESULTS}/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/resolve_model/{{model}}.log",
    params:
        source=model_source,
    shell:
        PYTHON + "/resolve_model.py --name {wildcards.model} {params.source} --output {output} > {log} 2>&1"


rule count_magnitudes:
    input:
        rules.resolve_model.output,
    output:
        f"{RESULTS}/models/{{model}}/magnitudes.safetensors",
    log:
        f"{RESULTS}/logs/count_magnitudes/{{model}}.log",
    shell:
        PYTHON + "/count_magnitudes.py --manifest {input} --output {output} > {log} 2>&1"


rule train_suite:
    output:
        directory("results/tiny-pythia"),
    log:
        "results/logs/train_suite.log",
    threads: workflow.cores
    shell:
        PYTHON + "/train_suite.py --output {output} --threads {threads} > {log} 2>&1"
