"""Strategies that keep matrices as products of two smaller ones."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from memprune.config.strategies.scoped import WholeMatrixStrategy
from memprune.config.target import AskedLevels
from memprune.methods.ranks import rank_at
from memprune.models.architecture import Architecture
from memprune.models.shapes import matrix_shapes
from memprune.variants.scope import scope_of


class LowRankStrategy(WholeMatrixStrategy):
    """How matrices are approximated by a truncated singular value decomposition."""

    method: Literal["low-rank"]
    weighting: Annotated[
        Literal["none", "activations"],
        Field(description="What errors count by: alike, or by how large each input is on calibration text."),
    ] = "none"
    levels: Annotated[
        AskedLevels | None,
        Field(description="Shares of the scope's parameters that are removed, or what they are to reach."),
    ] = None

    def check_fit(
        self, architecture: Architecture, model: str, name: str, levels: Sequence[float | str]
    ) -> None:
        super().check_fit(architecture, model, name, levels)
        roles, _ = scope_of(self.scope, architecture, model, name)
        given = [level for level in levels if isinstance(level, float)]  # one that is found shows it later
        for role, shape in matrix_shapes(architecture).items():
            if role in roles and given:
                rank_at(max(given), shape, name)

    @property
    def takes_model_levels(self) -> bool:
        return True

    @property
    def settings(self) -> dict:
        return {"scope": asdict(self.scope), "weighting": self.weighting}

    @property
    def modules(self) -> tuple[str, ...]:
        return ("memprune.methods.low_rank",)

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("activations",) if self.weighting == "activations" else ()
