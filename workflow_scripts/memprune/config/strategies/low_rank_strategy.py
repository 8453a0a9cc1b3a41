"""Strategies that keep matrices as products of two smaller ones."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from memprune.config.strategies.scoped import ScopedStrategy
from memprune.config.target import AskedLevels


class LowRankStrategy(ScopedStrategy):
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
