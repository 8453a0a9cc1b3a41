#!/usr/bin/env python3
"""Count a model's magnitudes, matrix by matrix: all that any strategy's thresholds need."""

import argparse
from pathlib import Path

from safetensors.numpy import save_file

from memprune.errors import run
from memprune.files import written_whole
from memprune.manifest import read_manifest
from memprune.masks import count_magnitudes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.manifest)
    histograms = count_magnitudes(manifest)
    with written_whole(arguments.output) as temporary:
        save_file(histograms, temporary, {"fingerprint": manifest.fingerprint})


run(main)
