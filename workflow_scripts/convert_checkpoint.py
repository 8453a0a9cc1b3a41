#!/usr/bin/env python3
"""Write a model whose weights are pickled (`pytorch_model.bin`) as a folder with safetensors."""

import argparse
from pathlib import Path

from memprune.disk import folder_written_whole
from memprune.errors import UserError
from memprune.exports.convert_checkpoint import convert_checkpoint
from memprune.jobs.script import run
from memprune.models.fetch_model import fetch_pickled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="local folder, or a repository of the Hub")
    parser.add_argument("--revision", default="main", help="of the repository")
    parser.add_argument("--output", type=Path, required=True, help="new folder, written")
    arguments = parser.parse_args()
    if arguments.output.exists():
        raise UserError(f"{arguments.output}: is there already, expected a new folder")
    source = Path(arguments.model)
    if not source.is_dir():
        source = fetch_pickled(arguments.model, arguments.revision)
    with folder_written_whole(arguments.output) as folder:
        names = convert_checkpoint(source, folder)
    print(f"{arguments.output}: {', '.join(names)}")


run(main)
