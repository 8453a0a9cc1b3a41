#!/usr/bin/env python3
"""Describe a model in a manifest: files and their hashes, family, matrices, tokenizer."""

import argparse
import json
from pathlib import Path

from memprune.arguments import parse
from memprune.errors import run
from memprune.manifest import write_manifest
from memprune.models import resolve_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--folder", type=Path, help="local folder of the model")
    place.add_argument("--fetched", type=Path, help="what fetch_model.py wrote")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    folder = arguments.folder or json.loads(arguments.fetched.read_text())["folder"]
    write_manifest(resolve_model(arguments.name, folder), arguments.output)


run(main)
