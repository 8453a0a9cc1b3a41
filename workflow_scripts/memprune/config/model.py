"""A model, as the configuration names it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from memprune.config.section import Section
from memprune.config.target import AskedLevels
from memprune.config.values import Place, Text, Word
from memprune.models.roles import MATRIX_GROUPS


class Model(Section):
    """A causal language model: a local folder, or a repository of the Hugging Face Hub."""

    path: Annotated[
        Place | None, Field(description="Local folder with safetensors, configuration and tokenizer.")
    ] = None
    repo: Annotated[Word | None, Field(description="Repository on the Hub, owner/name.")] = None
    revision: Annotated[Word, Field(description="Branch, tag or commit of the repository.")] = "main"
    levels: Annotated[AskedLevels | None, Field(description="Levels in place of the strategies' own.")] = None
    roles: dict[Text, Literal[*MATRIX_GROUPS["all"]] | None] = Field(
        {}, description="Roles of matrices by name, where they are not known; null: never pruned."
    )
    control: Annotated[
        Text | None,
        Field(description="Model of the experiment that has hardly seen the repeated text; stays dense."),
    ] = None

    @model_validator(mode="after")
    def check_place(self) -> "Model":
        if (self.path is None) == (self.repo is None):
            found = "neither" if self.path is None else "both"
            raise ValueError(f"found {found} of path and repo; give one of them")
        return self
