"""Strategies whose weights were made elsewhere: by another tool, or while the model was trained."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from memprune.config.strategies.any_strategy import AnyStrategy
from memprune.config.values import Level, Place, each_level_once


class CheckpointStrategy(AnyStrategy):
    """Folders with a model of the same architecture each, in place of the model."""

    method: Literal["checkpoint"]
    checkpoints: Annotated[
        dict[Level, Place],
        Field(min_length=1, description="Local folders of models, by the level that each is."),
        BeforeValidator(each_level_once),
    ]

    @property
    def levels(self) -> list[float]:
        """The levels of the checkpoints."""
        return list(self.checkpoints)

    @property
    def settings(self) -> dict:
        return {}

    @property
    def modules(self) -> tuple[str, ...]:
        return ("memprune.methods.given_checkpoint",)

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("checkpoint",)
