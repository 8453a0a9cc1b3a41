"""From token ids to text, by a model's tokenizer; without transformers, which takes seconds, where it can."""

from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer


def text_decoder(folder: str | Path) -> Callable[[list[int]], str]:
    """What makes text of ids: special tokens stay as they are written, no space is cleaned away.

    An id that the tokenizer lacks, which a pruned model may choose since embeddings have more rows, stands
    for no text. Raises UserError when the tokenizer cannot be loaded.
    """
    file = Path(folder) / "tokenizer.json"
    if file.is_file():
        backend = Tokenizer.from_file(str(file))
    else:
        from memprune.models.tokenization import load_tokenizer

        backend = load_tokenizer(folder).backend_tokenizer
    return lambda ids: backend.decode(ids, skip_special_tokens=False)
