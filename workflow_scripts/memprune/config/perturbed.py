"""Prefixes with some of their tokens replaced, as the configuration asks for them."""

from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Probability, Seed, without_repeats


class Perturbed(Section):
    """Whether a suffix is still reproduced after a longest context in which a share of tokens is replaced."""

    shares: Annotated[list[Probability], without_repeats()] = Field(
        [0.05, 0.1], min_length=1, description="Shares of the context's tokens that are replaced."
    )
    seed: Annotated[Seed, Field(description="Decides which tokens, and by what they are replaced.")] = 0
