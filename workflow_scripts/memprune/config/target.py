"""Levels of which some are not given but found: by how much perplexity is to rise."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from memprune.config.section import Section
from memprune.config.values import Level, Number, without_repeats
from memprune.variants.names import target_label

# How pydantic names the two kinds in a problem's location; with brackets, no key of the configuration.
NUMBER, TARGET = "[number]", "[target]"


class Target(Section):
    """What a level is to reach, in place of the level."""

    perplexity_increase: Annotated[
        float,
        Field(gt=0, le=100, description="Rise of token perplexity as a share of the dense model's: 0.1."),
        Number,
    ]

    @property
    def label(self) -> str:
        """What the level is called before it is found, and after."""
        return target_label(self.perplexity_increase)


def kind(value: object) -> str:
    """Whether a value is meant as a number or as a target."""
    return TARGET if isinstance(value, dict | Target) else NUMBER


NumberOrTarget = Annotated[
    Annotated[Level, Tag(NUMBER)] | Annotated[Target, Tag(TARGET)], Discriminator(kind)
]
AskedLevels = Annotated[list[NumberOrTarget], Field(min_length=1), without_repeats()]
