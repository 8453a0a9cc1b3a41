"""What is drawn from the corpus, as the configuration says it."""

from typing import Annotated, Literal

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count, Index, without_repeats


class Samples(Section):
    """What is drawn from the corpus; lengths are in tokens."""

    members: Annotated[Count, Field(description="Windows of training text.")] = 5000
    non_members: Annotated[Count, Field(description="Windows of unseen text.")] = 1000
    fitted: Annotated[
        Index, Field(description="More windows of training text, those that methods may be fitted to.")
    ] = 0
    context_lengths: Annotated[list[Count], without_repeats()] = Field(
        [50, 100, 200, 500], min_length=1, description="k: tokens of context before the suffix."
    )
    suffix: Annotated[Count, Field(description="Tokens to reproduce.")] = 50
    anchor: Annotated[
        Literal["suffix", "prefix"],
        Field(description="What all context lengths share: the suffix, or the start of the context."),
    ] = "suffix"
    offset: Annotated[
        Index | None, Field(description="Where in its document a window starts; null: by the seed.")
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
