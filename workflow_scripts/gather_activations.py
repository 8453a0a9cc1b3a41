#!/usr/bin/env python3
"""Gather how large the inputs of each matrix of a variant are on calibration text."""

import argparse
import json
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.methods.asked import Asked
from memprune.methods.determinants import determinants_of_change
from memprune.models.manifest import read_manifest
from memprune.store import entries
from memprune.store.fingerprints import unchanged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--changes", type=Path, nargs="*", default=[], help="the variant's")
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    asked = Asked(
        manifest=read_manifest(arguments.manifest),
        settings={},
        level=0.0,
        strategy=arguments.variant,
        before=arguments.changes,
        inputs={"calibration": arguments.calibration},
        threads=arguments.threads,
        device=device_class(arguments.spec["device"]),
    )

    def compute(folder: Path) -> None:
        from memprune.methods.gather_activations import gather_activations

        with unchanged(asked.manifest.weights):
            gather_activations(asked, folder / "activations.safetensors")

    determinants = determinants_of_change(Path(__file__), asked, ())
    entries.provide("activations", determinants, compute, {"activations.safetensors": arguments.output})


run(main)
