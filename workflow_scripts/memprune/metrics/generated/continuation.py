"""What metrics of generated text are functions of: a continuation, and how its sample really goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Continuation:
    """The tokens that a model has generated after a context, and the sample's true suffix, as many.

    Each as ids, and as text.
    """

    tokens: list[int]
    suffix: list[int]
    text: str
    suffix_text: str
