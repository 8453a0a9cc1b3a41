"""What Snakemake takes for up to date and is not: the next run makes it again, whatever its target."""

from itertools import chain

from snakemake.io import IOFile


@cache
def force_stale():
    """Have the jobs of stale results run again, those that the targets need.

    Snakemake itself so forces what a killed run has left incomplete.
    """
    if not workflow.is_main_process:
        return
    stale = stale_results(experiment_files(), recorded_inputs) | changed_sources()
    workflow.dag.forcefiles.update(stale)
    if stale:
        path, why = next(iter(stale.items()))
        more = f"; and {len(stale) - 1} more" if len(stale) > 1 else ""
        print(f"made again: {path} ({why}){more}", file=sys.stderr)


def recorded_inputs(path):
    """The inputs that Snakemake recorded of a result; None if it has no record."""
    return workflow.persistence.input(IOFile(path))


def experiment_files():
    """All files that the experiment makes, in the order in which they are made."""
    fetched = [name for name, model in CONFIG.models.items() if model.repo is not None]
    embedded = "embedded" in {corpus.source for corpus in (CONFIG.corpus, CONFIG.held_out) if corpus}
    return [
        *(rules.build_mini_pile.output if embedded else []),
        *expand(rules.fetch_model.output, model=fetched),
        *expand(rules.resolve_model.output, model=CONFIG.models),
        *expand(rules.count_magnitudes.output, model=pruned_models()),
        *expand(rules.draw_samples.output, draw=draws()),
        *rules.extract_samples.output,
        *masks(),
        *chain.from_iterable(receipts(model, v) for model in CONFIG.models for v in CONFIG.variants(model)),
        *scores("memorization"),
        *scores("perplexity"),
        *measures("memorization"),
        *measures("perplexity"),
        *rules.tables.input,
        *rules.figures.input,
    ]


def changed_sources():
    """Manifests and draws whose local files have changed, and models that have left the Hub's cache."""
    found = {}
    for name, model in CONFIG.models.items():
        [manifest] = expand(rules.resolve_model.output, model=name)
        [record] = expand(rules.fetch_model.output, model=name)
        if model.repo is not None and os.path.exists(record):
            found[record] = no_longer_fetched(record)
        if os.path.exists(manifest):
            found[manifest] = changed_model(manifest)
    for draw in draws():
        [path] = expand(rules.draw_samples.output, draw=draw)
        if os.path.exists(path):
            corpus, split = corpus_of(CONFIG, draw)
            found[path] = changed_corpus(path, corpus, split)
    return {path: why for path, why in found.items() if why}
