#!/usr/bin/env python3
"""Replace some tokens of the samples' prefixes by others."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from memprune.errors import UserError
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True, help="of the model whose tokenizer is used")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    manifest, spec = read_manifest(arguments.manifest), arguments.spec

    def compute(folder: Path) -> None:
        from memprune.corpus.drawn import read_drawn
        from memprune.corpus.extract_samples import write_table
        from memprune.corpus.perturb_prefixes import ordinary_tokens, perturb_prefixes
        from memprune.models.tokenization import load_tokenizer, tokenizer_fingerprint

        tokenizer = load_tokenizer(manifest.folder)
        if tokenizer_fingerprint(tokenizer) != manifest.tokenizer:
            raise UserError(
                f"{manifest.folder}: the tokenizer's files changed since the model was described; run again"
            )
        samples = read_drawn(arguments.samples, ["split", "document"])
        perturbed = perturb_prefixes(samples, ordinary_tokens(tokenizer), **spec)
        write_table(perturbed, folder / "perturbed.parquet", {"tokenizer": manifest.tokenizer})

    determinants = {
        "source": source_code.digest(Path(__file__)),
        "tokenizer": manifest.tokenizer,
        "samples": entries.content(arguments.samples),
        "versions": {name: version(name) for name in ("pyarrow", "tokenizers", "transformers")},
        **spec,
    }
    entries.provide("perturbed_prefixes", determinants, compute, {"perturbed.parquet": arguments.output})


run(main)
