"""The options that say which variant is scored on what, and how: those of all scripts that score one."""

import argparse
import json
from pathlib import Path

from memprune.evaluation.variant import Variant
from memprune.models.manifest import read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--changes", type=Path, nargs="*", default=[], help="in turn; none: the dense model")
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--windows", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)


def variant_of(arguments: argparse.Namespace) -> Variant:
    """The variant that the options name."""
    return Variant(
        name=arguments.variant,
        manifest=read_manifest(arguments.manifest),
        changes=arguments.changes,
        samples=arguments.samples,
        windows=arguments.windows,
        spec=arguments.spec,
    )
