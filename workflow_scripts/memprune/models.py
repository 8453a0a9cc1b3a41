"""Models: fetched from the Hub, and described in a manifest without being loaded."""

import hashlib
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from memprune.checkpoint import check_vocabulary, describe
from memprune.errors import UserError
from memprune.fingerprints import fingerprint
from memprune.manifest import Manifest
from memprune.tokenization import load_tokenizer, tokenizer_fingerprint

FETCHED_FILES = ["*.safetensors", "*.json", "*.model", "*.txt"]  # weights, configuration, tokenizer


def fetch_model(repo: str, revision: str) -> dict[str, str]:
    """Fetch a model's safetensors, configuration and tokenizer into the Hub's cache, unless they are there.

    Returns repo, revision, commit and the local folder. Raises UserError when it cannot be had.
    """
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=FETCHED_FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{repo}, revision {revision}: not in the Hub's cache and cannot be fetched; on a machine with "
            f"network: hf download {repo} --revision {revision}, then copy its cache folder ({reason})"
        ) from None
    return {"repo": repo, "revision": revision, "commit": Path(folder).name, "folder": folder}


def resolve_model(name: str, folder: str | Path) -> Manifest:
    """Describe the model in a local folder. Raises UserError, which names the model and what is wrong."""
    folder = Path(folder)
    try:
        checkpoint = describe(folder)
        tokenizer = load_tokenizer(folder)
        check_vocabulary(len(tokenizer), checkpoint.vocabulary)
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from None
    hashes = {file: fingerprint(folder / file) for file in checkpoint.files}
    return Manifest(
        **vars(checkpoint),
        model=name,
        folder=str(folder),
        hashes=hashes,
        fingerprint=hashlib.sha256("".join(hashes.values()).encode()).hexdigest(),
        tokenizer=tokenizer_fingerprint(tokenizer),
    )
