"""The experiment's configuration: checks, defaults and the schema for editors.

`load` is what the Snakefile and the scripts call; everything that the config alone can show to be wrong is
found here, before any job starts.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator, model_validator

from memprune.config.calibration import Calibration
from memprune.config.concatenated import Concatenated
from memprune.config.consistency import check_consistency
from memprune.config.corpora import (
    Corpus,
    EmbeddedCorpus,
    FilesCorpus,
    HubCorpus,
    SequencesCorpus,
    TextCorpus,
    TokensCorpus,
)
from memprune.config.evaluation import Evaluation
from memprune.config.generation import Generation
from memprune.config.membership import Membership
from memprune.config.metrics import NAMES, Discoverable, Metrics
from memprune.config.model import Model
from memprune.config.perturbed import Perturbed
from memprune.config.problems import explain
from memprune.config.report import Report
from memprune.config.retraining import Retraining
from memprune.config.samples import Samples
from memprune.config.section import Section
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.config.strategy import METHODS, Strategy
from memprune.config.target import TARGET, Target
from memprune.config.values import Name, Place, Seeds, Tasks
from memprune.config.yaml_file import read_yaml
from memprune.errors import UserError
from memprune.findings.kinds_of_set import DRAWN, KNOWN
from memprune.models.roles import ATTENTION
from memprune.variants.names import level_order, split_variant, variant_name

# Folders under results/ that all experiments share: mini-pile, the suite trained on it, and their logs.
SHARED_FOLDERS = ("mini-pile", "tiny-pythia", "logs")


class Config(Section):
    """One experiment."""

    experiment: Annotated[Name, Field(description="Name of the results' folder.")]
    seeds: Seeds = Field([0], description="Each draws samples of its own.")
    corpus: Corpus
    held_out: Annotated[
        TextCorpus | None,
        Field(description="Where unseen text is from, if not the corpus's own other splits."),
    ] = None
    samples: Samples = Samples()
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    strategies: Annotated[dict[Name, Strategy], Field(description="May be empty: dense models alone.")]
    evaluation: Evaluation = Evaluation()
    metrics: Annotated[Metrics, Field(description="What is measured from the scores.")] = NAMES
    discoverable: Discoverable = Discoverable()
    generation: Annotated[
        Generation | None, Field(description="Free-running text; left out: none is generated.")
    ] = None
    tasks: Annotated[
        Tasks | None,
        Field(description="Tasks of lm-evaluation-harness: names, or files of your own (.yaml)."),
    ] = None
    membership: Annotated[
        Membership | None, Field(description="Membership inference; left out: none is made.")
    ] = None
    concatenated: Annotated[
        Concatenated | None, Field(description="Perplexity of joined text; left out: it is not computed.")
    ] = None
    perturbed: Annotated[
        Perturbed | None, Field(description="Prefixes with tokens replaced; left out: none are scored.")
    ] = None
    calibration: Annotated[
        Calibration | None,
        Field(description="Training text for methods; left out: none is drawn."),
    ] = None
    retraining: Annotated[
        Retraining | None, Field(description="The same to finetune on; left out: none is drawn.")
    ] = None
    report: Annotated[Report, Field(description="What report.html shows of the corpus.")] = Report()
    store: Annotated[
        Place, Field(description="Folder of what is computed once; MEMPRUNE_STORE goes before.")
    ] = "results/.store"

    @field_validator("experiment")
    @classmethod
    def check_experiment(cls, experiment: str) -> str:
        if experiment.casefold() in SHARED_FOLDERS:
            raise ValueError(
                f"found {experiment}; give another name than those of the workflow's own folders under "
                f"results/: {', '.join(SHARED_FOLDERS)}"
            )
        return experiment

    @field_validator("models", "strategies")
    @classmethod
    def check_names(cls, named: dict) -> dict:
        """Files are named by them, and some file systems take no notice of case."""
        seen: dict[str, str] = {}
        for name in named:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                raise ValueError(f"found {other} and {name}, which differ in case only; rename one of them")
        return named

    @model_validator(mode="after")
    def check_sections(self) -> "Config":
        check_consistency(self)
        return self

    @property
    def text_kinds(self) -> list[str]:
        """The kinds of texts that every variant is scored on beside samples and perplexity windows."""
        kinds = ("membership", "concatenated", "tasks", "perturbed")
        return [kind for kind in kinds if getattr(self, kind) is not None]

    @property
    def kind_of_set(self) -> str:
        """What members are: `drawn` at random from training data, or `known sequences`, which are no share
        of it."""
        return KNOWN if isinstance(self.corpus, SequencesCorpus) else DRAWN

    @property
    def scored_elsewhere(self) -> list[str]:
        """The models of which published scores of known sequences are given."""
        known = self.corpus.published if isinstance(self.corpus, SequencesCorpus) else {}
        return [name for name in self.models if name in known]

    @property
    def member_draws(self) -> int:
        """How many jobs one seed's draw of members is spread over."""
        return self.corpus.parts if isinstance(self.corpus, HubCorpus) else 1

    @property
    def controls(self) -> dict[str, str]:
        """The control of each model that has one."""
        return {name: model.control for name, model in self.models.items() if model.control is not None}

    @property
    def studied(self) -> list[str]:
        """The models that are no other's control: those that are pruned, and that figures show."""
        return [name for name in self.models if name not in self.controls.values()]

    def levels(self, model: str, strategy: str) -> list[float | str]:
        """The levels of a strategy for a model, the model's own or else the strategy's; none of a control.

        Numbers come first, ascending, then the labels of targets, ascending.
        """
        if model not in self.studied:
            return []
        own = self.models[model].levels if self.strategies[strategy].takes_model_levels else None
        asked = own or self.strategies[strategy].levels
        levels = [level.label if isinstance(level, Target) else level for level in asked]
        return sorted(levels, key=level_order)

    def targets(self, model: str) -> list[str]:
        """The variants of a model whose levels are found."""
        return [variant for variant in self.variants(model) if isinstance(split_variant(variant)[1], str)]

    def chain(self, variant: str) -> list[str]:
        """The variants whose changes a variant's weights go through, itself the last; none of `dense`."""
        if variant == "dense":
            return []
        after = self.strategies[split_variant(variant)[0]].after
        return [*(self.chain(after) if after else ()), variant]

    def variants(self, model: str) -> list[str]:
        """The variants of a model that are evaluated: `dense`, then `{strategy}@{level}`."""
        return ["dense"] + [
            variant_name(strategy, level)
            for strategy in self.strategies
            for level in self.levels(model, strategy)
        ]

    def heads_ablated(self, model: str) -> dict[str, tuple[int, int]]:
        """The strategies that ablate one whole attention head of a model each, with its layer and number."""
        return {
            name: strategy.heads[0]
            for name, strategy in self.strategies.items()
            if strategy.method == "prune"
            and strategy.after is None
            and strategy.pattern is None
            and len(strategy.heads or ()) == 1
            and strategy.named == ATTENTION
            and 1.0 in self.levels(model, name)
        }

    @property
    def evaluation_settings(self) -> dict:
        """The settings that scores depend on, as JSON values."""
        samples = self.samples.model_dump(include={"context_lengths", "suffix", "anchor"})
        return {**samples, **self.evaluation.settings, **self.evaluation.screening}

    @property
    def measured(self) -> list[tuple[str, dict]]:
        """The columns of the measures, a metric and its settings each, in one order however listed."""
        settings = {"discoverable": self.discoverable.settings}
        return [(name, own) for name in sorted(self.metrics) for own in settings.get(name, [{}])]


def load(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises UserError, one line that names the file and key, what was found and what is allowed.
    """
    return check(read_yaml(path), str(path))


def check(content: object, source: str) -> Config:
    """The configuration in `content`, a mapping as YAML gives it; `source` names it in messages."""
    if not isinstance(content, dict):
        raise UserError(f"{source}: found {type(content).__name__}, expected a mapping of keys")
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{source}: {explain(error, keys_at)}") from None


SOURCES = {
    "embedded": EmbeddedCorpus,
    "files": FilesCorpus,
    "hub": HubCorpus,
    "tokens": TokensCorpus,
    "sequences": SequencesCorpus,
}
PARTS = {
    "samples": Samples,
    "models": Model,
    "evaluation": Evaluation,
    "discoverable": Discoverable,
    "generation": Generation,
    "membership": Membership,
    "concatenated": Concatenated,
    "perturbed": Perturbed,
    "calibration": Calibration,
    "retraining": Retraining,
    "report": Report,
    **SOURCES,
}


def keys_at(location: tuple) -> list[str]:
    """The keys that the part of the configuration knows in which a problem's location lies."""
    kind = {"corpus": SOURCES, "held_out": SOURCES}.get(location[0])
    part = kind[location[1]] if kind else PARTS.get(location[0], Config) if len(location) > 1 else Config
    if location[0] == "strategies" and len(location) > 2:
        part = METHODS.get(location[2], PruneStrategy)
    if TARGET in location:
        part = Target
    return list(part.model_fields)
