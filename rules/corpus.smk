"""From texts to samples."""


rule build_mini_pile:
    """Building mini-pile"""
    output:
        expand("results/mini-pile/{split}.jsonl.zst", split=["train", "validation", "test"]),
    log:
        "results/mini-pile/build_mini_pile.log",
    benchmark:
        "results/mini-pile/build_mini_pile.tsv"
    params:
        source=source("build_mini_pile.py"),
    shell:
        "build_mini_pile.py --output {output} > {log} 2>&1"


rule draw_samples:
    """Drawing samples"""
    input:
        files=lambda wildcards: draw_files(CONFIG, wildcards.draw),
        without=lambda wildcards: expand(
            paths.draw(RESULTS, "{draw}"), draw=draws_left_out(CONFIG, wildcards.draw)
        ),
        unlike=lambda wildcards: expand(
            paths.draw(RESULTS, "{draw}"), draw=draws_unlike(CONFIG, wildcards.draw)
        ),
        manifest=paths.manifest(RESULTS, FIRST_MODEL),
    output:
        paths.draw(RESULTS, "{draw}"),
    log:
        f"{RESULTS}/logs/draw_samples/{{draw}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw_samples/{{draw}}.tsv"
    resources:
        mem_mb=4000,
        runtime=240,  # minutes: the Hub lets so many requests through
    params:
        source=lambda wildcards: params.draw_source(CONFIG, wildcards.draw),
        spec=lambda wildcards: option("--spec", params.draw_spec(CONFIG, wildcards.draw)),
        files=lambda wildcards: option("--files", *draw_files(CONFIG, wildcards.draw)),
        without=lambda wildcards, input: option("--without", *input.without) if input.without else "",
        unlike=lambda wildcards, input: option("--unlike", *input.unlike) if input.unlike else "",
    shell:
        "draw_samples.py {params.spec} {params.files} {params.without} {params.unlike}"
        " --manifest {input.manifest} --output {output} > {log} 2>&1"


rule prepare_task:
    """Preparing tasks"""
    input:
        files=lambda wildcards: paths.task_files(CONFIG, wildcards.task),
        manifests=expand(paths.manifest(RESULTS, "{model}"), model=CONFIG.models),
    output:
        paths.task(RESULTS, "{task}"),
    log:
        f"{RESULTS}/logs/prepare_task/{{task}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare_task/{{task}}.tsv"
    priority: 1  # a task that cannot be is told before a GPU is used
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        source=source("prepare_task.py"),
        task=lambda wildcards: params.task_option(CONFIG, wildcards.task),
        contents=lambda wildcards: params.task_contents(CONFIG, wildcards.task),
        manifests=lambda wildcards, input: option("--manifests", *input.manifests),
    shell:
        "prepare_task.py {params.task} {params.manifests} --output {output} > {log} 2>&1"


rule extract_samples:
    """Putting the samples together"""
    input:
        members=expand(rules.draw_samples.output, draw=member_draws(CONFIG)),
        non_members=expand(rules.draw_samples.output, draw=non_member_draws(CONFIG)),
        fitted=expand(rules.draw_samples.output, draw=fitted_draws(CONFIG)),
        perplexity=paths.draw(RESULTS, perplexity_draw(CONFIG)),
        counts=counts_files(CONFIG),
    output:
        samples=paths.samples(RESULTS),
        windows=paths.windows(RESULTS),
    log:
        f"{RESULTS}/logs/extract_samples.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_samples.tsv"
    params:
        source=source("extract_samples.py"),
        spec=lambda wildcards: option("--spec", params.samples_spec(CONFIG)),
        members=lambda wildcards, input: option("--members", *input.members),
        non_members=lambda wildcards, input: option("--non-members", *input.non_members),
        fitted=lambda wildcards, input: option("--fitted", *input.fitted) if input.fitted else "",
        counts=lambda wildcards: option("--counts", *counts_files(CONFIG)) if counts_files(CONFIG) else "",
    shell:
        "extract_samples.py {params.members} {params.non_members} {params.fitted} {params.counts}"
        " --perplexity {input.perplexity} {params.spec}"
        " --samples {output.samples} --windows {output.windows} > {log} 2>&1"


rule compute_features:
    """Computing features of samples"""
    input:
        samples=rules.extract_samples.output.samples,
        manifest=paths.manifest(RESULTS, FIRST_MODEL),
    output:
        paths.features(RESULTS),
    log:
        f"{RESULTS}/logs/compute_features.log",
    benchmark:
        f"{RESULTS}/benchmarks/compute_features.tsv"
    params:
        source=source("compute_features.py"),
    shell:
        "compute_features.py --samples {input.samples} --manifest {input.manifest} --output {output} > {log} 2>&1"


rule perturb_prefixes:
    """Replacing tokens of prefixes"""
    input:
        samples=rules.extract_samples.output.samples,
        manifest=paths.manifest(RESULTS, FIRST_MODEL),
    output:
        paths.perturbed(RESULTS),
    log:
        f"{RESULTS}/logs/perturb_prefixes.log",
    benchmark:
        f"{RESULTS}/benchmarks/perturb_prefixes.tsv"
    params:
        source=source("perturb_prefixes.py"),
        spec=lambda wildcards: option("--spec", params.perturbed_spec(CONFIG)),
    shell:
        "perturb_prefixes.py --samples {input.samples} --manifest {input.manifest} {params.spec}"
        " --output {output} > {log} 2>&1"
