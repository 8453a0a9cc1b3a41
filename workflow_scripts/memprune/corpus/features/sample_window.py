"""A sample as its features see it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SampleWindow:
    """The token ids of a sample's whole window, its text, and how often it stands in the training data.

    Where the window begins or ends within a character, the text has U+FFFD there. `duplicates` is None where
    nobody counted.
    """

    tokens: tuple[int, ...]
    text: str
    duplicates: int | None
