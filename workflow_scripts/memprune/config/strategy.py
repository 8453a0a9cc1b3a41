"""A strategy, as the configuration says it: data, never code."""

from typing import Annotated, Literal

from pydantic import Field

from memprune.config.section import Section
from memprune.config.target import AskedLevels
from memprune.config.values import Index, without_repeats
from memprune.models.roles import MATRIX_GROUPS
from memprune.variants.scope import Selection

Role = Literal[*MATRIX_GROUPS["all"]]


class Strategy(Section):
    """What is pruned and how the sparsity is shared out; every strategy is data, none is code."""

    matrices: Annotated[
        Literal[*MATRIX_GROUPS] | Annotated[list[Role], Field(min_length=1), without_repeats()],
        Field(description="Matrices in scope: a group, or a list of roles."),
    ] = "all"
    layers: Annotated[
        Literal["all", "first 25 %", "last 25 %"]
        | Annotated[list[Index], Field(min_length=1), without_repeats()],
        Field(description="Decoder layers in scope: a name, or a list of layers counted from 0."),
    ] = "all"
    allocation: Annotated[
        Literal["matrix", "layer", "global"],
        Field(description="Where the sparsity holds: in each matrix, in each layer, or over the scope."),
    ] = "global"
    criterion: Annotated[
        Literal["magnitude"], Field(description="What ranks the weights; the lowest go.")
    ] = "magnitude"
    levels: Annotated[
        AskedLevels | None,
        Field(description="Sparsities in scope, between 0 and 1, or what they are to reach."),
    ] = None

    @property
    def selection(self) -> Selection:
        """What masks depend on: all but the levels, and not the order of lists."""
        named = MATRIX_GROUPS[self.matrices] if isinstance(self.matrices, str) else self.matrices
        roles = tuple(role for role in MATRIX_GROUPS["all"] if role in named)
        layers = self.layers if isinstance(self.layers, str) else tuple(sorted(self.layers))
        return Selection(roles, layers, self.allocation, self.criterion)
