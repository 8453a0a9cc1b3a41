"""Figures, from the tables."""


rule plot_trade_off:
    """Drawing the trade-off"""
    input:
        memorization=f"{TABLES}/memorization.csv",
        perplexity=f"{TABLES}/perplexity.csv",
    output:
        **shown_figure("trade_off", "trade_off", "Comparisons"),
    log:
        f"{RESULTS}/logs/plot_trade_off.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_trade_off.tsv"
    params:
        source=source("plot_trade_off.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
    shell:
        "plot_trade_off.py --memorization {input.memorization} --perplexity {input.perplexity}"
        " {params.spec} --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_context_length:
    """Drawing memorization by context length"""
    input:
        f"{TABLES}/memorization.csv",
    output:
        **shown_figure("context_length", "context_length", "Memorization"),
    log:
        f"{RESULTS}/logs/plot_context_length.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_context_length.tsv"
    params:
        source=source("plot_context_length.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
    shell:
        "plot_context_length.py --memorization {input} {params.spec}"
        " --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_model_size:
    """Drawing memorization by model size"""
    input:
        memorization=f"{TABLES}/memorization.csv",
        manifests=expand(rules.resolve_model.output, model=CONFIG.studied),
    output:
        **shown_figure("model_size", "model_size", "Memorization"),
    log:
        f"{RESULTS}/logs/plot_model_size.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_model_size.tsv"
    params:
        source=source("plot_model_size.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
        manifests=lambda wildcards, input: option("--manifests", *input.manifests),
    shell:
        "plot_model_size.py --memorization {input.memorization} {params.manifests}"
        " {params.spec} --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_duplicates:
    """Drawing memorization by duplicates"""
    input:
        f"{TABLES}/memorization_by_duplicates.csv",
    output:
        **shown_figure("duplicates", "duplicates", "Memorization"),
    log:
        f"{RESULTS}/logs/plot_duplicates.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_duplicates.tsv"
    params:
        source=source("plot_duplicates.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
    shell:
        "plot_duplicates.py --by-duplicates {input} {params.spec}"
        " --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_sparsity:
    """Drawing sparsity by layer"""
    input:
        lambda wildcards: paths.zeros_at_highest_levels(CONFIG, wildcards.model),
    output:
        **shown_figure("sparsity_{model}", "sparsity", "Strategies", model="{model}"),
    log:
        f"{RESULTS}/logs/plot_sparsity/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_sparsity/{{model}}.tsv"
    params:
        source=source("plot_sparsity.py"),
        statistics=lambda wildcards, input: option("--statistics", *input),
    shell:
        "plot_sparsity.py --model {wildcards.model} {params.statistics}"
        " --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_equal_terms:
    """Drawing comparisons on equal terms"""
    input:
        f"{TABLES}/frontier.csv",
    output:
        **shown_figure("equal_{quantity}", "equal_terms", "Comparisons", quantity="{quantity}"),
    log:
        f"{RESULTS}/logs/plot_equal_terms/{{quantity}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_equal_terms/{{quantity}}.tsv"
    params:
        source=source("plot_equal_terms.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
    shell:
        "plot_equal_terms.py --frontier {input} --quantity {wildcards.quantity} {params.spec}"
        " --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_frontier:
    """Drawing the frontier"""
    input:
        f"{TABLES}/frontier.csv",
    output:
        **shown_figure("frontier", "frontier", "Comparisons"),
    log:
        f"{RESULTS}/logs/plot_frontier.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_frontier.tsv"
    params:
        source=source("plot_frontier.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
    shell:
        "plot_frontier.py --frontier {input} {params.spec}"
        " --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_heads:
    """Drawing ablated heads"""
    input:
        memorization=f"{TABLES}/memorization.csv",
        perplexity=f"{TABLES}/perplexity.csv",
    output:
        **shown_figure("heads_{model}", "heads", "Strategies", model="{model}"),
    log:
        f"{RESULTS}/logs/plot_heads/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_heads/{{model}}.tsv"
    params:
        source=source("plot_heads.py"),
        spec=lambda wildcards: option("--spec", params.heads_spec(CONFIG, wildcards.model)),
    shell:
        "plot_heads.py --memorization {input.memorization} --perplexity {input.perplexity}"
        " {params.spec} --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_agreement:
    """Drawing agreement of metrics"""
    input:
        metrics=f"{TABLES}/metrics.csv",
        perplexity=f"{TABLES}/perplexity.csv",
        agreement=f"{TABLES}/agreement.csv",
    output:
        **shown_figure("agreement", "agreement", "Metrics"),
    log:
        f"{RESULTS}/logs/plot_agreement.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_agreement.tsv"
    params:
        source=source("plot_agreement.py"),
        spec=lambda wildcards: option("--spec", params.order_spec(CONFIG)),
    shell:
        "plot_agreement.py --metrics {input.metrics} --perplexity {input.perplexity}"
        " --agreement {input.agreement} {params.spec} --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_membership:
    """Drawing membership inference"""
    input:
        f"{TABLES}/membership.csv",
    output:
        **shown_figure("membership", "membership", "Metrics"),
    log:
        f"{RESULTS}/logs/plot_membership.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_membership.tsv"
    params:
        source=source("plot_membership.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
    shell:
        "plot_membership.py --membership {input} {params.spec}"
        " --svg {output.svg} --png {output.png} > {log} 2>&1"


rule plot_lasting:
    """Drawing whether forgetting lasts"""
    input:
        f"{TABLES}/lasting.csv",
    output:
        **shown_figure("lasting", "lasting", "Memorization"),
    log:
        f"{RESULTS}/logs/plot_lasting.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_lasting.tsv"
    params:
        source=source("plot_lasting.py"),
        spec=lambda wildcards: option("--spec", params.curves_spec(CONFIG)),
    shell:
        "plot_lasting.py --lasting {input} {params.spec}"
        " --svg {output.svg} --png {output.png} > {log} 2>&1"


rule figures:
    input:
        rules.plot_lasting.output if "lasting" in table_names(CONFIG) else [],
        rules.plot_membership.output if CONFIG.membership else [],
        rules.plot_agreement.output if "agreement" in table_names(CONFIG) else [],
        rules.plot_trade_off.output,
        rules.plot_context_length.output,
        rules.plot_model_size.output,
        rules.plot_duplicates.output,
        expand(rules.plot_equal_terms.output, quantity=quantities_drawn(CONFIG)),
        rules.plot_frontier.output,
        expand(rules.plot_sparsity.output, model=PRUNED_MODELS),
        expand(rules.plot_heads.output, model=[name for name in CONFIG.models if CONFIG.heads_ablated(name)]),
    localrule: True
