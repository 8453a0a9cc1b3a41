"""What is wrong with a tokenizer's files, as far as it shows without transformers."""

from pathlib import Path

from tokenizers import Tokenizer

from memprune.errors import UserError
from memprune.models.model_files import check_pointer, read_json
from memprune.models.tokenizer_files import TOKENIZER_FILES, VOCABULARY_FILES

# With these families and classes, the special tokens are those that the files name and no others. (Not taken
# from `families`: draws depend on this file, and not on what else a family is.)
PLAIN_FAMILIES = ("gpt_neox", "gpt2", "llama", "opt")
PLAIN_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")


def check_tokenizer_files(folder: str | Path) -> None:
    """Raise UserError where a folder's files cannot give a tokenizer: names the file and what is wrong.

    There must be a vocabulary, no Git LFS pointer in a file's place, objects in files of JSON, and a token
    with which perplexity windows begin.
    """
    if not any((Path(folder) / name).is_file() for name in VOCABULARY_FILES):
        raise UserError(f"{folder}: no tokenizer; looked for: {', '.join(VOCABULARY_FILES)}")
    found = {path for pattern in TOKENIZER_FILES for path in Path(folder).glob(pattern)}
    for path in sorted(filter(Path.is_file, found)):
        check_pointer(path)
        if path.suffix == ".json":
            read_json(path)
    if surely_no_prefix_token(Path(folder)):
        raise UserError(no_prefix_token(str(folder)))


def rows_needed(folder: str | Path) -> int:
    """The rows that an embedding must have for the ids of a folder's tokenizer.json; 0 without that file.

    Raises UserError for a tokenizer.json that is not one.
    """
    return max(vocabulary_of(folder).values(), default=-1) + 1


def vocabulary_of(folder: str | Path) -> dict[str, int]:
    """The id of each token in a folder's tokenizer.json; none without that file.

    Raises UserError for a tokenizer.json that is not one.
    """
    file = Path(folder) / "tokenizer.json"
    if not file.is_file():
        return {}
    try:
        return Tokenizer.from_file(str(file)).get_vocab(with_added_tokens=True)
    except BaseException as error:  # tokenizers panics with an exception that is none
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise UserError(f"{file}: not a tokenizer ({' '.join(str(error).split())[:200]})") from None


def surely_no_prefix_token(folder: Path) -> bool:
    """Whether the files alone show that the tokenizer has neither a beginning nor an end of text."""
    config, about, named = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json")
    )
    return (
        config.get("model_type") in PLAIN_FAMILIES
        and about.get("tokenizer_class") in PLAIN_CLASSES
        and (folder / "tokenizer.json").is_file()
        and not any(place.get(key) for place in (about, named) for key in ("bos_token", "eos_token"))
    )


def no_prefix_token(place: str) -> str:
    """What a tokenizer without a token that text can begin with is told."""
    return f"{place}: found neither bos_token nor eos_token; one of them begins the perplexity windows"
