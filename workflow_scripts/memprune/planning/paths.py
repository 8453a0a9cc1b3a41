"""Where an experiment's results lie, and which changes, scores and tables of zeros there are.

`results` is the experiment's folder. Models and variants may be wildcards of Snakemake (`{model}`).
"""

from collections.abc import Callable
from pathlib import Path

from memprune.config.experiment import Config
from memprune.config.values import task_name
from memprune.corpus.task_files import read_task_file
from memprune.findings.kinds_of_set import KNOWN
from memprune.planning.draws import CONCATENATED
from memprune.planning.parts import parts_of
from memprune.variants.names import variant_name


def results_of(config: Config) -> str:
    """The folder of the experiment's results."""
    return f"results/{config.experiment}"


def fetched(results: str | Path, model: str) -> str:
    """The record of having fetched a model from the Hub."""
    return f"{results}/models/{model}/fetched.json"


def manifest(results: str | Path, model: str) -> str:
    """What is known of a model."""
    return f"{results}/models/{model}/manifest.json"


def magnitudes(results: str | Path, model: str) -> str:
    """What is counted of a model's magnitudes."""
    return f"{results}/models/{model}/magnitudes.safetensors"


def draw(results: str | Path, name: str) -> str:
    """What one job has drawn from a corpus."""
    return f"{results}/samples/draws/{name}.parquet"


def samples(results: str | Path) -> str:
    """Members, non-members, and samples that methods may be fitted to."""
    return f"{results}/samples/samples.parquet"


def windows(results: str | Path) -> str:
    """The perplexity windows."""
    return f"{results}/samples/windows.parquet"


def features(results: str | Path) -> str:
    """What the samples' tokens and text say of themselves."""
    return f"{results}/samples/features.parquet"


def perturbed(results: str | Path) -> str:
    """Samples of which some tokens of the prefix are replaced."""
    return f"{results}/samples/perturbed.parquet"


def level(results: str | Path, model: str, variant: str) -> str:
    """The level that was found of a variant that has a target, and the steps to it."""
    return f"{results}/levels/{model}/{variant}.json"


def change(results: str | Path, model: str, variant: str) -> str:
    """What a variant's strategy does to the weights that it stands after."""
    return f"{results}/changes/{model}/{variant}.safetensors"


def statistics(results: str | Path, model: str, variant: str, kind: str) -> str:
    """What is gathered of a variant's weights on text: activations or gradients."""
    return f"{results}/statistics/{model}/{variant}.{kind}.safetensors"


def checkpoint(results: str | Path, variant: str) -> str:
    """What is known of a model that stands for a variant."""
    return f"{results}/checkpoints/{variant}.json"


def all_checkpoints(config: Config) -> list[str]:
    """What is known of all models that stand for variants."""
    return [checkpoint(results_of(config), variant) for variant in checkpoint_folders(config)]


def checkpoint_folders(config: Config) -> dict[str, str]:
    """The folders of models that stand for variants, by variant."""
    return {
        variant_name(name, level): folder
        for name, strategy in config.strategies.items()
        if strategy.method == "checkpoint"
        for level, folder in strategy.checkpoints.items()
    }


def zeros(results: str | Path, model: str, variant: str) -> str:
    """The table of a variant's zeros, by matrix."""
    return f"{results}/changes/{model}/{variant}.csv"


def task(results: str | Path, name: str) -> str:
    """The texts of one task of lm-evaluation-harness."""
    return f"{results}/samples/tasks/{name}.parquet"


def task_names(config: Config) -> list[str]:
    """The names of the tasks of lm-evaluation-harness."""
    return [task_name(task) for task in config.tasks or ()]


def task_files(config: Config, name: str) -> list[str]:
    """The file that defines a task, and those that it includes or has its data in; none of a known one.

    Raises UserError for a file that defines none.
    """
    own = [task for task in config.tasks or () if task.endswith(".yaml") and task_name(task) == name]
    return [file for task in own for file in read_task_file(task).files]


def texts(config: Config, kind: str) -> list[str]:
    """The files of texts of a kind."""
    results = results_of(config)
    if kind == "tasks":
        return [task(results, name) for name in task_names(config)]
    if kind == "perturbed":
        return [perturbed(results)]
    return [draw(results, CONCATENATED) if kind == "concatenated" else samples(results)]


def generation(results: str | Path, stage: str, model: str) -> str:
    """The continuations of all of a model's variants, of a stage: scores or measures."""
    return f"{results}/{stage}/{model}/generation.parquet"


def all_generations(config: Config, stage: str) -> list[str]:
    """The continuations of all models, if any are asked for."""
    asked = config.models if config.generation else ()
    return [generation(results_of(config), stage, model) for model in asked]


def receipt(results: str | Path, model: str, variant: str, part: int | str) -> str:
    """The receipt of one part of a variant's scores."""
    return f"{results}/scores/{model}/{variant}.parts/{part}.json"


def scores(results: str | Path, model: str, variant: str, kind: str) -> str:
    """A variant's scores of a kind: memorization or perplexity."""
    return f"{results}/scores/{model}/{variant}.{kind}.parquet"


def measures(results: str | Path, model: str, variant: str, kind: str) -> str:
    """A variant's measures of a kind: memorization or perplexity."""
    return f"{results}/measures/{model}/{variant}.{kind}.parquet"


def findings(results: str | Path) -> str:
    """The findings in words."""
    return f"{results}/findings.md"


def report(results: str | Path) -> str:
    """The report, one page."""
    return f"{results}/report.html"


def benchmark(log: str) -> str:
    """What Snakemake measured of a job, by its log: in `benchmarks` for one in `logs`, else beside it."""
    return log.replace("/logs/", "/benchmarks/", 1).removesuffix(".log") + ".tsv"


def figure(folder: str, name: str) -> dict[str, str]:
    """A figure's two files in the folder of figures, by their endings."""
    return {ending: f"{folder}/{name}.{ending}" for ending in ("svg", "png")}


def all_levels(config: Config) -> list[str]:
    """The levels of all variants whose levels are found."""
    return [
        level(results_of(config), model, variant)
        for model in config.models
        for variant in config.targets(model)
    ]


def level_of(config: Config, model: str, variant: str) -> list[str]:
    """The level that a variant's change is made for, where it is found; none where it is given."""
    return [level(results_of(config), model, variant)] if variant in config.targets(model) else []


def all_changes(config: Config) -> list[str]:
    """The changes of all variants, each with its table of zeros."""
    return [
        place(results_of(config), model, variant)
        for model in config.models
        for variant in config.variants(model)[1:]
        for place in (change, zeros)
    ]


def all_magnitudes(config: Config) -> list[str]:
    """The magnitudes of all models that a strategy's changes are computed from."""
    needed = any("magnitudes" in strategy.inputs for strategy in config.strategies.values())
    return [magnitudes(results_of(config), model) for model in config.studied if needed]


def zeros_at_highest_levels(config: Config, model: str) -> list[str]:
    """The tables of zeros of every strategy that prunes, at its highest level for one model.

    Of a strategy whose levels are all found it is the last target's, since they are not known before.
    """

    def highest(strategy: str) -> float | str:
        levels = config.levels(model, strategy)
        return max((level for level in levels if isinstance(level, float)), default=levels[-1])

    return [
        zeros(results_of(config), model, variant_name(strategy, highest(strategy)))
        for strategy in pruning(config)
    ]


def pruning(config: Config) -> list[str]:
    """The strategies that prune."""
    return [name for name, strategy in config.strategies.items() if strategy.method == "prune"]


def changes_of(config: Config, model: str, variant: str) -> list[str]:
    """The changes that a variant's weights go through, in turn; none of `dense`."""
    return [change(results_of(config), model, own) for own in config.chain(variant)]


def changes_before(config: Config, model: str, variant: str) -> list[str]:
    """The changes that a variant's own stands after."""
    return changes_of(config, model, variant)[:-1]


def all_changes_of(config: Config, model: str) -> list[str]:
    """The changes of all of a model's variants, in their order."""
    return [change(results_of(config), model, variant) for variant in config.variants(model)[1:]]


def fetched_of(config: Config, model: str) -> list[str]:
    """The record of having fetched a model from the Hub; none of a local one."""
    return [] if config.models[model].repo is None else [fetched(results_of(config), model)]


def receipts(config: Config, model: str, variant: str) -> list[str]:
    """The receipts of a variant's parts; none where one job scores all of it."""
    parts = parts_of(config)
    if parts == 1:
        return []
    return [receipt(results_of(config), model, variant, part) for part in range(parts)]


def all_receipts(config: Config) -> list[str]:
    """The receipts of all variants of all models."""
    return [
        path
        for model in config.models
        for variant in config.variants(model)
        for path in receipts(config, model, variant)
    ]


def all_scores(config: Config, kind: str) -> list[str]:
    """The scores of a kind of all variants of all models."""
    return of_all_variants(config, scores, kind)


def known_sequences(config: Config) -> list[str]:
    """The file of samples, where they are known sequences."""
    return [samples(results_of(config))] if config.kind_of_set == KNOWN else []


def scores_published_elsewhere(config: Config) -> list[str]:
    """The scores of dense models of which published ones of known sequences are given."""
    return [scores(results_of(config), model, "dense", "memorization") for model in config.scored_elsewhere]


def reference_scores(config: Config) -> list[str]:
    """The scores of the model that membership is told with the help of, dense; none without one."""
    reference = config.membership.reference if config.membership else None
    return [] if reference is None else [scores(results_of(config), reference, "dense", "membership")]


def all_measures(config: Config, kind: str) -> list[str]:
    """The measures of a kind of all variants of all models."""
    return of_all_variants(config, measures, kind)


def of_all_variants(config: Config, place: Callable[[str, str, str, str], str], kind: str) -> list[str]:
    """What `place` says of each variant of each model."""
    return [
        place(results_of(config), model, variant, kind)
        for model in config.models
        for variant in config.variants(model)
    ]
