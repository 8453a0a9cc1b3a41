#!/usr/bin/env python3
"""Write the JSON schema of the configuration, which editors use to complete and check YAML files."""

import argparse
import json
from pathlib import Path

from memprune.config.experiment import Config
from memprune.disk import written_whole
from memprune.jobs.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    with written_whole(arguments.output) as temporary:
        temporary.write_text(json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n")


run(main)
