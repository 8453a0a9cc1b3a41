"""Text that models are finetuned on, as the configuration asks for it."""

from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count


class Retraining(Section):
    """Training text of documents that neither a sample nor calibration text is from."""

    texts: Annotated[Count, Field(description="Windows, each of a document of its own.")] = 1024
    tokens: Annotated[Count, Field(description="Tokens of each window.")] = 2048
