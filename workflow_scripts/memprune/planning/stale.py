"""Results that Snakemake takes for up to date and that are not.

Snakemake asks whether a target's inputs are newer than it. It does not ask for a file in the middle of the
chain that a death has taken while what was made from it still stands, nor for results without a record (moved
or restored ones), and it goes by the time of what a link points to, which is as old as the store's entry.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from memprune.config.experiment import Config, Corpus
from memprune.corpus.local_files import local_files
from memprune.disk import UNREADABLE
from memprune.errors import UserError
from memprune.models.manifest import unverified_manifest
from memprune.models.model_files import missing_files
from memprune.planning import paths
from memprune.planning.draws import all_draws, corpus_of
from memprune.store import entries, roots
from memprune.store.fingerprints import fingerprint, identities

InputsOf = Callable[[str], Sequence[str] | None]


def stale_results(results: Iterable[str], inputs_of: InputsOf) -> dict[str, str]:
    """Those of some results that exist and are to be made again, with the reason in words.

    `inputs_of(result)` gives the paths that Snakemake recorded as its inputs, None if it has no record of it.
    """
    found = {path: reason(path, inputs_of(path)) for path in results if os.path.lexists(path)}
    return {path: why for path, why in found.items() if why}


def reason(result: str, inputs: Sequence[str] | None) -> str | None:
    """Why a result is stale, None if it is not."""
    if inputs is None:
        return "Snakemake has no record of it"
    made = os.lstat(result).st_mtime_ns
    for path in inputs:
        if not os.path.exists(path):
            return f"{path}, from which it was made, is missing"
        if os.path.islink(path) and os.lstat(path).st_mtime_ns > made:
            return f"{path}, from which it is made, is another since"
    return None


def set_back(results: Iterable[str]) -> int:
    """Set the times of results that lie in the future to now; how many there were.

    A clock that was wrong has left them. Snakemake fails every job that makes something from them, until
    their time has come.
    """
    now, found = time.time_ns(), set()
    for path in map(Path, results):
        for file in {path, path.resolve()} if path.exists() else ():
            if file.lstat().st_mtime_ns > now:
                with suppress(OSError):  # another user's entry
                    os.utime(file, ns=(now, now), follow_symlinks=False)
                    found.add(path)
    return len(found)


def changed_sources(config: Config) -> dict[str, str]:
    """Manifests and draws whose local files have changed, and models that have left the Hub's cache."""
    results, found = paths.results_of(config), {}
    for name, model in config.models.items():
        manifest, record = paths.manifest(results, name), paths.fetched(results, name)
        if model.repo is not None and os.path.exists(record):
            found[record] = no_longer_fetched(record)
        if os.path.exists(manifest):
            found[manifest] = changed_model(manifest)
    for described in filter(os.path.exists, paths.all_checkpoints(config)):
        found[described] = changed_model(described)
    for name in all_draws(config):
        draw = paths.draw(results, name)
        if os.path.exists(draw):
            found[draw] = changed_corpus(draw, *corpus_of(config, name))
    return {path: why for path, why in found.items() if why}


def changed_model(manifest: str) -> str | None:
    """Why a manifest no longer describes its model: a file whose content differs, whatever its time says."""
    try:
        described = unverified_manifest(manifest)
    except UserError:
        return "it cannot be read"
    for name, content in described.hashes.items():
        path = Path(described.folder) / name
        if not path.exists():
            return f"{path} is missing"
        if fingerprint(path) != content:
            return f"{path} has changed"
    return None


def no_longer_fetched(record: str) -> str | None:
    """Why a record of having fetched a model is stale: the model's files have left the Hub's cache."""
    try:
        folder = json.loads(Path(record).read_text())["folder"]
    except UNREADABLE:
        return "it cannot be read"
    missing = missing_files(folder)
    return f"{folder} lacks {', '.join(missing)}" if missing else None


def changed_corpus(draw: str, corpus: Corpus, split: str) -> str | None:
    """Why a draw is no longer that of its local files: their content differs, whatever their times say.

    What the store does not tell counts as unchanged: then Snakemake's comparison of times is all there is.
    """
    files = local_files(corpus, split)
    if not all(map(os.path.exists, files)):
        return None  # what is missing is another reason
    recorded = []
    for root in roots.of_result(entries.folder(), Path(draw)):
        with suppress(*UNREADABLE):
            recorded += [entries.determinants(name)["files"] for name in root.entries]
    if recorded and identities(corpus.source, files) not in recorded:
        return "the files of its corpus have changed"
    return None
