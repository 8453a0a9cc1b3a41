"""A strategy, as the configuration says it: data, never code."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from memprune.config.section import Section
from memprune.config.target import AskedLevels
from memprune.config.values import Index, Seed, without_repeats
from memprune.models.roles import ATTENTION, FUSED, FUSED_ROLES, MATRIX_GROUPS, MLP
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
    heads: Annotated[
        Annotated[list[tuple[Index, Index]], Field(min_length=1), without_repeats()] | None,
        Field(description="Attention heads in scope, [layer, head] each, counted from 0."),
    ] = None
    allocation: Annotated[
        Literal["matrix", "layer", "global"],
        Field(description="Where the sparsity holds: in each matrix, in each layer, or over the scope."),
    ] = "global"
    criterion: Annotated[
        Literal["magnitude", "random"], Field(description="What ranks the weights; the lowest go.")
    ] = "magnitude"
    seed: Annotated[Seed, Field(description="Seed of the criterion random.")] = 0
    levels: Annotated[
        AskedLevels | None,
        Field(description="Sparsities in scope, above 0 and at most 1, or what they are to reach."),
    ] = None

    @model_validator(mode="after")
    def check_fused(self) -> "Strategy":
        parts = [role for role in FUSED_ROLES if role in self.matrices]
        if isinstance(self.matrices, list) and FUSED in self.matrices and parts:
            raise ValueError(
                f"matrices: found {FUSED} and {parts[0]}, which is a part of it; give one of them"
            )
        return self

    @model_validator(mode="after")
    def check_heads(self) -> "Strategy":
        if self.heads is None:
            return self
        if self.layers != "all":
            raise ValueError("layers: found beside heads, which name their layers; leave it out")
        if self.matrices != "all" and (others := set(self.named) - set(ATTENTION)):
            raise ValueError(
                f"matrices: found {', '.join(role for role in MLP if role in others)} beside heads, which "
                f"are of attention; allowed: attention, or a list of {', '.join(ATTENTION)}"
            )
        return self

    @model_validator(mode="after")
    def check_seed(self) -> "Strategy":
        if "seed" in self.model_fields_set and self.criterion != "random":
            raise ValueError(f"seed: found with criterion {self.criterion}; allowed with random only")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The roles that are in scope of models that have them, in one order; with heads only attention's."""
        if self.heads and self.matrices == "all":
            return ATTENTION
        named = MATRIX_GROUPS[self.matrices] if isinstance(self.matrices, str) else self.matrices
        return tuple(role for role in MATRIX_GROUPS["all"] if role in named)

    @property
    def selection(self) -> Selection:
        """What masks depend on: all but the levels, and not the order of lists."""
        return Selection(
            roles=self.named,
            layers=self.layers if isinstance(self.layers, str) else tuple(sorted(self.layers)),
            allocation=self.allocation,
            criterion=self.criterion,
            heads=tuple(sorted(self.heads or ())),
            seed=self.seed if self.criterion == "random" else None,
        )
