#!/usr/bin/env python3
"""Compute features of the samples, from their tokens and text alone."""

import argparse
import unicodedata
import zlib
from importlib.metadata import version
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True, help="of the model whose tokenizer is used")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    manifest = read_manifest(arguments.manifest)

    def compute(folder: Path) -> None:
        from memprune.corpus.drawn import read_drawn
        from memprune.corpus.extract_samples import write_table
        from memprune.corpus.features.compute_features import compute_features
        from memprune.models.decoding import text_decoder

        samples = read_drawn(arguments.samples, ["sample", "split", "duplicates"])
        features = compute_features(samples, text_decoder(manifest.folder))
        write_table(features, folder / "features.parquet", {"tokenizer": manifest.tokenizer})

    libraries = {name: version(name) for name in ("pyarrow", "tokenizers")}
    determinants = {
        "source": source_code.digest(Path(__file__)),
        "samples": entries.content(arguments.samples),
        "tokenizer": manifest.tokenizer,
        "versions": {**libraries, "zlib": zlib.ZLIB_RUNTIME_VERSION, "Unicode": unicodedata.unidata_version},
    }
    entries.provide("features", determinants, compute, {"features.parquet": arguments.output})


run(main)
