#!/usr/bin/env python3
"""Let all variants of a model continue the contexts of some samples, greedily."""

import argparse
import json
from pathlib import Path

import pyarrow as pa

from memprune.devices.choice import device_class
from memprune.evaluation.evaluate import write_table
from memprune.evaluation.generate import generate
from memprune.evaluation.variant import Variant, variant_named
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--variants", type=json.loads, required=True, help="the changes of each, by its name")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument(
        "--output", type=Path, required=True, help="continuations by variant and sample, written"
    )
    arguments = parse(parser)
    manifest, device = read_manifest(arguments.manifest), device_class(arguments.spec["device"])
    tables, scored, names = [], [], []
    for name, changes in arguments.variants.items():
        print(f"variant: {name}", flush=True)
        variant = Variant(name, manifest, [*map(Path, changes)], arguments.samples, None, arguments.spec)
        with variant_named(arguments.model, name):
            table, shards, entry_names = generate(variant, arguments.model, device, arguments.threads)
        tables.append(table)
        scored += shards
        names += entry_names
    write_table(pa.concat_tables(tables), scored, {}, arguments.output)
    entries.record(arguments.output, names, source_code.digest(Path(__file__)))


run(main)
