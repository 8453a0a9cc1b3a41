"""How models are scored, as the configuration says it."""

from typing import Annotated, Literal

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count, Gigabytes


class Evaluation(Section):
    """How models are scored."""

    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description="`auto`: CUDA where there is one, else CPU.")
    ] = "auto"
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], Field(description="Type of the computation.")
    ] = "float32"
    batch_tokens: Annotated[
        Count | None,
        Field(description="Tokens of one batch, at least one sample; null: 2048 on a CPU, found on a GPU."),
    ] = None
    residency: Annotated[
        Literal["auto", "resident", "streamed"],
        Field(description="Weights stay on the device, or stream through it; `auto`: stay if they fit."),
    ] = "auto"
    memory: Annotated[
        Gigabytes | None, Field(description="GB of host memory that a job may take; null: what is free.")
    ] = None
    shards_per_job: Annotated[
        Count | None, Field(description="Shards that one job scores; null: a variant's shards are one job.")
    ] = None

    @property
    def settings(self) -> dict:
        """The settings of jobs that score, as JSON values: all but how many of them there are."""
        return self.model_dump(exclude={"shards_per_job"})
