"""Free-running text, as the configuration asks for it."""

from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count


class Generation(Section):
    """How many samples are continued freely, greedily, from the longest context."""

    samples: Annotated[Count, Field(description="Members that are continued, and as many non-members.")] = 64
