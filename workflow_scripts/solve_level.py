#!/usr/bin/env python3
"""Find the level at which a strategy raises a model's perplexity by as much as was asked."""

import argparse
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.evaluation.variant import Variant, determinants_of, variant_named
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.methods.asked import Asked, paths_by_name
from memprune.methods.determinants import determinants_of_change
from memprune.models.manifest import read_manifest
from memprune.store import entries
from memprune.store.fingerprints import unchanged
from memprune.variants.names import target_label, variant_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--before", type=Path, nargs="*", default=[], help="the changes that it stands after")
    parser.add_argument("--inputs", nargs="*", default=[], help="what the method needs: name=path")
    parser.add_argument("--windows", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the level and every step, written")
    arguments = parse(parser)
    spec = arguments.spec
    increase, device = spec["perplexity_increase"], device_class(spec["evaluation"]["device"])
    asked = Asked(
        manifest=read_manifest(arguments.manifest),
        settings=spec["settings"],
        level=0.0,  # each step's own
        strategy=arguments.strategy,
        before=arguments.before,
        inputs=paths_by_name(arguments.inputs),
        threads=arguments.threads,
        device=device,
    )
    dense = Variant("dense", asked.manifest, (), None, arguments.windows, spec["evaluation"])

    def compute(folder: Path) -> None:
        from memprune.evaluation.solve_level import solve_level

        def make_change_at(level: float, path: Path) -> None:
            with unchanged(asked.manifest.weights):
                import_module(spec["modules"][0]).make(replace(asked, level=level), path)

        with variant_named(arguments.model, variant_name(arguments.strategy, target_label(increase))):
            found = solve_level(
                dense, asked.before, make_change_at, increase, device, arguments.threads, folder
            )
        (folder / "level.json").write_text(json.dumps(found, indent=1) + "\n")

    determinants = {
        **determinants_of_change(Path(__file__), asked, spec["modules"]),
        "windows": entries.content(arguments.windows),
        "dense": determinants_of(dense, device),
        "perplexity_increase": increase,
    }
    entries.provide("level", determinants, compute, {"level.json": arguments.output})


run(main)
