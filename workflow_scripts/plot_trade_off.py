#!/usr/bin/env python3
"""Plot memorization against perplexity."""

import argparse
import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from memprune.arguments import parse
from memprune.errors import run
from memprune.figures import trade_off
from memprune.figures.kept import keep_figure
from memprune.files import sha256_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memorization", type=Path, required=True)
    parser.add_argument("--perplexity", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parse(parser)
    tables = [arguments.memorization, arguments.perplexity]

    def plot() -> Figure:
        memorization, perplexity = map(pd.read_csv, tables)
        return trade_off.plot(memorization, perplexity, **arguments.spec)

    content = {"tables": [sha256_of(table) for table in tables], **arguments.spec}
    keep_figure(Path(__file__), content, plot, (arguments.svg, arguments.png))


run(main)
