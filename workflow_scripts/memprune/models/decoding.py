"""From token ids to text, by a model's tokenizer; without transformers, which takes seconds, where it can."""

from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from memprune.models.model_files import read_json
from memprune.models.tokenizer_checks import PLAIN_CLASSES, PLAIN_FAMILIES


def text_decoder(folder: str | Path) -> Callable[[list[int]], str]:
    """What makes text of ids: special tokens stay as they are written, no space is cleaned away.

    An id that the tokenizer lacks, which a pruned model may choose since embeddings have more rows, stands
    for no text. Raises UserError when the tokenizer cannot be loaded.
    """
    if is_all_in_one_file(Path(folder)):
        backend = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    else:
        from memprune.models.tokenization import load_tokenizer

        backend = load_tokenizer(folder).backend_tokenizer
    return lambda ids: backend.decode(ids, skip_special_tokens=False)


def is_all_in_one_file(folder: Path) -> bool:
    """Whether transformers, too, takes from tokenizer.json all that decodes: its own classes change parts."""
    names = ("tokenizer.json", "tokenizer_config.json", "config.json")
    if not all((folder / name).is_file() for name in names):
        return False
    about, config = (read_json(folder / name) for name in names[1:])
    return about.get("tokenizer_class") in PLAIN_CLASSES and config.get("model_type") in PLAIN_FAMILIES
