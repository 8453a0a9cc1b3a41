"""Strategies that train a model further."""

from typing import Annotated, Literal

from pydantic import Field

from memprune.config.strategies.any_strategy import AnyStrategy
from memprune.config.values import Count, Number, Seed, without_repeats


class FinetuneStrategy(AnyStrategy):
    """How a model is trained on the retraining text; zeros that pruning has made stay zero."""

    method: Literal["finetune"]
    learning_rate: Annotated[
        float, Field(gt=0, le=1, description="Peak learning rate of AdamW, without decay of weights."), Number
    ] = 1e-4
    batch: Annotated[Count, Field(description="Texts a step.")] = 8
    seed: Annotated[Seed, Field(description="Seed of the order of texts.")] = 0
    levels: Annotated[list[Count], Field(min_length=1, description="Steps."), without_repeats()]

    @property
    def settings(self) -> dict:
        return self.model_dump(include={"learning_rate", "batch", "seed"})

    @property
    def modules(self) -> tuple[str, ...]:
        return ("memprune.methods.finetune",)

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("retraining",)
