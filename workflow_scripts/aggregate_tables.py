#!/usr/bin/env python3
"""Aggregate the scores of all variants into the tables."""

import argparse
import json
from pathlib import Path

import pandas as pd

from memprune import tables
from memprune.errors import run
from memprune.files import written_whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memorization", type=Path, nargs="+", required=True)
    parser.add_argument("--perplexity", type=Path, nargs="+", required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder")
    arguments = parser.parse_args()
    models, strategies = arguments.spec["models"], arguments.spec["strategies"]

    def read(paths: list[Path]) -> pd.DataFrame:
        scores = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
        return tables.in_order(scores, models, strategies)

    scores = read(arguments.memorization)
    members, others = scores[scores.split == "member"], scores[scores.split == "non_member"]
    memorization = tables.memorization_table(members)
    perplexity = tables.perplexity_table(read(arguments.perplexity))
    for name, table in {
        "memorization": memorization,
        "memorization_non_members": tables.memorization_table(others),
        "memorization_by_duplicates": tables.memorization_table(members, ["duplicates"]),
        "memorization_by_subset": tables.memorization_table(members, ["subset"]),
        "paired": tables.paired_table(members),
        "perplexity": perplexity,
    }.items():
        with written_whole(arguments.output / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)

    layout = tables.paper_layout(memorization, perplexity)
    with written_whole(arguments.output / "paper_layout.parquet") as temporary:
        layout.to_parquet(temporary, index=False)
    for kind, suffix in (("markdown", "md"), ("latex", "tex")):
        with written_whole(arguments.output / f"paper_layout.{suffix}") as temporary:
            temporary.write_text(tables.as_text(layout, kind))


run(main)
