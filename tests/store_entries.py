"""A small artefact in the store."""

from pathlib import Path

from memprune.store import entries


def provide(content: bytes, output: Path, determinants=None, calls=None) -> None:
    """Provide one artefact of one file; `calls` notes each computation."""

    def compute(target: Path) -> None:
        if calls is not None:
            calls.append(target)
        (target / "file").write_bytes(content)

    entries.provide("thing", determinants or {"a": 1}, compute, {"file": output})
