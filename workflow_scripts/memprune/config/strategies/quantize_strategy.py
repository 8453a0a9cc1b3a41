"""Strategies that keep weights in few bits."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from memprune.config.strategies.scoped import WholeMatrixStrategy
from memprune.config.values import Count, without_repeats

BITS = (2, 3, 4, 5, 6, 7, 8)


class QuantizeStrategy(WholeMatrixStrategy):
    """How weights are rounded to codes of few bits, by group."""

    method: Literal["quantize"]
    algorithm: Annotated[
        Literal["nearest", "gptq"],
        Field(description="Round to nearest, or GPTQ, whose later weights make up for earlier errors."),
    ] = "nearest"
    group: Annotated[Count, Field(description="Weights of one output that share a scale.")] = 128
    symmetric: Annotated[
        bool, Field(description="Whether codes lie evenly around zero; else each group has a zero point.")
    ] = True
    levels: Annotated[
        list[Literal[*BITS]], Field(min_length=1, description="Bits a weight."), without_repeats()
    ]

    @property
    def settings(self) -> dict:
        own = self.model_dump(include={"algorithm", "group", "symmetric"})
        return {"scope": asdict(self.scope), **own}

    @property
    def modules(self) -> tuple[str, ...]:
        return ("memprune.methods.quantize", f"memprune.methods.{self.algorithm}")

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("calibration",) if self.algorithm == "gptq" else ()
