"""Describe a model in a manifest, without loading it."""

import hashlib
from pathlib import Path

from memprune.errors import UserError
from memprune.models.checkpoint import check_vocabulary, describe
from memprune.models.manifest import Manifest
from memprune.models.model_files import input_files
from memprune.models.tokenization import load_tokenizer, tokenizer_fingerprint, vocabulary_size
from memprune.store.fingerprints import fingerprint


def resolve_model(name: str, folder: str | Path) -> Manifest:
    """Describe the model in a local folder. Raises UserError, which names the model and what is wrong."""
    folder = Path(folder)
    try:
        checkpoint = describe(folder)
        tokenizer = load_tokenizer(folder)
        check_vocabulary(vocabulary_size(tokenizer), checkpoint.vocabulary)
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from None
    hashes = {path.name: fingerprint(path) for path in input_files(folder)}
    return Manifest(
        **vars(checkpoint),
        model=name,
        folder=str(folder),
        hashes=hashes,
        fingerprint=hashlib.sha256("".join(hashes[file] for file in checkpoint.files).encode()).hexdigest(),
        tokenizer=tokenizer_fingerprint(tokenizer),
    )
