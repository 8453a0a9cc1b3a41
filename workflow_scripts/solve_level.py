#!/usr/bin/env python3
"""Find the level at which a strategy raises a model's perplexity by as much as was asked."""

import argparse
import json
from pathlib import Path

from memprune.devices.choice import device_class
from memprune.evaluation.variant import Variant, determinants_of, variant_named
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest, weights_of
from memprune.store import entries, source_code
from memprune.variants.names import target_label, variant_name
from memprune.variants.scope import Selection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--magnitudes", type=Path, required=True)
    parser.add_argument("--windows", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the level and every step, written")
    arguments = parse(parser)
    manifest, spec, strategy = read_manifest(arguments.manifest), arguments.spec, arguments.strategy
    selection, increase = Selection(**spec["selection"]), spec["perplexity_increase"]
    device = device_class(spec["evaluation"]["device"])
    dense = Variant("dense", manifest, None, None, arguments.windows, spec["evaluation"])

    def compute(folder: Path) -> None:
        from safetensors.numpy import load_file

        from memprune.evaluation.solve_level import solve_level
        from memprune.variants.compute_mask import make_mask

        magnitudes, threads = load_file(arguments.magnitudes), arguments.threads

        def make_mask_at(level: float, path: Path) -> None:
            make_mask(manifest, magnitudes, selection, level, strategy, threads, path)

        with variant_named(arguments.model, variant_name(strategy, target_label(increase))):
            found = solve_level(dense, make_mask_at, increase, device, threads, folder)
        (folder / "level.json").write_text(json.dumps(found, indent=1) + "\n")

    determinants = {
        "source": source_code.digest(Path(__file__), f"memprune.variants.criteria.{selection.criterion}"),
        "weights": weights_of(manifest),
        "magnitudes": entries.content(arguments.magnitudes),
        "windows": entries.content(arguments.windows),
        "dense": determinants_of(dense, device),
        "selection": spec["selection"],
        "perplexity_increase": increase,
    }
    entries.provide("level", determinants, compute, {"level.json": arguments.output})


run(main)
