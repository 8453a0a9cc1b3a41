"""The settings of each source of a corpus, parts of the configuration."""

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from memprune.config.section import Section
from memprune.config.values import Count, Files, Name, Number, Pattern, Place, Text

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


Score = Annotated[float, Field(ge=0, le=1), Number]


class SequencesCorpus(Section):
    """Known sequences: every row is a member. They are of a data set, of local files, or of arrays."""

    source: Literal["sequences"]
    dataset: Annotated[Place | None, Field(description="Repository (owner/name) or a local folder.")] = None
    config: Annotated[Text | None, Field(description="Which of its several configurations.")] = None
    revision: Annotated[Text, Field(description="Branch, tag or commit.")] = "main"
    split: Annotated[Text, Field(description="Its split.")] = "train"
    shuffle_buffer: Annotated[Count, Field(description="Rows of it held in memory to shuffle.")] = 10_000
    files: Annotated[
        Files | None, Field(min_length=1, description="Local files: .jsonl, .jsonl.zst or .parquet.")
    ] = None
    arrays: Annotated[
        Files | None,
        Field(min_length=1, description="Arrays of token ids (.npy), joined row by row; the suffix is last."),
    ] = None
    text: Annotated[Text | None, Field(description="Column of texts; `text` if no column is named.")] = None
    tokens: Annotated[Text | None, Field(description="Column of token ids, in place of a text.")] = None
    prefix: Annotated[Text | None, Field(description="Column of prefixes, texts or token ids.")] = None
    suffix: Annotated[Text | None, Field(description="Column of what follows the prefix.")] = None
    duplicates: Annotated[
        Text | None, Field(description="Column that counts how often a row stands in the training data.")
    ] = None
    category: Annotated[Text | None, Field(description="Column of categories.")] = None
    published: Annotated[
        dict[Name, Text | Score],
        Field(
            default_factory=dict,
            description="Per model its column of published scores, or the one score of all rows.",
        ),
    ]

    @model_validator(mode="after")
    def check_rows(self) -> "SequencesCorpus":
        given = [key for key in ("dataset", "files", "arrays") if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"found {found} of dataset, files and arrays; give one of them")
        of_data_set = {"config", "revision", "split", "shuffle_buffer"} & self.model_fields_set
        if of_data_set and self.dataset is None:
            raise ValueError(f"found {min(of_data_set)} with {given[0]}, which have none; leave it out")
        for file in self.arrays or ():
            if PurePath(file).suffix != ".npy":
                raise ValueError(f"found {file} among arrays; allowed: .npy")
        columns = [key for key in ("text", "tokens", "prefix", "suffix") if getattr(self, key) is not None]
        if columns not in ([], ["text"], ["tokens"], ["prefix", "suffix"]):
            raise ValueError(f"found {' and '.join(columns)}; allowed: text, or tokens, or prefix and suffix")
        named = [*columns, *(key for key in ("duplicates", "category") if getattr(self, key) is not None)]
        named += ["published"] if any(isinstance(score, str) for score in self.published.values()) else []
        if named and self.arrays:
            raise ValueError(f"found {named[0]} with arrays, which have no columns; leave it out")
        return self

    @property
    def tells_suffix(self) -> bool:
        """Whether each row says where its suffix begins."""
        return self.prefix is not None or len(self.arrays or ()) > 1


TextCorpus = Annotated[EmbeddedCorpus | FilesCorpus | HubCorpus, Field(discriminator="source")]
Corpus = Annotated[
    EmbeddedCorpus | FilesCorpus | HubCorpus | TokensCorpus | SequencesCorpus, Field(discriminator="source")
]
