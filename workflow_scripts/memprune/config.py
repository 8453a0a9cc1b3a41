"""The experiment's configuration: checks, defaults and the schema for editors.

`load` is what the Snakefile and the scripts call; everything that the config alone can show to be wrong is
found here, before any job starts.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from memprune.corpora.settings import (
    Corpus,
    EmbeddedCorpus,
    FilesCorpus,
    HubCorpus,
    Part,
    TextCorpus,
    TokensCorpus,
)
from memprune.errors import UserError
from memprune.problems import explain
from memprune.scope import MATRIX_GROUPS, Selection
from memprune.shards import block_count, passes
from memprune.values import (
    Count,
    Gigabytes,
    Index,
    Levels,
    Name,
    Place,
    Seed,
    Share,
    Text,
    without_repeats,
)
from memprune.variants import variant_name
from memprune.yaml_file import read_yaml

# Folders under results/ that all experiments share: mini-pile, the suite trained on it, and their logs.
SHARED_FOLDERS = ("mini-pile", "tiny-pythia", "logs")

Role = Literal["query_key_value", "query", "key", "value", "output", "up", "gate", "down"]


class Samples(Part):
    """What is drawn from the corpus; lengths are in tokens."""

    members: Annotated[Count, Field(description="Windows of training text.")] = 5000
    non_members: Annotated[Count, Field(description="Windows of unseen text.")] = 1000
    context_lengths: Annotated[list[Count], without_repeats()] = Field(
        [50, 100, 200, 500], min_length=1, description="k: tokens of context before the suffix."
    )
    suffix: Annotated[Count, Field(description="Tokens to reproduce.")] = 50
    anchor: Annotated[
        Literal["suffix", "prefix"],
        Field(description="What all context lengths share: the suffix, or the start of the context."),
    ] = "suffix"
    offset: Annotated[
        Index | None, Field(description="Where in its document a window starts; null: by the seed.")
    ] = None
    perplexity_windows: Annotated[Count, Field(description="Windows of validation text.")] = 500
    perplexity_window: Annotated[Count, Field(description="Longest perplexity window.")] = 512
    balance_duplicates: Annotated[
        bool, Field(description="Draw members equally from each number of duplicates.")
    ] = False

    @property
    def window(self) -> int:
        """Tokens of one sample: the longest context and the suffix."""
        return max(self.context_lengths) + self.suffix


class Model(Part):
    """A causal language model: a local folder, or a repository of the Hugging Face Hub."""

    path: Annotated[
        Place | None, Field(description="Local folder with safetensors, configuration and tokenizer.")
    ] = None
    repo: Annotated[Text | None, Field(description="Repository on the Hub, owner/name.")] = None
    revision: Annotated[Text, Field(description="Branch, tag or commit of the repository.")] = "main"
    levels: Annotated[Levels | None, Field(description="Levels in place of the strategies' own.")] = None
    published: Annotated[
        Share | None,
        Field(description="Published share of samples extracted from it, to compare with."),
    ] = None

    @model_validator(mode="after")
    def check_place(self) -> "Model":
        if (self.path is None) == (self.repo is None):
            found = "neither" if self.path is None else "both"
            raise ValueError(f"found {found} of path and repo; give one of them")
        return self


class Strategy(Part):
    """What is pruned and how the sparsity is shared out; every strategy is data, none is code."""

    matrices: Annotated[
        Literal["all", "attention", "mlp"] | Annotated[list[Role], Field(min_length=1), without_repeats()],
        Field(description="Matrices in scope: a group, or a list of roles."),
    ] = "all"
    layers: Annotated[
        Literal["all", "first 25 %", "last 25 %"]
        | Annotated[list[Index], Field(min_length=1), without_repeats()],
        Field(description="Decoder layers in scope: a name, or a list of layers counted from 0."),
    ] = "all"
    allocation: Annotated[
        Literal["matrix", "layer", "global"],
        Field(description="Where the sparsity holds: in each matrix, in each layer, or over the scope."),
    ] = "global"
    criterion: Annotated[
        Literal["magnitude"], Field(description="What ranks the weights; the lowest go.")
    ] = "magnitude"
    levels: Annotated[Levels | None, Field(description="Sparsities in scope, between 0 and 1.")] = None

    @property
    def selection(self) -> Selection:
        """What masks depend on: all but the levels, and not the order of lists."""
        named = MATRIX_GROUPS[self.matrices] if isinstance(self.matrices, str) else self.matrices
        roles = tuple(role for role in MATRIX_GROUPS["all"] if role in named)
        layers = self.layers if isinstance(self.layers, str) else tuple(sorted(self.layers))
        return Selection(roles, layers, self.allocation, self.criterion)


class Evaluation(Part):
    """How models are scored."""

    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description="`auto`: CUDA where there is one, else CPU.")
    ] = "auto"
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], Field(description="Type of the computation.")
    ] = "float32"
    batch_tokens: Annotated[
        Count | None,
        Field(description="Tokens of one batch, at least one sample; null: 2048 on a CPU, found on a GPU."),
    ] = None
    residency: Annotated[
        Literal["auto", "resident", "streamed"],
        Field(description="Weights stay on the device, or stream through it; `auto`: stay if they fit."),
    ] = "auto"
    memory: Annotated[
        Gigabytes | None, Field(description="GB of host memory that a job may take; null: what is free.")
    ] = None
    shards_per_job: Annotated[
        Count | None, Field(description="Shards that one job scores; null: a variant's shards are one job.")
    ] = None


class Config(Part):
    """One experiment."""

    experiment: Annotated[Name, Field(description="Name of the results' folder.")]
    seed: Annotated[Seed, Field(description="Seed of the draw of samples.")] = 0
    corpus: Corpus
    held_out: Annotated[
        TextCorpus | None,
        Field(description="Where unseen text is from, if not the corpus's own other splits."),
    ] = None
    samples: Samples = Samples()
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    strategies: Annotated[dict[Name, Strategy], Field(description="May be empty: dense models alone.")]
    evaluation: Evaluation = Evaluation()
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
    def check_store(self) -> "Config":
        if os.path.realpath(self.store) == os.path.realpath(f"results/{self.experiment}"):
            raise ValueError(
                f"store: found {self.store}, the folder of the experiment's results; give another folder"
            )
        return self

    @model_validator(mode="after")
    def check_splits(self) -> "Config":
        for name, corpus, splits in (
            ("corpus", self.corpus, ["train"] if self.held_out else ["train", "validation", "test"]),
            ("held_out", self.held_out, ["validation", "test"]),
        ):
            lacking = [split for split in splits if getattr(corpus, split, None) == []]
            if lacking:
                other = ", or held_out" if name == "corpus" and lacking[0] != "train" else ""
                raise ValueError(f"{name}.{lacking[0]}: found no file; give a list of one at least{other}")
        if self.member_draws > self.samples.members:
            raise ValueError(
                f"corpus.parts: found {self.member_draws}, "
                f"allowed: at most samples.members, {self.samples.members}"
            )
        if self.corpus.source == "hub" and self.samples.balance_duplicates:
            raise ValueError(
                "samples.balance_duplicates: found true with corpus.source hub, a stream that would be read "
                "to its end; allowed: false, or another source"
            )
        if isinstance(self.held_out, HubCorpus) and self.held_out.parts > 1:
            raise ValueError(
                f"held_out.parts: found {self.held_out.parts}; only members are drawn in parts, from corpus"
            )
        return self

    @model_validator(mode="after")
    def check_tokens(self) -> "Config":
        if self.corpus.source != "tokens":
            return self
        if self.held_out is None:
            raise ValueError(
                "held_out: missing, and a corpus of tokens has no text for non-members and perplexity; give "
                "a corpus of texts"
            )
        if self.samples.balance_duplicates:
            raise ValueError(
                "samples.balance_duplicates: found true, but a corpus of tokens does not tell how often a "
                "text stands in it; leave it out"
            )
        return self

    @model_validator(mode="after")
    def check_levels(self) -> "Config":
        if any(name.casefold() == "dense" for name in self.strategies):
            raise ValueError("strategies: `dense` is the unpruned model, evaluated by itself; rename it")
        for name, strategy in self.strategies.items():
            lacking = [model for model, entry in self.models.items() if not (entry.levels or strategy.levels)]
            if lacking:
                raise ValueError(
                    f"strategies.{name}.levels: missing, and model {lacking[0]} has no levels either; "
                    "give a list of numbers between 0 and 1"
                )
        return self

    @property
    def member_draws(self) -> int:
        """How many jobs the draw of members is spread over."""
        return self.corpus.parts if isinstance(self.corpus, HubCorpus) else 1

    def levels(self, model: str, strategy: str) -> list[float]:
        """The levels of a strategy for a model, ascending: the model's own, else the strategy's."""
        return sorted(self.models[model].levels or self.strategies[strategy].levels)

    def variants(self, model: str) -> list[str]:
        """The variants of a model that are evaluated: `dense`, then `{strategy}@{level}`."""
        return ["dense"] + [
            variant_name(strategy, level)
            for strategy in self.strategies
            for level in self.levels(model, strategy)
        ]

    @property
    def evaluation_settings(self) -> dict:
        """The settings that scores depend on, as JSON values."""
        samples = self.samples.model_dump(include={"context_lengths", "suffix", "anchor"})
        return {**samples, **self.evaluation.model_dump(exclude={"shards_per_job"})}

    @property
    def blocks(self) -> int:
        """How many blocks of rows a variant is scored in."""
        samples = self.samples
        drawn = block_count(samples.members) + block_count(samples.non_members)
        by_pass = passes(samples.context_lengths, samples.anchor)
        return len(by_pass) * drawn + block_count(samples.perplexity_windows)

    @property
    def parts(self) -> int:
        """How many jobs score a variant: 1, or with `shards_per_job` as many as its blocks need."""
        shards_per_job = self.evaluation.shards_per_job
        return 1 if shards_per_job is None else -(-self.blocks // shards_per_job)


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


SOURCES = {"embedded": EmbeddedCorpus, "files": FilesCorpus, "hub": HubCorpus, "tokens": TokensCorpus}
PARTS = {
    "samples": Samples,
    "models": Model,
    "strategies": Strategy,
    "evaluation": Evaluation,
    **SOURCES,
}


def keys_at(location: tuple) -> list[str]:
    """The keys that the part of the configuration knows in which a problem's location lies."""
    kind = {"corpus": SOURCES, "held_out": SOURCES}.get(location[0])
    part = kind[location[1]] if kind else PARTS.get(location[0], Config) if len(location) > 1 else Config
    return list(part.model_fields)
