#!/usr/bin/env python3
"""Build mini-pile, the embedded corpus: one file for each of train, validation and test."""

import argparse
from collections import Counter
from pathlib import Path

import zstandard

from memprune import mini_pile
from memprune.errors import run
from memprune.files import written_whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder")
    arguments = parser.parse_args()
    documents = mini_pile.build()
    for split in ("train", "validation", "test"):
        lines = [mini_pile.json_line(document) for document in documents if document.split == split]
        with written_whole(arguments.output / f"{split}.jsonl.zst") as temporary:
            temporary.write_bytes(zstandard.compress(b"".join(lines)))
    counts = Counter((document.split, document.subset) for document in documents)
    for (split, subset), count in sorted(counts.items()):
        print(f"{split}, {subset}: {count} documents")


run(main)
