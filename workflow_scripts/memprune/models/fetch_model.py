"""Fetch a model from the Hub into its cache, or find it there."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import (
    ModelInfo,
    constants,
    get_cached_repo_tree,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import filter_repo_objects, httpx

from memprune.disk import existing_part
from memprune.errors import UserError
from memprune.models.hub_contact import contact, one_line, patiently
from memprune.models.model_files import INDEX, WEIGHTS, needed_files, no_weights
from memprune.models.tokenizer_files import TOKENIZER_FILES

FETCHED_FILES = ["*.safetensors", "*.json", *TOKENIZER_FILES]  # weights, configuration, tokenizer
PICKLED_FILES = ["pytorch_model*.bin", *FETCHED_FILES[1:], "LICEN*", "NOTICE*"]


def fetch_model(repo: str, revision: str) -> dict[str, str]:
    """Fetch a model's safetensors, configuration and tokenizer into the Hub's cache, unless they are there.

    Returns repo, revision, commit and the local folder. Raises UserError when it cannot be had, before
    anything is fetched: there is no such repository or revision, or it is gated, has no safetensors or does
    not fit on the disk.
    """
    name = f"{repo}, revision {revision}"
    info = contact("model", repo, revision, name)
    if info is None:
        folder = cached_folder(repo, revision, name)
    else:
        check_files(info, name, f"MODEL={repo} REVISION={revision}")
        folder = fetch_files(repo, info, revision, name, FETCHED_FILES)
    return {"repo": repo, "revision": revision, "commit": Path(folder).name, "folder": str(folder)}


def fetch_pickled(repo: str, revision: str) -> Path:
    """Fetch a model's pickled weights, configuration and tokenizer into the Hub's cache: their folder.

    Raises UserError when they cannot be had.
    """
    name = f"{repo}, revision {revision}"
    info = contact("model", repo, revision, name)
    if info is None:
        raise UserError(
            f"{name}: no such folder, and the Hub cannot be reached; on a machine with network: hf download "
            f"{repo} --revision {revision} --local-dir FOLDER; then give FOLDER"
        )
    return Path(fetch_files(repo, info, revision, name, PICKLED_FILES))


def fetch_files(repo: str, info: ModelInfo, revision: str, name: str, patterns: Sequence[str]) -> str:
    """Fetch the files of a revision that match; raises UserError when they do not fit or cannot be had."""
    check_room(repo, info, name, patterns)
    try:
        return patiently(lambda: snapshot_download(repo, revision=revision, allow_patterns=list(patterns)))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise UserError(f"{name}: cannot be fetched ({one_line(error)})") from None


def check_files(info: ModelInfo, name: str, model: str) -> None:
    """Raise UserError when a revision has no safetensors; `model` tells `make` which it is."""
    names = sorted(file.rfilename for file in info.siblings)
    if WEIGHTS not in names and INDEX not in names:
        raise UserError(f"{name}: {no_weights(names, model)}")


def check_room(repo: str, info: ModelInfo, name: str, patterns: Sequence[str]) -> None:
    """Raise UserError when the files of a revision that match need more room than the cache's disk has."""
    sizes = {file.rfilename: file.size or 0 for file in info.siblings}
    wanted = filter_repo_objects(sizes, allow_patterns=list(patterns))
    missing = [file for file in wanted if not try_to_load_from_cache(repo, file, revision=info.sha)]
    needed, cache = sum(sizes[file] for file in missing), Path(constants.HF_HUB_CACHE).absolute()
    free = shutil.disk_usage(existing_part(cache)).free
    if needed > free:
        raise UserError(
            f"{name}: {len(missing)} files of {needed / 1e9:.1f} GB are to be fetched, found "
            f"{free / 1e9:.1f} GB free on the disk of {cache}; free space there, or name another folder with "
            "HF_HUB_CACHE"
        )


def cached_folder(repo: str, revision: str, name: str) -> Path:
    """The folder of a revision in the Hub's cache; raises UserError that names what it lacks."""
    try:
        folder = Path(snapshot_download(repo, revision=revision, local_files_only=True, allow_patterns=[]))
    except (LocalEntryNotFoundError, ValueError):
        folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")
    try:
        listed = [file.path for file in get_cached_repo_tree(repo, revision=revision)]
    except CachedRepoTreeNotFoundError:
        listed = needed_files(folder)
    wanted = filter_repo_objects(listed, allow_patterns=FETCHED_FILES)
    missing = [file for file in wanted if not (folder / file).exists()]
    if missing:
        raise UserError(
            f"{name}: {', '.join(missing)} not in the Hub's cache {constants.HF_HUB_CACHE}, and the Hub "
            f"cannot be reached; on a machine with network: hf download {repo} --revision {revision}, then "
            "copy its folder in the cache"
        )
    return folder
