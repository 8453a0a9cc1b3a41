#!/usr/bin/env python3
"""Count a model's magnitudes, matrix by matrix: all that any strategy's thresholds need."""

import argparse
from pathlib import Path

from memprune.jobs.script import run
from memprune.models.manifest import read_manifest, weights_of
from memprune.store import entries, source_code
from memprune.store.fingerprints import unchanged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.manifest)

    def compute(folder: Path) -> None:
        from safetensors.numpy import save_file

        from memprune.methods.criteria import magnitude

        with unchanged(manifest.weights):
            save_file(magnitude.count(manifest, arguments.threads), folder / "magnitudes.safetensors")

    determinants = {"source": source_code.digest(Path(__file__)), "weights": weights_of(manifest)}
    entries.provide("magnitudes", determinants, compute, {"magnitudes.safetensors": arguments.output})


run(main)
