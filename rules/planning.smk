"""What Snakemake takes for up to date and is not: the next run makes it again, whatever its target."""

from snakemake.io import IOFile


def model_files(wildcards):
    """What a model's manifest is made from: its local files, or the record of having fetched them.

    Whether a local file has changed is told by its content, not its time. All chains of jobs begin here,
    so stale results are looked for here, before Snakemake chooses the jobs.
    """
    force_stale()
    model = CONFIG.models[wildcards.model]
    if model.repo is not None:
        return paths.fetched(RESULTS, wildcards.model)
    return local_files(model.path)


def checkpoint_files(wildcards):
    """What is described of a model that stands for a variant: its local files."""
    force_stale()
    return local_files(paths.checkpoint_folders(CONFIG)[variant_of(wildcards)])


def local_files(folder):
    """The files that decide what a local model is, whatever their times say."""
    return [ancient(str(path)) for path in input_files(folder)]


@cache
def force_stale():
    """Have the jobs of stale results run again, those that the targets need.

    Snakemake itself so forces what a killed run has left incomplete.
    """
    if not workflow.is_main_process:
        return
    files = experiment_files()
    stale = stale_results(files, recorded_inputs) | changed_sources(CONFIG)
    stale |= damaged_results(files, recorded_source)
    if count := set_back(files):  # now that it is known what is older than what it is made from
        print(f"set to now: the times of {count} results, which were in the future", file=sys.stderr)
    workflow.dag.forcefiles.update(stale)
    tell_made_again(stale)


def recorded_inputs(path):
    """The inputs that Snakemake recorded of a result; None if it has no record, or a damaged one, which goes."""
    try:
        return workflow.persistence.input(IOFile(path))
    except ValueError:  # no text, or not what a record holds
        workflow.persistence.cleanup_metadata(IOFile(path))
        return None


def recorded_source(path):
    """The digest of the code that Snakemake recorded of a result; None if it recorded none."""
    found = re.search(
        r"source: ([0-9a-f]+)", " ".join(map(str, workflow.persistence.params(IOFile(path)) or []))
    )
    return found and found[1]


def experiment_files():
    """All files that the experiment makes, in the order in which they are made."""
    fetched = [name for name, model in CONFIG.models.items() if model.repo is not None]
    embedded = "embedded" in {corpus.source for corpus in (CONFIG.corpus, CONFIG.held_out) if corpus}
    kinds = ["memorization", "perplexity", *CONFIG.text_kinds]
    return [
        *(rules.build_mini_pile.output if embedded else []),
        *expand(rules.fetch_model.output, model=fetched),
        *expand(rules.resolve_model.output, model=CONFIG.models),
        *paths.all_checkpoints(CONFIG),
        *paths.all_magnitudes(CONFIG),
        *expand(rules.draw_samples.output, draw=all_draws(CONFIG)),
        *rules.extract_samples.output,
        *rules.compute_features.output,
        *(rules.perturb_prefixes.output if CONFIG.perturbed else []),
        *paths.texts(CONFIG, "tasks"),
        *paths.all_levels(CONFIG),
        *paths.all_changes(CONFIG),
        *paths.all_receipts(CONFIG),
        *[path for kind in kinds for path in paths.all_scores(CONFIG, kind)],
        *paths.all_generations(CONFIG, "scores"),
        *[path for kind in kinds for path in paths.all_measures(CONFIG, kind)],
        *paths.all_generations(CONFIG, "measures"),
        *rules.tables.input,
        *rules.findings.input,
        *rules.figures.input,
        *rules.report.input,
    ]
