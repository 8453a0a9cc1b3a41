"""What makes a job stale beside its inputs: the settings that it uses, as canonical JSON, and its code.

They are the `params` of rules: in them is no setting that a job does not use, no code that it does not run.
"""

import hashlib
import json

from memprune.config.experiment import Config
from memprune.config.published_figures import read_published
from memprune.config.values import task_name, without_home
from memprune.disk import sha256_of
from memprune.jobs.arguments import option
from memprune.planning import paths
from memprune.planning.draws import corpus_of, draw_settings
from memprune.planning.method_inputs import method_inputs, uses_device
from memprune.planning.methods_known import methods_known
from memprune.planning.perplexity_texts import perplexity_texts
from memprune.planning.protocol import compared
from memprune.store import source_code
from memprune.store.fingerprints import identities
from memprune.variants.names import increase_of, split_variant


def canonical(settings: dict) -> str:
    """The settings as one JSON string that is the same for the same settings."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


def source(script: str, *modules: str) -> str:
    """A digest of what a script does, with all modules that it imports and those that it loads by name.

    `script` is in `workflow_scripts/`. A job becomes stale when its own code changes, and no other job.
    """
    return f"source: {source_code.digest(source_code.ROOT / script, *modules)}"


def draw_spec(config: Config, draw: str) -> str:
    """The settings of one draw; of the context lengths only their longest matters, in the window."""
    return canonical(draw_settings(config, draw))


def draw_source(config: Config, draw: str) -> str:
    """The digest of the code that draws, with its own corpus's and no other's."""
    corpus, _ = corpus_of(config, draw)
    return source("draw_samples.py", f"memprune.corpus.sources.{corpus.source}")


def samples_spec(config: Config) -> str:
    """What the samples depend on beside the draws: the suffix, which their file tells."""
    return canonical({"suffix": str(config.samples.suffix)})


def perturbed_spec(config: Config) -> str:
    """What perturbed prefixes depend on beside the samples: shares, seed, and tokens of a suffix."""
    asked = config.perturbed.model_dump() if config.perturbed else {}
    return canonical(asked | {"suffix": config.samples.suffix})


def model_place(config: Config, name: str) -> str:
    """The option of resolve_model.py that says where a model is."""
    model = config.models[name]
    if model.repo is not None:
        return option("--fetched", paths.fetched(paths.results_of(config), name))
    return option("--folder", model.path)


def model_roles(config: Config, name: str) -> str:
    """The option of resolve_model.py that names the roles of a model's matrices, if any are given."""
    roles = config.models[name].roles
    return option("--roles", json.dumps(roles, sort_keys=True)) if roles else ""


def change_spec(config: Config, variant: str) -> str:
    """What a variant's change depends on: its strategy's settings and its level, not the strategy's name.

    A level that is found is in its file. The device counts where the method computes with the model.
    """
    name, level = split_variant(variant)
    strategy = config.strategies[name]
    spec = {"modules": strategy.modules, "settings": strategy.settings}
    if uses_device(config, name):
        spec["device"] = config.evaluation.device
    return canonical(spec if isinstance(level, str) else spec | {"level": level})


def gathering_spec(config: Config) -> str:
    """What is gathered of a variant on text depends on, beside its files: the device that computes."""
    return canonical({"device": config.evaluation.device})


def solve_spec(config: Config, variant: str) -> str:
    """What a level that is found depends on: its change but for the level, the increase, and the scoring."""
    increase = increase_of(split_variant(variant)[1])
    scored = {"perplexity_increase": increase, "evaluation": config.evaluation.settings}
    return canonical({**json.loads(change_spec(config, variant)), **scored})


def change_source(config: Config, script: str, strategy: str) -> str:
    """The digest of the code of a script that makes changes, with its own method's and no other's."""
    return source(script, *config.strategies[strategy].modules)


def inputs_option(config: Config, model: str, variant: str) -> str:
    """The option that names what a variant's method needs beside the weights; empty if that is nothing."""
    inputs = method_inputs(config, model, variant)
    return option("--inputs", *(f"{name}={path}" for name, path in inputs.items())) if inputs else ""


def before_option(config: Config, model: str, variant: str) -> str:
    """The option that names the changes that a variant's own stands after; empty if there are none."""
    changes = paths.changes_before(config, model, variant)
    return option("--before", *changes) if changes else ""


def changes_option(config: Config, model: str, variant: str) -> str:
    """The option of the scripts that score which names a variant's changes; empty for `dense`."""
    changes = paths.changes_of(config, model, variant)
    return option("--changes", *changes) if changes else ""


def evaluation_spec(config: Config) -> str:
    """The settings that scores depend on."""
    return canonical(config.evaluation_settings)


def scoring_spec(config: Config) -> str:
    """The settings that scores of other texts than samples depend on."""
    return canonical(config.evaluation.settings)


def generation_spec(config: Config) -> str:
    """The settings that continuations depend on: the longest context, how many samples, and how is scored."""
    samples = {"context_length": max(config.samples.context_lengths), "suffix": config.samples.suffix}
    asked = {"samples": config.generation.samples, "seed": config.seeds[0]} if config.generation else {}
    return canonical({**samples, **asked, **config.evaluation.settings})


def variants_option(config: Config, model: str) -> str:
    """The option that names the changes of each of a model's variants, in their order."""
    changes = {variant: paths.changes_of(config, model, variant) for variant in config.variants(model)}
    return option("--variants", json.dumps(changes))


def task_option(config: Config, task: str) -> str:
    """The option of prepare_task.py that says what a task is: its name, or the file that defines it."""
    [given] = [own for own in config.tasks if task_name(own) == task]
    return option("--file", given) if given.endswith(".yaml") else option("--name", given)


def task_contents(config: Config, task: str) -> str:
    """What the files behind a task hold, whatever their times say."""
    return canonical(identities("files", paths.task_files(config, task)))


def membership_spec(config: Config) -> str:
    """The settings of membership scores."""
    return canonical({"share": config.membership.share} if config.membership else {})


def metrics_spec(config: Config) -> str:
    """The metrics that are measured, with their settings."""
    return canonical({"columns": config.measured})


def metrics_source(config: Config, script: str = "measure.py") -> str:
    """The digest of the code of a script that measures, with the configured metrics' and no others'."""
    names = dict.fromkeys(name for name, _ in config.measured)
    return source(script, *(f"memprune.metrics.{name}" for name in names))


def order_spec(config: Config) -> str:
    """What figures show beside tables: the order of the models that are no controls, and of strategies."""
    return canonical({"models": config.studied, "strategies": list(config.strategies)})


def curves_spec(config: Config) -> str:
    """What figures of strategies' levels show beside tables: that order, and what strategies are."""
    order = {"models": config.studied, "strategies": list(config.strategies)}
    return canonical({**order, "methods": methods_known(config)})


def findings_spec(config: Config) -> str:
    """What findings say beside tables."""
    return canonical({"experiment": config.experiment, "methods": methods_known(config)})


def heads_spec(config: Config, model: str) -> str:
    """What the figure of one model's heads shows beside tables: which strategy ablates which head."""
    return canonical({"model": model, "heads": config.heads_ablated(model)})


def tables_spec(config: Config) -> str:
    """What tables show beside measures: the order of models, their controls among them, and of strategies,
    what is known of these, which model is whose control, which texts perplexities are of, published figures,
    what members are, and whether samples are screened."""
    order = {"models": list(config.models), "strategies": list(config.strategies)}
    order |= {"methods": methods_known(config)}
    published = {"sources": read_published(), "experiment": compared(config)}
    texts = perplexity_texts(config)
    about = {"controls": config.controls, "texts": texts, "published": published}
    about["kind_of_set"] = config.kind_of_set
    return canonical({**order, **about, **({"screening": True} if config.evaluation.screening else {})})


def report_spec(config: Config) -> str:
    """What the report shows beside results: the configuration in its own order, and how much of the corpus.

    Where the store and the user's home lie is nobody's concern.
    """
    order = {"models": config.studied, "strategies": list(config.strategies)}
    order |= {"methods": methods_known(config)}
    heads = {model: config.heads_ablated(model) for model in config.studied}
    report = config.report.model_dump(mode="json")
    given = without_home(config.model_dump_json(exclude_unset=True, exclude={"store"}))
    return canonical({**order, "heads": heads, **report, "config": given})


def page_files() -> str:
    """A digest of the files that the report's page is put together from: its layout, style and scripts."""
    folder = source_code.ROOT / "memprune/report/page"
    contents = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    return f"page: {hashlib.sha256(canonical(contents).encode()).hexdigest()[:16]}"
