#!/usr/bin/env python3
"""Compute the mask of one strategy at one level, and its table of zeros."""

import argparse
import json
from pathlib import Path

from safetensors.numpy import load_file

from memprune.config import Strategy
from memprune.errors import run
from memprune.files import written_whole
from memprune.manifest import read_manifest
from memprune.masks import compute_mask, mask_statistics, write_mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--magnitudes", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--mask", type=Path, required=True, help="written")
    parser.add_argument("--statistics", type=Path, required=True, help="written")
    arguments = parser.parse_args()
    manifest, spec = read_manifest(arguments.manifest), dict(arguments.spec)
    name, level = spec.pop("strategy"), spec.pop("level")
    strategy = Strategy(**spec)

    packed = compute_mask(manifest, load_file(arguments.magnitudes), name, strategy, level)
    write_mask(packed, manifest, name, strategy, level, arguments.mask)
    statistics = mask_statistics(manifest, arguments.mask)
    with written_whole(arguments.statistics) as temporary:
        statistics.to_csv(temporary, index=False)
    print(f"{name} at {level}: {statistics.zeros.sum()} of {statistics.weights.sum()} weights are zero")


run(main)
