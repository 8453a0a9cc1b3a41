"""Membership inference, as the configuration asks for it."""

from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Probability, Text


class Membership(Section):
    """Scores that tell members from non-members, from a pass over whole windows."""

    reference: Annotated[
        Text | None, Field(description="Model of the experiment whose dense loss is the reference.")
    ] = None
    share: Annotated[
        Probability,
        Field(description="Share of a window's tokens, the least likely, of Min-K % and Min-K++."),
    ] = 0.2
