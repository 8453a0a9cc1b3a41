#!/usr/bin/env python3
"""Measure the continuations of all variants of a model against what the samples really go on with."""

import argparse
from importlib.metadata import version
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code

# Which decide the measures and their file's bytes.
LIBRARIES = ("pyarrow", "rapidfuzz", "rouge_score", "sacrebleu", "tokenizers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generation", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="measures by variant and sample, written")
    arguments = parse(parser)
    manifest = read_manifest(arguments.manifest)

    def compute(folder: Path) -> None:
        from memprune.metrics.generated.measure_continuations import measure_continuations
        from memprune.models.decoding import text_decoder

        decode = text_decoder(manifest.folder)
        measure_continuations(arguments.generation, arguments.samples, decode, folder / "generation.parquet")

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "inputs": [entries.content(path) for path in (arguments.generation, arguments.samples)],
        "tokenizer": manifest.tokenizer,
        "versions": {name: version(name) for name in LIBRARIES},
    }
    entries.provide("generation_measures", determinants, compute, {"generation.parquet": arguments.output})


run(main)
