"""The experiment's configuration: checks, defaults and the schema for editors.

`load` is what the Snakefile and the scripts call; everything that the config alone can show to be wrong is
found here, before any job starts.
"""

import difflib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from memprune.corpora.settings import (
    Corpus,
    Count,
    EmbeddedCorpus,
    FilesCorpus,
    HubCorpus,
    Part,
    TextCorpus,
    TokensCorpus,
)
from memprune.errors import UserError
from memprune.scope import MATRIX_GROUPS, Selection
from memprune.shards import block_count, passes
from memprune.variants import variant_name

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+]*(-[A-Za-z0-9._+]+)*$")]
Level = Annotated[float, Field(gt=0, lt=1)]
Levels = Annotated[list[Level], Field(min_length=1)]

Role = Literal["query_key_value", "query", "key", "value", "output", "up", "gate", "down"]


class Samples(Part):
    """What is drawn from the corpus; lengths are in tokens."""

    members: Annotated[Count, Field(description="Windows of training text.")] = 5000
    non_members: Annotated[Count, Field(description="Windows of unseen text.")] = 1000
    context_lengths: list[Count] = Field(
        [50, 100, 200, 500], min_length=1, description="k: tokens of context before the suffix."
    )
    suffix: Annotated[Count, Field(description="Tokens to reproduce.")] = 50
    anchor: Annotated[
        Literal["suffix", "prefix"],
        Field(description="What all context lengths share: the suffix, or the start of the context."),
    ] = "suffix"
    offset: Annotated[
        int | None, Field(ge=0, description="Where in its document a window starts; null: by the seed.")
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
        str | None, Field(description="Local folder with safetensors, configuration and tokenizer.")
    ] = None
    repo: Annotated[str | None, Field(description="Repository on the Hub, owner/name.")] = None
    revision: Annotated[str, Field(description="Branch, tag or commit of the repository.")] = "main"
    levels: Annotated[Levels | None, Field(description="Levels in place of the strategies' own.")] = None
    published: Annotated[
        float | None,
        Field(ge=0, le=1, description="Published share of samples extracted from it, to compare with."),
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
        Literal["all", "attention", "mlp"] | list[Role],
        Field(description="Matrices in scope: a group, or a list of roles."),
    ] = "all"
    layers: Annotated[
        Literal["all", "first 25 %", "last 25 %"] | list[Annotated[int, Field(ge=0)]],
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
        """What masks depend on: all but the levels."""
        roles = MATRIX_GROUPS[self.matrices] if isinstance(self.matrices, str) else self.matrices
        layers = self.layers if isinstance(self.layers, str) else tuple(sorted(set(self.layers)))
        return Selection(tuple(dict.fromkeys(roles)), layers, self.allocation, self.criterion)


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
        float | None, Field(gt=0, description="GB of host memory that a job may take; null: what is free.")
    ] = None
    shards_per_job: Annotated[
        Count | None, Field(description="Shards that one job scores; null: a variant's shards are one job.")
    ] = None


class Config(Part):
    """One experiment."""

    experiment: Annotated[Name, Field(description="Name of the results' folder.")]
    seed: Annotated[int, Field(ge=0, description="Seed of the draw of samples.")] = 0
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
        str, Field(min_length=1, description="Folder of what is computed once; MEMPRUNE_STORE goes before.")
    ] = "results/.store"

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
        if "dense" in self.strategies:
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
        return sorted(set(self.models[model].levels or self.strategies[strategy].levels))

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


def read_yaml(path: str | Path) -> object:
    """The content of a YAML file; raises UserError when it is missing or not YAML."""
    try:
        return yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


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
        raise UserError(f"{source}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """The first problem of a validation as one line: key, what was found, what is allowed."""
    problems = error.errors(include_url=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    key = ".".join(keys(problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = allowed_keys(problem["loc"][:-1])
        nearest = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.0)
        hint = f"; nearest known key: {nearest[0]}" if nearest else ""
        return f"{key}: unknown key{hint}; allowed: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{key}: missing key; required"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    return f"{key}: found {problem['input']!r}; {problem['msg'][0].lower()}{problem['msg'][1:]}"


SOURCES = {"embedded": EmbeddedCorpus, "files": FilesCorpus, "hub": HubCorpus, "tokens": TokensCorpus}
PARTS = {
    "samples": Samples,
    "models": Model,
    "strategies": Strategy,
    "evaluation": Evaluation,
    **SOURCES,
}


def keys(location: tuple[str | int, ...]) -> list[str]:
    """The keys and indices of a problem's location, without pydantic's names of a union's members."""
    return [
        str(part)
        for before, part in pairwise((None, *location))
        if "[" not in str(part) and not (before in ("corpus", "held_out") and part in SOURCES)
    ]


def allowed_keys(location: tuple) -> list[str]:
    """The keys that the part of the configuration at a problem's location knows."""
    part = next((PARTS[name] for name in reversed(location) if name in PARTS), Config)
    return list(part.model_fields)
