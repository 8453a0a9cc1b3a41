"""Tokenizers: loaded from a local folder, told apart by a fingerprint of what decides their ids."""

import hashlib
import json
from pathlib import Path

from tokenizers.models import BPE, Unigram
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from memprune.errors import UserError
from memprune.models.tokenizer_checks import check_tokenizer_files, no_prefix_token, rows_needed


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer in a local folder, as it encodes whole texts; no remote code.

    Truncation, padding and random segmentation, which training leaves in tokenizer.json, are off. Raises
    UserError, which names the file where it can, when there is no tokenizer, no fast one, or neither a
    beginning nor an end of text among its tokens.
    """
    check_tokenizer_files(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except BaseException as error:  # tokenizers panics with an exception that is none
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise UserError(why_not_loaded(Path(folder), error)) from None
    if not tokenizer.is_fast:
        raise UserError(f"{folder}: found a slow tokenizer, expected a fast one (tokenizer.json)")
    backend = tokenizer.backend_tokenizer
    if not backend.get_vocab_size(with_added_tokens=False):
        # transformers makes an empty tokenizer of some families where their own files are missing.
        raise UserError(f"{folder}: its tokenizer has no vocabulary; expected a tokenizer.json")
    backend.no_truncation()
    backend.no_padding()
    if isinstance(backend.model, BPE):
        backend.model.dropout = None
    if isinstance(backend.model, Unigram):
        backend.model.alpha = backend.model.nbest_size = None
    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise UserError(no_prefix_token(str(folder)))
    return tokenizer


def why_not_loaded(folder: Path, error: BaseException) -> str:
    """One line on a tokenizer that cannot be loaded; names tokenizer.json where that alone is at fault."""
    try:
        rows_needed(folder)
    except UserError as fault:
        return str(fault)
    reason = " ".join(str(error).split())[:200]
    return f"{folder}: its tokenizer cannot be loaded ({reason or type(error).__name__})"


def prefix_token(tokenizer: PreTrainedTokenizerFast) -> int:
    """The id that begins a document's first perplexity window: lm-evaluation-harness's `prefix_token_id`."""
    return tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id


def vocabulary_size(tokenizer: PreTrainedTokenizerFast) -> int:
    """The rows that an embedding must have at least: one more than the greatest id, whatever ids lack."""
    return max(tokenizer.get_vocab().values()) + 1


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerFast) -> str:
    """SHA-256, in hexadecimal, of what decides the ids of a text and of the token before it.

    So are the vocabulary, its rules and special tokens, however they are spread over files; not what only a
    batch is padded with, or where it is cut.
    """
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    content |= {"truncation": None, "padding": None}
    about = [content, prefix_token(tokenizer), bool(tokenizer.split_special_tokens)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()
