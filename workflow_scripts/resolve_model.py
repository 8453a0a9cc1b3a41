#!/usr/bin/env python3
"""Describe a model in a manifest: files and their hashes, family, matrices, tokenizer."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from memprune.disk import readable
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.model_files import input_files
from memprune.store import entries, source_code
from memprune.store.fingerprints import fingerprint, unchanged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--folder", type=Path, help="local folder of the model")
    given.add_argument("--fetched", type=Path, help="what fetch_model.py wrote")
    parser.add_argument("--roles", type=json.loads, default={}, help="roles by matrices' names (JSON)")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    place = arguments.folder or fetched_folder(arguments.fetched)
    contents = {str(path): fingerprint(path) for path in input_files(place)}

    def compute(folder: Path) -> None:
        from memprune.models.manifest import write_manifest
        from memprune.models.resolve_model import resolve_model

        with unchanged({Path(path): content for path, content in contents.items()}):
            write_manifest(resolve_model(arguments.name, place, arguments.roles), folder / "manifest.json")

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "name": arguments.name,
        "roles": arguments.roles,
        "files": contents,
        "versions": {name: version(name) for name in ("safetensors", "tokenizers", "transformers")},
    }
    entries.provide("manifest", determinants, compute, {"manifest.json": arguments.output})


def fetched_folder(record: Path) -> Path:
    """Where a model was fetched to, as its record says; raises UserError for a damaged one."""
    entries.content(record)  # verified before it is read
    with readable(record):
        return Path(json.loads(record.read_text())["folder"])


run(main)
