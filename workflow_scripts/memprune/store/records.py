"""Small JSON records of the store, which tell by themselves whether they are as they were written."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

CHECK = "check"  # the digest of what else is in a record; older versions wrote none


def digest(content: Mapping) -> str:
    """32 digits of the SHA-256 of JSON values in their canonical form."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def write_record(path: Path, content: Mapping) -> None:
    """Write a record of JSON values with its own check."""
    path.write_text(json.dumps({**content, CHECK: digest(content)}, indent=1, sort_keys=True) + "\n")


def read_record(path: Path) -> dict:
    """What a record holds, without its check.

    Raises ValueError for one that is not as it was written, and OSError for one that cannot be read.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"found {type(content).__name__}, expected an object")
    check = content.pop(CHECK, None)
    if check is not None and check != digest(content):
        raise ValueError("its content is not that of its check")
    return content
