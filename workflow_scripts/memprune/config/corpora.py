"""The settings of each source of a corpus, parts of the configuration."""

from typing import Annotated, Literal

from pydantic import Field

from memprune.config.section import Section
from memprune.config.values import Count, Files, Pattern, Place, Text

ENDINGS = (".jsonl", ".jsonl.zst", ".parquet")  # of local files
Duplicates = Annotated[
    Text | None, Field(description="Column that tells how often a row stands in the training data.")
]
Counts = Annotated[
    Place | None, Field(description="File that tells it of samples, by document or by SHA-256 of tokens.")
]


class EmbeddedCorpus(Section):
    """mini-pile, built from texts in installed packages."""

    source: Literal["embedded"]


class FilesCorpus(Section):
    """Local files in the Pile's form: `.jsonl`, `.jsonl.zst` or `.parquet`; a split that is not drawn from
    may be left out."""

    source: Literal["files"]
    train: Files = Field([], description="Files of training documents (members).")
    validation: Files = Field([], description="Files for perplexity.")
    test: Files = Field([], description="Files of non-members.")


class HubCorpus(Section):
    """A data set of the Hugging Face Hub, or a local folder laid out as one."""

    source: Literal["hub"]
    dataset: Annotated[Place, Field(description="Repository (owner/name) or a local folder.")]
    config: Annotated[Text | None, Field(description="Which of its several configurations.")] = None
    revision: Annotated[Text, Field(description="Branch, tag or commit.")] = "main"
    text: Annotated[Text, Field(description="Column that holds the text.")] = "text"
    duplicates: Duplicates = None
    counts: Counts = None
    train: Annotated[Text, Field(description="Split of training documents (members).")] = "train"
    validation: Annotated[Text, Field(description="Split for perplexity.")] = "validation"
    test: Annotated[Text, Field(description="Split of non-members.")] = "test"
    shuffle_buffer: Annotated[Count, Field(description="Documents held in memory to shuffle.")] = 10_000
    parts: Annotated[Count, Field(description="Jobs that the draw of members is spread over.")] = 1


class TokensCorpus(Section):
    """What a model was trained on, as rows of tokens of which a few random ones are read."""

    source: Literal["tokens"]
    dataset: Annotated[Place, Field(description="Repository (owner/name) or a local folder.")]
    revision: Annotated[Text, Field(description="Branch, tag or commit.")] = "main"
    files: Annotated[
        Pattern, Field(description="Its .parquet or .bin files of tokens: a path in it with * and ?.")
    ]
    duplicates: Duplicates = None
    counts: Counts = None


TextCorpus = Annotated[EmbeddedCorpus | FilesCorpus | HubCorpus, Field(discriminator="source")]
Corpus = Annotated[EmbeddedCorpus | FilesCorpus | HubCorpus | TokensCorpus, Field(discriminator="source")]
