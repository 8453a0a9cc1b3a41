"""What the report shows of the corpus, as the configuration asks for it."""

from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count


class Report(Section):
    """Which samples the report lets a reader look at, and whether with their texts."""

    texts: Annotated[
        bool,
        Field(description="Whether the corpus's text is in the report; false: numbers alone."),
    ] = True
    samples: Annotated[
        Count, Field(description="Samples that can be looked at, those that models reproduce before others.")
    ] = 1000
