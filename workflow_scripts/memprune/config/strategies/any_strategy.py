"""What strategies of all methods have in common."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Text
from memprune.models.architecture import Architecture


class AnyStrategy(Section):
    """A change of a model's weights: a method, its settings, its levels, and what it stands after."""

    after: Annotated[
        Text | None,
        Field(description="Variant whose weights are changed, strategy@level; null: dense."),
    ] = None

    @property
    def settings(self) -> dict:
        """What a change depends on beside its level, as JSON values."""
        raise NotImplementedError

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that make the change: the method, and those that it loads by name."""
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the method needs beside the weights: see `memprune.planning.method_inputs`."""
        return ()

    def check_fit(
        self, architecture: Architecture, model: str, name: str, levels: Sequence[float | str]
    ) -> None:
        """Raise UserError for what the strategy of this name asks of a model and the model lacks."""

    @property
    def takes_model_levels(self) -> bool:
        """Whether levels are shares of weights, so that a model may have its own in their place."""
        return False
