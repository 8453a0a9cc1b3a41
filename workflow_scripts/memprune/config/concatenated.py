"""Perplexity of concatenated text, as the configuration asks for it."""

from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count


class Concatenated(Section):
    """Perplexity as the pruning papers compute it: validation text joined, and cut without context."""

    window: Annotated[Count, Field(ge=2, description="Tokens of a window; papers have 2,048 or 4,096.")] = (
        2048
    )
    windows: Annotated[
        Count | None, Field(description="Windows at most, from the start; null: all of the split.")
    ] = None
