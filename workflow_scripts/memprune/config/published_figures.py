"""Figures that others have published, to set ours beside: one YAML file a source, in `config/published/`."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from memprune.config.problems import explain
from memprune.config.section import Section
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.config.values import Count, Index, Level, Name, Number, Text, without_repeats
from memprune.config.yaml_file import read_yaml
from memprune.errors import UserError
from memprune.findings.kinds_of_set import DRAWN

FOLDER = Path(__file__).parents[3] / "config/published"

Range = Annotated[
    list[Level],
    Field(min_length=2, max_length=2),
    BeforeValidator(lambda level: level if isinstance(level, list) else [level, level]),
]


class Source(Section):
    """Where the figures stand."""

    title: Text
    url: Text


class Protocol(Section):
    """How the figures were made, as far as the source says; what it does not say is left out, and null."""

    suffix: Annotated[Count | None, Field(description="Tokens to reproduce.")] = None
    context_lengths: Annotated[
        Annotated[list[Count], without_repeats()] | None, Field(description="k that were measured.")
    ] = None
    samples: Annotated[Count | None, Field(description="N of the fractions, if not the figure's own.")] = None
    offset: Annotated[Index | None, Field(description="Token at which samples start.")] = None
    balance_duplicates: bool | None = None
    corpus: Annotated[Text | None, Field(description="Where the samples are from.")] = None
    set: Annotated[
        Literal["drawn", "known sequences"], Field(description="What the samples are: see config/README.md.")
    ] = DRAWN
    decoding: Text | None = None
    dtype: Text | None = None
    revision: Annotated[Text | None, Field(description="Branch, tag or commit of the models.")] = None
    perplexity_text: Text | None = None
    perplexity_window: Count | None = None


class Figure(Section):
    """One published number."""

    model: Annotated[Text, Field(description="Repository on the Hub, owner/name.")]
    strategy: Annotated[Text, Field(description="`dense`, or a name in `strategies`.")]
    level: Annotated[Range | None, Field(description="Sparsity in scope, or its range.")] = None
    quantity: Literal[
        "extracted_fraction", "extracted_count", "token_perplexity", "word_perplexity", "byte_perplexity"
    ]
    context_length: Annotated[Count | None, Field(description="k; null: unknown, or a mean over k.")] = None
    value: Annotated[Decimal, Field(ge=0, description="As printed; a text keeps zeros at its end."), Number]
    samples: Annotated[Count | None, Field(description="N; null: the protocol's.")] = None
    note: Text | None = None

    @property
    def is_extraction(self) -> bool:
        return self.quantity.startswith("extracted")

    @model_validator(mode="after")
    def check_parts(self) -> "Figure":
        if self.strategy == "dense" and self.level is not None:
            raise ValueError(f"found level {self.level}, but `dense` has none; leave it out")
        if self.level is not None and self.level[0] > self.level[1]:
            raise ValueError(f"found level {self.level}; give the lower end first")
        if self.quantity == "extracted_fraction" and self.value > 1:
            raise ValueError(f"found value {self.value}, allowed: a fraction, at most 1")
        if self.quantity == "extracted_count" and self.value != int(self.value):
            raise ValueError(f"found value {self.value}, allowed: a whole number of samples")
        if not self.is_extraction and self.value < 1:
            raise ValueError(f"found value {self.value}, allowed: a perplexity, at least 1")
        for key in ("context_length", "samples"):
            if not self.is_extraction and getattr(self, key) is not None:
                raise ValueError(f"found {key} with a perplexity, which has none; leave it out")
        return self


class Published(Section):
    """The figures of one source."""

    source: Source
    protocol: Protocol = Protocol()
    strategies: dict[Name, PruneStrategy] = Field({}, description="As in an experiment, without levels.")
    figures: Annotated[list[Figure], Field(min_length=1)]

    @model_validator(mode="after")
    def check_strategies(self) -> "Published":
        for name, strategy in self.strategies.items():
            if strategy.levels is not None:
                raise ValueError(f"strategies.{name}.levels: found {strategy.levels}; figures have levels")
        allowed = ["dense", *self.strategies]
        for place, figure in enumerate(self.figures):
            if figure.strategy not in allowed:
                raise ValueError(
                    f"figures.{place}.strategy: found {figure.strategy}, allowed: {', '.join(allowed)}"
                )
        return self

    @model_validator(mode="after")
    def check_counts(self) -> "Published":
        for place, figure in enumerate(self.figures):
            samples = figure.samples or self.protocol.samples
            if figure.quantity == "extracted_count" and (samples is None or figure.value > samples):
                raise ValueError(
                    f"figures.{place}.value: found {figure.value} of {samples or 'unknown'} samples; give "
                    "samples, at least as many"
                )
        return self

    @property
    def figures_and_samples(self) -> list[dict]:
        """The figures as JSON values, each with its N where one is known."""
        return [
            figure.model_dump(mode="json")
            | {"samples": (figure.samples or self.protocol.samples) if figure.is_extraction else None}
            for figure in self.figures
        ]


@cache
def read_published(folder: Path = FOLDER) -> list[dict]:
    """What is compared of all published figures, a source each, as JSON values.

    A source has its file's name as `source`, its `protocol`, its `strategies` (a selection each) and its
    `figures`, whose values are texts as they were printed. Raises UserError, one line that names the file
    and key, what was found and what is allowed.
    """
    return [comparable(path.stem, load_published(path)) for path in sorted(folder.glob("*.yaml"))]


def load_published(path: Path) -> Published:
    """Read and check one file. Raises UserError as `read_published` does."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__}, expected a mapping of keys")
    try:
        return Published.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, keys_at)}") from None


def comparable(name: str, published: Published) -> dict:
    """One source as JSON values."""
    lengths = published.protocol.context_lengths
    return {
        "source": name,
        "protocol": published.protocol.model_dump() | {"context_lengths": lengths and sorted(lengths)},
        "strategies": {name: strategy.settings for name, strategy in published.strategies.items()},
        "figures": published.figures_and_samples,
    }


PARTS = {"source": Source, "protocol": Protocol, "strategies": PruneStrategy, "figures": Figure}


def keys_at(location: tuple) -> list[str]:
    """The keys that the part of a file knows in which a problem's location lies."""
    part = PARTS.get(location[0], Published) if len(location) > 1 else Published
    return list(part.model_fields)
