"""Text that methods are calibrated on, as the configuration asks for it."""

from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count


class Calibration(Section):
    """Training text of documents that no sample is from; lengths are in tokens."""

    texts: Annotated[Count, Field(description="Windows, each of a document of its own.")] = 128
    tokens: Annotated[Count, Field(description="Tokens of each window.")] = 2048
