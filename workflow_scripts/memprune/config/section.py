"""What all sections of the configuration have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the configuration: unknown keys are errors, values never change after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True)
