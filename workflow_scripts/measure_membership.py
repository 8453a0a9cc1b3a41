#!/usr/bin/env python3
"""Measure a variant on whole windows: the scores that tell members from non-members, from its score file."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from zlib import ZLIB_RUNTIME_VERSION

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code

LIBRARIES = ("numpy", "pyarrow", "tokenizers")  # which decide the measures' bytes, as zlib does


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True, help="of the model, whose tokenizer is used")
    parser.add_argument("--reference", type=Path, help="scores of the reference model, dense")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--output", type=Path, required=True, help="measures by sample, written")
    arguments = parse(parser)
    manifest, reference = read_manifest(arguments.manifest), arguments.reference

    def compute(folder: Path) -> None:
        from memprune.metrics.membership.measure_membership import measure_membership
        from memprune.models.decoding import text_decoder

        decode = text_decoder(manifest.folder)
        output = folder / "membership.parquet"
        measure_membership(
            arguments.scores, arguments.samples, reference, decode, arguments.spec["share"], output
        )

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "scores": entries.content(arguments.scores),
        "samples": entries.content(arguments.samples),
        "reference": entries.content(reference) if reference else None,
        "tokenizer": manifest.tokenizer,
        "versions": {name: version(name) for name in LIBRARIES} | {"zlib": ZLIB_RUNTIME_VERSION},
        **arguments.spec,
    }
    entries.provide("membership_measures", determinants, compute, {"membership.parquet": arguments.output})


run(main)
