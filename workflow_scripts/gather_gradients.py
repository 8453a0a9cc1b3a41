#!/usr/bin/env python3
"""Gather the gradients of a variant's losses, on samples that methods may be fitted to and on other text."""

import argparse
import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.methods.read_tokens import read_fitted, read_texts
from memprune.models.manifest import read_manifest, weights_of
from memprune.store import entries, source_code
from memprune.store.fingerprints import unchanged
from memprune.variants.changes import change_digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--changes", type=Path, nargs="*", default=[], help="the variant's")
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True, help="draw of other text")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    manifest, device = read_manifest(arguments.manifest), device_class(arguments.spec["device"])
    for path in (*arguments.changes, arguments.samples):
        entries.content(path)  # verified before it is read
    tokens, suffix = read_fitted(arguments.samples)

    def compute(folder: Path) -> None:
        from memprune.methods.gather_gradients import gather

        others, output = read_texts(arguments.calibration), folder / "gradients.safetensors"
        with unchanged(manifest.weights):
            gather(manifest, arguments.changes, (tokens, suffix), others, device, arguments.threads, output)

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "weights": weights_of(manifest),
        "architecture": asdict(manifest.architecture),
        "changes": [change_digest(change) for change in arguments.changes],
        # Of these samples alone: members may be added to the file.
        "fitted": {"tokens": hashlib.sha256(tokens.tobytes()).hexdigest(), "samples": len(tokens)},
        "suffix": suffix,
        "calibration": entries.content(arguments.calibration),
        "device": device,
        "torch": version("torch"),
        "transformers": version("transformers"),  # whose model is differentiated
    }
    entries.provide("gradients", determinants, compute, {"gradients.safetensors": arguments.output})


run(main)
