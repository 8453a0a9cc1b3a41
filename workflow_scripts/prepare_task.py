#!/usr/bin/env python3
"""Prepare a task of lm-evaluation-harness: the tokens of its requests, and its items."""

import argparse
import json
import tempfile
from importlib.metadata import version
from pathlib import Path

from memprune.corpus.task_files import read_task_file
from memprune.corpus.task_lengths import check_lengths
from memprune.errors import UserError
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code
from memprune.store.fingerprints import identities

LIBRARIES = ("lm_eval", "datasets", "jinja2", "numpy", "tokenizers", "transformers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    defined = parser.add_mutually_exclusive_group(required=True)
    defined.add_argument("--name", help="of a task that lm-evaluation-harness has")
    defined.add_argument("--file", help="that defines a task")
    parser.add_argument(
        "--manifests", type=Path, nargs="+", required=True, help="the first one's tokenizer counts"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    manifests = [read_manifest(path) for path in arguments.manifests]
    first, name = manifests[0], arguments.name or Path(arguments.file).stem
    own = read_task_file(arguments.file) if arguments.file else None
    config = json.loads(json.dumps(own.config, default=str)) if own else None
    files = identities("files", own.data if own else [])

    def compute(folder: Path) -> None:
        from memprune.corpus.extract_samples import write_table
        from memprune.corpus.prepare_task import prepare_named, prepare_own
        from memprune.models.tokenization import load_tokenizer, tokenizer_fingerprint

        tokenizer = load_tokenizer(first.folder)
        if tokenizer_fingerprint(tokenizer) != first.tokenizer:
            raise UserError(
                f"{first.folder}: the tokenizer's files changed since the model was described; run again"
            )
        if own is None:
            table, about = prepare_named(name, tokenizer)
        else:
            with tempfile.TemporaryDirectory() as cache:
                table, about = prepare_own(name, config, Path(cache), tokenizer)
            if identities("files", own.data) != files:
                raise UserError(f"{arguments.file}: its data changed while it was read; run again")
        metadata = {"tokenizer": first.tokenizer, "task": json.dumps(about, sort_keys=True)}
        write_table(table, folder / "task.parquet", metadata)

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "tokenizer": first.tokenizer,
        "name": name,
        "config": config,
        "files": files,
        "versions": {library: version(library) for library in LIBRARIES},
    }
    entries.provide("task", determinants, compute, {"task.parquet": arguments.output})

    check_lengths(arguments.output, manifests)


run(main)
