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
    precision: Annotated[
        Literal["float32", "bfloat16", "float16", "screened"],
        Field(
            description="Type of the computation; `screened`: samples in a fast type first, and in float32 "
            "where that does not settle what float32 says."
        ),
    ] = "float32"
    screened_in: Annotated[
        Literal["bfloat16", "tf32"],
        Field(description="The fast type of `screened`; TF32, of GPUs alone, keeps float16 weights exact."),
    ] = "bfloat16"
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
    def dtype(self) -> str:
        """The type of all that is not screened."""
        return "float32" if self.precision == "screened" else self.precision

    @property
    def settings(self) -> dict:
        """The settings of jobs that score, as JSON values: all but how many of them there are, and screening.

        Texts beside samples are never screened.
        """
        own = self.model_dump(exclude={"shards_per_job", "precision", "screened_in"})
        return own | {"dtype": self.dtype}

    @property
    def screening(self) -> dict:
        """The settings of screening, as JSON values; none where samples are not screened."""
        return {"screened_in": self.screened_in} if self.precision == "screened" else {}
