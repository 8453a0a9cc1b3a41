#!/usr/bin/env python3
"""Compute the change of one strategy at one level, and its table of zeros."""

import argparse
import csv
import json
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.disk import readable
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.methods.asked import Asked, paths_by_name
from memprune.methods.determinants import determinants_of_change
from memprune.models.manifest import read_manifest
from memprune.store import entries
from memprune.store.fingerprints import unchanged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--before", type=Path, nargs="*", default=[], help="the changes that it stands after")
    parser.add_argument("--inputs", nargs="*", default=[], help="what the method needs: name=path")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--level-file", type=Path, help="what solve_level.py found; left out: of the spec")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--change", type=Path, required=True, help="written")
    parser.add_argument("--zeros", type=Path, required=True, help="written")
    arguments = parse(parser)
    spec = arguments.spec
    asked = Asked(
        manifest=read_manifest(arguments.manifest),
        settings=spec["settings"],
        level=read_level(arguments.level_file) if arguments.level_file else spec["level"],
        strategy=arguments.strategy,
        before=arguments.before,
        inputs=paths_by_name(arguments.inputs),
        threads=arguments.threads,
        device=device_class(spec["device"]) if "device" in spec else "cpu",
    )

    def compute(folder: Path) -> None:
        from memprune.variants.zeros_table import zeros_table

        change = folder / "change.safetensors"
        with unchanged(asked.manifest.weights):
            import_module(spec["modules"][0]).make(replace(asked, unfinished=unfinished), change)
        rows = zeros_table(asked.manifest, [*asked.before, change])
        with (folder / "zeros.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        zeros, weights = (sum(row[column] for row in rows) for column in ("zeros", "weights"))
        print(f"{zeros} of {weights} weights are removed")

    outputs = {"change.safetensors": arguments.change, "zeros.csv": arguments.zeros}
    determinants = determinants_of_change(Path(__file__), asked, spec["modules"])
    unfinished = entries.unfinished(determinants)
    entries.provide("change", determinants, compute, outputs)
    shutil.rmtree(unfinished, ignore_errors=True)


def read_level(path: Path) -> float:
    """The level that was found; raises UserError for a damaged file."""
    entries.content(path)  # verified before it is read
    with readable(path):
        return json.loads(path.read_text())["level"]


run(main)
