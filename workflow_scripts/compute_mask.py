#!/usr/bin/env python3
"""Compute the mask of one strategy at one level, and its table of zeros."""

import argparse
import csv
import json
from pathlib import Path

from memprune.disk import readable
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest, weights_of
from memprune.store import entries, source_code
from memprune.variants.scope import Selection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--magnitudes", type=Path, help="for the criterion of that name")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--level-file", type=Path, help="what solve_level.py found; left out: of the spec")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--mask", type=Path, required=True, help="written")
    parser.add_argument("--statistics", type=Path, required=True, help="written")
    arguments = parse(parser)
    manifest = read_manifest(arguments.manifest)
    level = read_level(arguments.level_file) if arguments.level_file else arguments.spec["level"]
    selection = Selection(**arguments.spec["selection"])

    def compute(folder: Path) -> None:
        from safetensors.numpy import load_file

        from memprune.variants.compute_mask import make_mask, mask_statistics

        counted = load_file(arguments.magnitudes) if arguments.magnitudes else {}
        mask = folder / "mask.safetensors"
        make_mask(manifest, counted, selection, level, arguments.strategy, arguments.threads, mask)
        statistics = mask_statistics(manifest, mask)
        with (folder / "statistics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, statistics[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(statistics)
        zeros, weights = (sum(row[column] for row in statistics) for column in ("zeros", "weights"))
        print(f"{zeros} of {weights} weights are zero")

    determinants = {
        "source": source_code.digest(Path(__file__), f"memprune.variants.criteria.{selection.criterion}"),
        "weights": weights_of(manifest),
        "magnitudes": arguments.magnitudes and entries.content(arguments.magnitudes),
        "selection": arguments.spec["selection"],
        "level": level,
    }
    outputs = {"mask.safetensors": arguments.mask, "statistics.csv": arguments.statistics}
    entries.provide("mask", determinants, compute, outputs)


def read_level(path: Path) -> float:
    """The level that was found; raises UserError for a damaged file."""
    entries.content(path)  # verified before it is read
    with readable(path):
        return json.loads(path.read_text())["level"]


run(main)
