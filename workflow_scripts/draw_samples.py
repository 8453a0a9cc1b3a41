#!/usr/bin/env python3
"""Draw samples, windows for perplexity, or text for methods, from a corpus: one draw of several."""

import argparse
import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from memprune.errors import UserError
from memprune.jobs.arguments import parse
from memprune.jobs.script import run
from memprune.models.manifest import read_manifest
from memprune.store import entries, source_code
from memprune.store.fingerprints import check_same, identities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--files", nargs="*", default=[], help="local files that the corpus is read from")
    parser.add_argument(
        "--without", type=Path, nargs="*", default=[], help="draws: neither their documents nor text"
    )
    parser.add_argument("--unlike", type=Path, nargs="*", default=[], help="draws: not text that is in them")
    parser.add_argument("--manifest", type=Path, required=True, help="of the model whose tokenizer is used")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)
    manifest, spec = read_manifest(arguments.manifest), arguments.spec
    kind = spec["corpus"]["source"]
    source = f"memprune.corpus.sources.{kind}"
    files = identities(kind, arguments.files)

    def compute(folder: Path) -> None:
        from memprune.corpus.draw_samples import draw
        from memprune.corpus.draw_text import order_seed
        from memprune.corpus.extract_samples import write_table
        from memprune.corpus.taken import read_taken
        from memprune.models.tokenization import load_tokenizer, prefix_token, tokenizer_fingerprint

        tokenizer = load_tokenizer(manifest.folder)
        if tokenizer_fingerprint(tokenizer) != manifest.tokenizer:
            raise UserError(
                f"{manifest.folder}: the tokenizer's files changed since the model was described; run again"
            )
        needed = {
            "window": spec["window"],
            "offset": spec.get("offset"),
            "vocabulary": manifest.vocabulary,
        }
        order = order_seed(spec["kind"], spec["seed"])
        documents = import_module(source).read(
            spec["corpus"] | needed, arguments.files, spec["split"], order, spec["part"], spec["parts"]
        )
        taken = read_taken(arguments.without, arguments.unlike, spec["window"])
        drawn = draw(documents, tokenizer, spec, taken)
        check_same(kind, files)
        metadata = {
            **{key.decode(): value.decode() for key, value in (drawn.schema.metadata or {}).items()},
            "tokenizer": manifest.tokenizer,
            "source": json.dumps(spec["corpus"], sort_keys=True),
        }
        if spec["seed"] is not None:
            metadata["seed"] = str(spec["seed"])
        if spec["kind"] == "perplexity":
            metadata["prefix_token"] = str(prefix_token(tokenizer))
        write_table(drawn, folder / "draw.parquet", metadata)

    determinants = {
        "source": source_code.digest(Path(__file__), source),
        "tokenizer": manifest.tokenizer,
        "files": files,  # by name: a data set's layout says which file is of which split
        "versions": {name: version(name) for name in ("datasets", "tokenizers", "transformers")},
        **spec,
    }
    for name, draws in (("without", arguments.without), ("unlike", arguments.unlike)):
        if draws:
            determinants[name] = [entries.content(path) for path in draws]
    entries.provide("draw", determinants, compute, {"draw.parquet": arguments.output})


run(main)
