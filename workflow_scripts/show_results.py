#!/usr/bin/env python3
"""Print the main table, memorization and perplexity per model and strategy, and where the rest lies."""

import argparse
from pathlib import Path

from tabulate import tabulate

from memprune.errors import UserError
from memprune.findings.frames import level_label, read_csv
from memprune.findings.kinds_of_set import samples_in
from memprune.jobs.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--figures", type=Path, required=True)
    arguments = parser.parse_args()
    if not (arguments.tables / "memorization.csv").exists():
        raise UserError(f"{arguments.tables}: no memorization.csv; run snakemake --cores all first")
    keys = ["model", "strategy", "level", "removed"]
    columns = [*keys, "target", "set", "context_length", "fraction", "samples"]
    memorization = read_csv(arguments.tables / "memorization.csv", columns)
    perplexity = read_csv(arguments.tables / "perplexity.csv", [*keys, "target", "token_perplexity"])
    memorization, perplexity = (t.assign(level=level_label(t)) for t in (memorization, perplexity))
    context_lengths = sorted(memorization.context_length.unique())
    fractions = 100 * memorization.pivot_table(
        index=keys, columns="context_length", values="fraction", sort=False
    )
    table = fractions.join(perplexity.set_index(keys).token_perplexity).reset_index()
    table.loc[table.model.duplicated(), "model"] = ""
    table["removed"] = table.removed.map(lambda removed: f"{100 * removed:.1f}" if removed else "")
    table.loc[table.strategy == "dense", "level"] = ""
    samples = int(memorization.samples.max())
    print(
        f"\nMemorization: percent of {samples} {samples_in(memorization)} whose suffix greedy decoding "
        "reproduces from k tokens.\nRemoved: percent of all prunable weights. Perplexity: per token, on "
        "validation text.\n"
    )
    print(
        tabulate(
            table,
            headers=[
                "model",
                "strategy",
                "level",
                "removed",
                *(f"k = {k}" for k in context_lengths),
                "perplexity",
            ],
            showindex=False,
            floatfmt=("", "", "", "", *[".1f"] * len(context_lengths), ".2f"),
            colalign=("left", "left", *["right"] * (len(context_lengths) + 3)),
            disable_numparse=[0, 1, 2, 3],
        )
    )
    results = arguments.tables.parent
    print(f"\nTables:   {arguments.tables}/")
    print(f"Figures:  {arguments.figures}/")
    print(f"In words: {results / 'findings.md'}")
    print(f"Report:   {results / 'report.html'}, to open in a browser")


run(main)
