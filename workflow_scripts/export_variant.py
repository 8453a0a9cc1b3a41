#!/usr/bin/env python3
"""Write a variant of a model as a Hugging Face folder: weights after its changes, tokenizer, card."""

import argparse
import json
from pathlib import Path

from memprune.disk import folder_written_whole, readable
from memprune.exports.card import model_card
from memprune.exports.export_variant import export_variant
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--changes", type=Path, nargs="*", default=[], help="in turn; none: the dense model")
    parser.add_argument("--fetched", type=Path, help="what fetch_model.py wrote; left out: a local model")
    parser.add_argument("--output", type=Path, required=True, help="folder of the export, written")
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.manifest)
    fetched = None
    if arguments.fetched:
        with readable(arguments.fetched):
            fetched = json.loads(arguments.fetched.read_text())
    for change in arguments.changes:
        entries.content(change)  # verified before it is read
    with folder_written_whole(arguments.output) as folder:
        files = export_variant(manifest, arguments.changes, folder)
        card = model_card(manifest, arguments.variant, arguments.changes, fetched, files)
        (folder / "README.md").write_text(card, encoding="utf-8")


run(main)
