#!/usr/bin/env python3
"""Draw members, non-members and perplexity windows from a corpus."""

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from memprune import samples
from memprune.documents import Document, read_files, read_hub
from memprune.errors import run
from memprune.manifest import read_manifest
from memprune.tokenization import load_tokenizer


def documents_of(corpus: dict, folder: Path | None, split: str, seed: int) -> Iterable[Document]:
    """The documents of one split in the order of the draw.

    What lies on disk is shuffled as a whole; a data set is a stream too long for that and is read only as far
    as it is needed.
    """
    if corpus["source"] == "hub":
        return read_hub(
            corpus["dataset"],
            corpus["revision"],
            corpus[split],
            corpus["text"],
            seed,
            corpus["shuffle_buffer"],
        )
    files = [str(folder / f"{split}.jsonl.zst")] if corpus["source"] == "embedded" else corpus[split]
    return samples.shuffled(read_files(files), seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--corpus-folder", type=Path, help="where mini-pile lies")
    parser.add_argument("--manifest", type=Path, required=True, help="of the model whose tokenizer is used")
    parser.add_argument("--samples", type=Path, required=True, help="written")
    parser.add_argument("--windows", type=Path, required=True, help="written")
    arguments = parser.parse_args()
    spec, corpus, seed = arguments.spec, arguments.spec["corpus"], arguments.spec["seed"]
    manifest = read_manifest(arguments.manifest)
    tokenizer = load_tokenizer(manifest.folder)
    started = time.perf_counter()

    def documents(split: str) -> Iterable[Document]:
        return documents_of(corpus, arguments.corpus_folder, split, seed)

    train = samples.balanced(documents("train")) if spec["balance_duplicates"] else documents("train")
    members = samples.draw_samples(train, tokenizer, spec["window"], spec["members"], seed, "member")
    non_members = samples.draw_samples(
        documents("test"), tokenizer, spec["window"], spec["non_members"], seed, "non_member"
    )
    windows = samples.draw_windows(
        documents("validation"), tokenizer, spec["perplexity_window"], spec["perplexity_windows"]
    )
    metadata = {
        "tokenizer": manifest.tokenizer,
        "seed": str(seed),
        "source": json.dumps(corpus, sort_keys=True),
        "suffix": str(spec["suffix"]),
    }
    samples.write_samples(pa.concat_tables([members, non_members]), arguments.samples, metadata)
    samples.write_samples(windows, arguments.windows, metadata)
    print(f"{time.perf_counter() - started:.1f} s")


run(main)
