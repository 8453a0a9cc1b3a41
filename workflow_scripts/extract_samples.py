#!/usr/bin/env python3
"""Draw members, non-members and perplexity windows from a corpus."""

import argparse
import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from memprune import sources, store
from memprune.errors import run
from memprune.fingerprints import fingerprint
from memprune.manifest import read_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--files", nargs="*", default=[], help="local files that the corpus is read from")
    parser.add_argument("--manifest", type=Path, required=True, help="of the model whose tokenizer is used")
    parser.add_argument("--samples", type=Path, required=True, help="written")
    parser.add_argument("--windows", type=Path, required=True, help="written")
    arguments = parser.parse_args()
    manifest, spec = read_manifest(arguments.manifest), arguments.spec
    source = f"memprune.corpora.{spec['corpus']['source']}"

    def compute(folder: Path) -> None:
        from memprune.samples import draw, write_samples
        from memprune.tokenization import load_tokenizer

        corpus = import_module(source)
        tables = draw(
            lambda split: corpus.read(spec["corpus"], arguments.files, split, spec["seed"]),
            load_tokenizer(manifest.folder),
            spec,
        )
        metadata = {
            "tokenizer": manifest.tokenizer,
            "seed": str(spec["seed"]),
            "source": json.dumps(spec["corpus"], sort_keys=True),
            "suffix": str(spec["suffix"]),
        }
        for name, table in tables.items():
            write_samples(table, folder / f"{name}.parquet", metadata)

    determinants = {
        "source": sources.digest(Path(__file__), source),
        "tokenizer": manifest.tokenizer,
        "files": [fingerprint(file) for file in arguments.files],
        "versions": {name: version(name) for name in ("datasets", "tokenizers")},
        **spec,
    }
    outputs = {"samples.parquet": arguments.samples, "windows.parquet": arguments.windows}
    store.provide("samples", determinants, compute, outputs)


run(main)
