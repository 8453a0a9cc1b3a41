"""Tokenizers: loaded from a local folder, told apart by a fingerprint of their content."""

import hashlib
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from memprune.errors import UserError

VOCABULARY_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer in a local folder; no remote code. Raises UserError when there is none."""
    # transformers makes an empty tokenizer of some families where no file is.
    if not any((Path(folder) / name).is_file() for name in VOCABULARY_FILES):
        raise UserError(f"{folder}: no tokenizer; looked for: {', '.join(VOCABULARY_FILES)}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: its tokenizer cannot be loaded ({reason})") from None
    if not tokenizer.is_fast:
        raise UserError(f"{folder}: found a slow tokenizer, expected a fast one (tokenizer.json)")
    return tokenizer


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerFast) -> str:
    """SHA-256 of the tokenizer's vocabulary, merges and processing, in hexadecimal."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
