"""Describe a model in a manifest, without loading it."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from memprune.errors import UserError
from memprune.models.checkpoint import check_vocabulary, describe
from memprune.models.manifest import Checkpoint, Manifest
from memprune.models.model_files import input_files
from memprune.models.outline import Outline
from memprune.models.tokenization import load_tokenizer, tokenizer_fingerprint, vocabulary_size
from memprune.models.weights import read_headers
from memprune.store.fingerprints import fingerprint


def resolve_model(name: str, folder: str | Path, roles: Mapping[str, str | None] | None = None) -> Manifest:
    """Describe the model in a local folder; `roles` as in `memprune.models.role_names`.

    Raises UserError, which names the model and what is wrong.
    """
    folder = Path(folder)
    try:
        checkpoint = describe(folder, roles)
        if isinstance(checkpoint.architecture, Outline):
            checkpoint = built_by_transformers(checkpoint, folder)
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


def built_by_transformers(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The checkpoint of a model that transformers computes, whose files it has been seen to take."""
    from memprune.models.transformers_class import check_files  # other models do without torch

    tensors = read_headers(folder / file for file in checkpoint.files)
    input_first = check_files(folder, tensors, [matrix.name for matrix in checkpoint.matrices])
    return replace(checkpoint, architecture=replace(checkpoint.architecture, input_first=input_first))
