#!/usr/bin/env python3
"""Put the draws together: members, non-members, samples that are fitted to; and the perplexity windows."""

import argparse
import json
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.store import entries, source_code
from memprune.store.fingerprints import check_same, identities

DRAWN = ("sample", "split", "document", "subset")
ABOUT = ("tokenizer", "source", "seed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=Path, nargs="+", required=True, help="draws, by seed and part")
    parser.add_argument("--non-members", type=Path, nargs="+", required=True, help="draws, by seed")
    parser.add_argument("--fitted", type=Path, nargs="*", default=[], help="draws, by part")
    parser.add_argument("--perplexity", type=Path, required=True, help="draw")
    parser.add_argument("--counts", help="file that tells how often training text stands in the data")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--samples", type=Path, required=True, help="written")
    parser.add_argument("--windows", type=Path, required=True, help="written")
    arguments = parse(parser)
    draws = [*arguments.members, *arguments.non_members, *arguments.fitted, arguments.perplexity]
    counts = identities("files", [arguments.counts] if arguments.counts else [])

    def compute(folder: Path) -> None:
        import pyarrow as pa

        from memprune.corpus.counted_duplicates import with_counts
        from memprune.corpus.drawn import read_drawn
        from memprune.corpus.extract_samples import write_table
        from memprune.corpus.pool_seeds import pool_seeds, seed_of

        members, non_members, fitted = (
            [read_drawn(path, DRAWN, ABOUT) for path in own]
            for own in (arguments.members, arguments.non_members, arguments.fitted)
        )
        windows = read_drawn(arguments.perplexity)
        about = {
            "tokenizer": members[0].schema.metadata[b"tokenizer"],
            "seeds": json.dumps(list(map(seed_of, non_members))),
            "source": members[0].schema.metadata[b"source"],
            "held_out": non_members[0].schema.metadata[b"source"],
        }
        if b"too_short" in members[0].schema.metadata:  # known sequences, which are one part
            too_short = {seed_of(draw): int(draw.schema.metadata[b"too_short"]) for draw in members}
            about["too_short"] = json.dumps(too_short)
        training = [pool_seeds(split) for split in (members, fitted) if split]
        if counts:
            counted, matched = with_counts(pa.concat_tables(training), arguments.counts)
            check_same("files", counts)
            training = [counted.slice(0, len(training[0])), counted.slice(len(training[0]))]
            about["counts"] = json.dumps(matched)
        splits = [training[0], pool_seeds(non_members), *training[1:]]
        samples = pa.concat_tables(splits, promote_options="default")
        write_table(samples, folder / "samples.parquet", about | arguments.spec)
        write_table(windows, folder / "windows.parquet", windows.schema.metadata)

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "draws": [entries.content(draw) for draw in draws],
        **arguments.spec,
        **({"counts": list(counts.values())} if counts else {}),
    }
    outputs = {"samples.parquet": arguments.samples, "windows.parquet": arguments.windows}
    entries.provide("samples", determinants, compute, outputs)


run(main)
