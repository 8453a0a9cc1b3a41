"""The Hugging Face Hub: failures that pass are waited for, others are explained in one line.

huggingface_hub tries a request six times within some 25 seconds. What lasts longer is waited for here.
"""

import difflib
import os
import re
import time
from collections.abc import Callable
from typing import TypeVar

from huggingface_hub import DatasetInfo, HfApi, ModelInfo, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx

from memprune.errors import UserError

Result = TypeVar("Result")
PAUSES = (5, 15, 30, 60, 120, 240)  # seconds before each further try
TOKEN = re.compile(r"\bhf_\w{8,}")
USER = re.compile(r"(https?://)[^\s/@]+@")
QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+")
PASSING = (408, 429, 500, 502, 503, 504)  # status of a Hub that is overloaded or down for a while


def patiently(action: Callable[[], Result]) -> Result:
    """The result of `action`, which is tried again, with growing pauses, after a failure that passes."""
    for pause in PAUSES:
        try:
            return action()
        except Exception as error:
            if not passes(error):
                raise
            print(f"{one_line(error)}; trying again in {pause} s", flush=True)
        time.sleep(pause)
    return action()


def passes(error: BaseException | None) -> bool:
    """Whether a failure, or what it came from, is that of a network or Hub that may soon be well again."""
    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return error.response.status_code in PASSING
        if isinstance(error, httpx.TransportError):
            return True
        error = error.__cause__ or error.__context__
    return False


def contact(kind: str, repo: str, revision: str, name: str) -> ModelInfo | DatasetInfo | None:
    """What the Hub tells of a revision, its commit and files with sizes; None if it cannot be reached at all.

    `kind` is model or dataset, `name` what messages call it. Raises UserError when there is no such
    repository or revision, or when its files may not be read.
    """
    api = HfApi()
    about = {"repo_type": kind, "revision": revision, "files_metadata": True}
    try:
        info = patiently(lambda: reached(lambda: api.repo_info(repo, **about)))
        if info is None:
            return None
        if info.siblings:
            # The Hub tells everyone of a gated repository, but gives its files to few.
            address = hf_hub_url(repo, info.siblings[0].rfilename, repo_type=kind, revision=info.sha)
            patiently(lambda: get_hf_file_metadata(address))
        return info
    except GatedRepoError:
        prefix = "datasets/" if kind == "dataset" else ""
        raise UserError(
            f"{name}: gated; ask for access at {constants.ENDPOINT}/{prefix}{repo}, then log in with "
            "`hf auth login` or set HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{name}: no such {kind} on the Hub, or a private one; check its name, or log in with "
            "`hf auth login`"
        ) from None
    except RevisionNotFoundError:
        refs = patiently(lambda: api.list_repo_refs(repo, repo_type=kind))
        known = [ref.name for ref in (*refs.branches, *refs.tags)]
        nearest = difflib.get_close_matches(revision, known, n=5, cutoff=0.0)
        raise UserError(
            f"{name}: no such revision; nearest known: {', '.join(nearest)}, or a commit"
        ) from None
    except (HfHubHTTPError, httpx.HTTPError, ValueError) as error:
        raise UserError(f"{name}: the Hub does not tell of it ({one_line(error)})") from None


def dataset_commit(dataset: str, revision: str, name: str) -> str:
    """The commit that a data set's revision is now; raises UserError when the Hub does not tell it."""
    info = contact("dataset", dataset, revision, name)
    if info is None:
        raise UserError(
            f"{name}: the Hub cannot be reached; on a machine with network: hf download {dataset} "
            f"--repo-type dataset --revision {revision} --local-dir FOLDER; then name FOLDER as `dataset`"
        )
    return info.sha


def reached(action: Callable[[], Result]) -> Result | None:
    """The result of a first request, None where nobody answers: a network that is not there does not pass."""
    try:
        return action()
    except (httpx.ConnectError, OfflineModeIsEnabled):
        return None


def one_line(error: BaseException) -> str:
    """An error's message as one line of at most 200 characters, without what lets others in."""
    return (without_secrets(" ".join(str(error).split())) or type(error).__name__)[:200]


def without_secrets(text: str) -> str:
    """The text without tokens of the Hub, and its addresses without user and query, which may be signed."""
    given = os.environ.get("HF_TOKEN")
    text = text.replace(given, "[token]") if given else text
    return QUERY.sub(r"\1?[…]", USER.sub(r"\1[…]@", TOKEN.sub("[token]", text)))
