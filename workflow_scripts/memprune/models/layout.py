"""How a model's block matrices lie in its files, whoever computes the model."""

from collections.abc import Sequence
from dataclasses import dataclass

from memprune.models.architecture import Architecture
from memprune.models.families import FAMILIES
from memprune.models.outline import Outline


@dataclass(frozen=True)
class Layout:
    """The roles of a block's matrices, in order; whether they are input × output; how a fused one is made.

    `interleaved` fused matrices have query, key and value head by head.
    """

    roles: Sequence[str]
    input_first: bool
    interleaved: bool


def layout_of(architecture: Architecture | Outline) -> Layout:
    """The layout of a model; of one that transformers computes, how a fused matrix is made is not known."""
    if isinstance(architecture, Outline):
        return Layout(list(architecture.roles), architecture.input_first, interleaved=False)
    family = FAMILIES[architecture.family]
    return Layout(list(family.matrices.values()), family.input_first, family.interleaved)
