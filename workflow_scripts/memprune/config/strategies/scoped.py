"""Strategies that change some matrices of a model: which of them, as the configuration says it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from memprune.config.strategies.any_strategy import AnyStrategy
from memprune.config.values import Index, without_repeats
from memprune.models.architecture import Architecture
from memprune.models.roles import FUSED, FUSED_ROLES, MATRIX_GROUPS
from memprune.variants.scope import Scope, check_whole, scope_of

Role = Literal[*MATRIX_GROUPS["all"]]


class ScopedStrategy(AnyStrategy):
    """A strategy with a scope."""

    matrices: Annotated[
        Literal[*MATRIX_GROUPS] | Annotated[list[Role], Field(min_length=1), without_repeats()],
        Field(description="Matrices in scope: a group, or a list of roles."),
    ] = "all"
    layers: Annotated[
        Literal["all", "first 25 %", "last 25 %"]
        | Annotated[list[Index], Field(min_length=1), without_repeats()],
        Field(description="Decoder layers in scope: a name, or a list of layers counted from 0."),
    ] = "all"

    @model_validator(mode="after")
    def check_fused(self) -> "ScopedStrategy":
        parts = [role for role in FUSED_ROLES if role in self.matrices]
        if isinstance(self.matrices, list) and FUSED in self.matrices and parts:
            raise ValueError(
                f"matrices: found {FUSED} and {parts[0]}, which is a part of it; give one of them"
            )
        return self

    def check_fit(
        self, architecture: Architecture, model: str, name: str, levels: Sequence[float | str]
    ) -> None:
        scope_of(self.scope, architecture, model, name)

    @property
    def named(self) -> tuple[str, ...]:
        """The roles that are in scope of models that have them, in one order."""
        named = MATRIX_GROUPS[self.matrices] if isinstance(self.matrices, str) else self.matrices
        return tuple(role for role in MATRIX_GROUPS["all"] if role in named)

    @property
    def scope(self) -> Scope:
        """What of a model is changed, not in the order of lists."""
        layers = self.layers if isinstance(self.layers, str) else tuple(sorted(self.layers))
        return Scope(roles=self.named, layers=layers)


class WholeMatrixStrategy(ScopedStrategy):
    """A strategy that changes no part of a matrix."""

    def check_fit(
        self, architecture: Architecture, model: str, name: str, levels: Sequence[float | str]
    ) -> None:
        check_whole(self.scope, architecture, model, name)
