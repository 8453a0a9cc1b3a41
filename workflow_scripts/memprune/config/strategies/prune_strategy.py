"""Strategies that remove weights."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from memprune.config.strategies.scoped import ScopedStrategy
from memprune.config.target import AskedLevels
from memprune.config.values import Index, Number, Seed, without_repeats
from memprune.methods.groups import check_groups
from memprune.methods.selection import WHOLE, Selection, n_of_m
from memprune.models.architecture import Architecture
from memprune.models.roles import ATTENTION, MATRIX_GROUPS, MLP
from memprune.variants.computed_here import check_decoder
from memprune.variants.scope import Scope

# What each criterion needs beside the weights.
INPUTS = {
    "magnitude": ("magnitudes",),
    "random": (),
    "wanda": ("activations",),
    "sensitivity": ("gradients",),
    "sparsegpt": ("calibration",),
}
# The group of matrices that structures are made of, and which of them.
MADE_OF = {"heads": ("attention", ATTENTION), "neurons": ("mlp", MLP)}


class PruneStrategy(ScopedStrategy):
    """What is pruned and how the sparsity is shared out."""

    method: Literal["prune"] = "prune"
    heads: Annotated[
        Annotated[list[tuple[Index, Index]], Field(min_length=1), without_repeats()] | None,
        Field(description="Attention heads in scope, [layer, head] each, counted from 0."),
    ] = None
    allocation: Annotated[
        Literal["row", "matrix", "layer", "global", "owl"],
        Field(
            description="Where the sparsity holds: in each output's row, each matrix, each layer, over the "
            "scope, or in each row as much as its layer's outliers say."
        ),
    ] = "global"
    criterion: Annotated[Literal[*INPUTS], Field(description="What ranks the weights; the lowest go.")] = (
        "magnitude"
    )
    pattern: Annotated[
        Literal["2:4", "4:8", *WHOLE] | None,
        Field(
            description="What goes together: n of m along the input, or whole parts; null: single weights."
        ),
    ] = None
    seed: Annotated[Seed, Field(description="Seed of the criterion random.")] = 0
    others: Annotated[
        float,
        Field(ge=0, description="How much a weight's use on other text protects it (sensitivity)."),
        Number,
    ] = 1.0
    levels: Annotated[
        AskedLevels | None,
        Field(description="Sparsities in scope, above 0 and at most 1, or what they are to reach."),
    ] = None

    @model_validator(mode="after")
    def check_heads(self) -> "PruneStrategy":
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
    def check_criterion(self) -> "PruneStrategy":
        for key, criterion in (("seed", "random"), ("others", "sensitivity")):
            if key in self.model_fields_set and self.criterion != criterion:
                raise ValueError(
                    f"{key}: found with criterion {self.criterion}; allowed with {criterion} only"
                )
        if self.allocation == "owl" and self.criterion not in ("magnitude", "wanda", "sparsegpt"):
            raise ValueError(
                f"allocation: found owl with criterion {self.criterion}; allowed with magnitude, wanda and "
                "sparsegpt"
            )
        return self

    @model_validator(mode="after")
    def check_second_order(self) -> "PruneStrategy":
        if self.criterion != "sparsegpt":
            return self
        if self.pattern is None and self.allocation not in ("matrix", "owl"):
            raise ValueError(
                f"allocation: found {self.allocation} with criterion sparsegpt; allowed: matrix, owl"
            )
        if self.heads is not None:
            raise ValueError("heads: found with criterion sparsegpt; allowed: matrices and layers")
        return self

    @model_validator(mode="after")
    def check_groups(self) -> "PruneStrategy":
        if self.pattern is None or self.pattern in WHOLE:
            return self
        kept, size = n_of_m(self.pattern)
        if self.levels != [1 - kept / size]:
            raise ValueError(
                f"levels: found {self.levels} with pattern {self.pattern}; allowed: [{1 - kept / size}]"
            )
        if "allocation" in self.model_fields_set:
            raise ValueError(
                f"allocation: found with pattern {self.pattern}, which has no more to share out; leave it out"
            )
        return self

    @model_validator(mode="after")
    def check_structures(self) -> "PruneStrategy":
        if self.pattern not in WHOLE:
            return self
        if self.criterion == "sparsegpt":
            raise ValueError(f"pattern: found {self.pattern} with criterion sparsegpt; allowed: 2:4, 4:8")
        allowed = ("global",) if self.pattern == "layers" else ("layer", "global")
        if self.allocation not in allowed:
            raise ValueError(
                f"allocation: found {self.allocation} with pattern {self.pattern}; "
                f"allowed: {', '.join(allowed)}"
            )
        if self.heads is not None and self.pattern != "heads":
            raise ValueError(f"heads: found with pattern {self.pattern}; allowed with heads only")
        group, roles = MADE_OF.get(self.pattern, ("all", MATRIX_GROUPS["all"]))
        if self.matrices != "all" and (others := [role for role in self.named if role not in roles]):
            raise ValueError(
                f"matrices: found {', '.join(others)} with pattern {self.pattern}; "
                f"allowed: {group}, or a list of {', '.join(roles)}"
            )
        return self

    def check_fit(
        self, architecture: Architecture, model: str, name: str, levels: Sequence[float | str]
    ) -> None:
        super().check_fit(architecture, model, name, levels)
        if self.pattern in WHOLE:
            check_decoder(architecture, model, f"strategies.{name}.pattern", self.pattern)
        if self.pattern not in (None, *WHOLE):
            check_groups(self.selection, architecture, model, name)

    @property
    def named(self) -> tuple[str, ...]:
        """The roles that are in scope of models that have them, in one order; of heads or neurons theirs."""
        if self.matrices != "all":
            return super().named
        _, roles = MADE_OF.get("heads" if self.heads else self.pattern, ("all", super().named))
        return roles

    @property
    def scope(self) -> Scope:
        return replace(super().scope, heads=tuple(sorted(self.heads or ())))

    @property
    def takes_model_levels(self) -> bool:
        return self.pattern in (None, *WHOLE)

    @property
    def selection(self) -> Selection:
        """What masks depend on: all but the levels, and not the order of lists."""
        return Selection(
            **asdict(self.scope),
            allocation=self.allocation,
            criterion=self.criterion,
            pattern=self.pattern,
            seed=self.seed if self.criterion == "random" else None,
            others=self.others if self.criterion == "sensitivity" else None,
        )

    @property
    def settings(self) -> dict:
        return self.selection.settings

    @property
    def modules(self) -> tuple[str, ...]:
        if self.criterion == "sparsegpt":
            levels = (self.selection.module,) if self.allocation == "owl" else ()
            return ("memprune.methods.sparsegpt", *levels)
        criterion = f"memprune.methods.criteria.{self.criterion}"
        return ("memprune.methods.prune", self.selection.module, criterion)

    @property
    def inputs(self) -> tuple[str, ...]:
        if self.criterion == "magnitude" and self.after:
            return ("activations",) if self.allocation == "owl" else ()  # magnitudes are of the dense model
        needed = INPUTS[self.criterion]
        return tuple(dict.fromkeys((*needed, "activations"))) if self.allocation == "owl" else needed
