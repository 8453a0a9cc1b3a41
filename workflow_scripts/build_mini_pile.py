#!/usr/bin/env python3
"""Build mini-pile, the embedded corpus: one file for each of train, validation and test."""

import argparse
from collections import Counter
from pathlib import Path

from memprune.jobs.script import run
from memprune.store import entries, source_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="files, named after splits")
    arguments = parser.parse_args()

    def compute(folder: Path) -> None:
        import zstandard

        from memprune.embedded import build_mini_pile

        documents = build_mini_pile.build()
        for path in arguments.output:
            split = path.name.split(".")[0]
            lines = [build_mini_pile.json_line(document) for document in documents if document.split == split]
            (folder / path.name).write_bytes(zstandard.compress(b"".join(lines)))
        counts = Counter((document.split, document.subset) for document in documents)
        for (split, subset), count in sorted(counts.items()):
            print(f"{split}, {subset}: {count} documents")

    determinants = {"source": source_code.digest(Path(__file__))}
    entries.provide("mini-pile", determinants, compute, {path.name: path for path in arguments.output})


run(main)
