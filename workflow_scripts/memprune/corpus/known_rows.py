"""A row of known sequences as a document: its text or token ids, and what else is known of it."""

from collections.abc import Mapping

from memprune.corpus.documents import Document, checked, whole_number
from memprune.errors import UserError

LONGEST = 80  # characters of a value in a message


def columns_of(corpus: Mapping) -> list[str]:
    """The columns that the settings of a corpus name, each once."""
    texts = [corpus[key] for key in ("tokens", "prefix", "suffix", "text") if corpus.get(key)] or ["text"]
    scores = [score for score in corpus.get("published", {}).values() if isinstance(score, str)]
    others = [corpus[key] for key in ("duplicates", "category") if corpus.get(key)]
    return list(dict.fromkeys([*texts, *others, *scores]))


def as_sequence(row: Mapping, name: str, place: str, corpus: Mapping) -> Document:
    """A row as a document of the name; `place` names the file in messages, `corpus` are its settings.

    Raises UserError when the row lacks a column, when a text is none, or token ids are no whole numbers of
    the model's vocabulary, and for a count, a category or a published score that cannot be.
    """
    place = f"{place}: {name}"
    for column in columns_of(corpus):
        if column not in row:
            raise UserError(f"{place} has no column {column}; found {', '.join(row) or 'none'}")
    content = sequence_of(row, place, corpus)
    return Document(
        document=name,
        subset="all",
        duplicates=duplicates_in(row, place, corpus.get("duplicates")),
        category=category_in(row, place, corpus.get("category")),
        published=tuple(score_of(row, place, score) for score in corpus.get("published", {}).values()),
        **content,
    )


def sequence_of(row: Mapping, place: str, corpus: Mapping) -> dict:
    """The text or tokens of a row, and how much of it stands before the suffix, as fields of a document."""
    if not corpus.get("prefix"):
        column = corpus.get("tokens") or corpus.get("text") or "text"
        if corpus.get("tokens"):
            return {"text": "", "tokens": token_ids(row[column], f"{place}, column {column},", corpus)}
        return {"text": text_of(row[column], place, column)}
    prefix, suffix = (row[corpus[key]] for key in ("prefix", "suffix"))
    if isinstance(prefix, str) or isinstance(suffix, str):
        texts = [text_of(row[corpus[key]], place, corpus[key]) for key in ("prefix", "suffix")]
        return {"text": "".join(texts), "prefix": len(texts[0])}
    ids = [
        token_ids(row[corpus[key]], f"{place}, column {corpus[key]},", corpus) for key in ("prefix", "suffix")
    ]
    return {"text": "", "tokens": [*ids[0], *ids[1]], "prefix": len(ids[0])}


def text_of(value: object, place: str, column: str) -> str:
    """A text in a column; raises UserError for anything else."""
    if not isinstance(value, str):
        advice = "; name token ids by corpus.tokens" if isinstance(value, list) else ""
        raise UserError(f"{place} has {type(value).__name__} in column {column}, expected a text{advice}")
    return checked(value, f"{place}, column {column},")


def token_ids(value: object, place: str, corpus: Mapping) -> list[int]:
    """Token ids in a column; raises UserError unless it is a list of whole numbers of the vocabulary."""
    if not isinstance(value, list):
        advice = "; name texts by corpus.text" if isinstance(value, str) else ""
        raise UserError(f"{place} has {type(value).__name__}, expected a list of token ids{advice}")
    if odd := [token for token in value if type(token) is not int]:
        raise UserError(f"{place} has {shown(odd[0])} among token ids, expected whole numbers")
    check_vocabulary(value, place, corpus["vocabulary"])
    return value


def check_vocabulary(ids: list[int], place: str, vocabulary: int) -> None:
    """Raise UserError for ids that are not of the vocabulary."""
    if ids and not 0 <= min(ids) <= max(ids) < vocabulary:
        raise UserError(
            f"{place} has tokens from {shown(min(ids))} to {shown(max(ids))}, the model has 0 to "
            f"{vocabulary - 1}; are these another tokenizer's?"
        )


def duplicates_in(row: Mapping, place: str, column: str | None) -> int | None:
    """How often a row stands in the training data; None where nobody counted."""
    return whole_number(row[column], f"column {column}", place) if column else None


def category_in(row: Mapping, place: str, column: str | None) -> str | None:
    """A row's category, a text or a whole number; None where it has none."""
    value = row[column] if column else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"{place} has {type(value).__name__} in column {column}, expected a text")
    return checked(str(value), f"{place}, column {column},")


def score_of(row: Mapping, place: str, score: str | float) -> float | None:
    """A published score, from 0 to 1, of a column or of all rows; None where the column has none."""
    value = row[score] if isinstance(score, str) else score
    if value is None or value != value:  # not a number: what pandas makes of nothing
        return None
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UserError(f"{place} has {shown(value)} in column {score}, expected a score from 0 to 1")
    return float(value)


def shown(value: object) -> str:
    """A value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
