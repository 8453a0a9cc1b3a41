#!/usr/bin/env python3
"""Plot memorization against perplexity."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from memprune import store
from memprune.arguments import parse
from memprune.errors import run
from memprune.figures.kept import keep_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memorization", type=Path, required=True)
    parser.add_argument("--perplexity", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parse(parser)

    def plot() -> "Figure":
        from memprune.figures import trade_off
        from memprune.frames import read_csv

        memorization = read_csv(arguments.memorization, trade_off.MEMORIZATION)
        perplexity = read_csv(arguments.perplexity, trade_off.PERPLEXITY)
        return trade_off.plot(memorization, perplexity, **arguments.spec)

    content = {
        "tables": [store.content(arguments.memorization), store.content(arguments.perplexity)],
        **arguments.spec,
    }
    keep_figure(Path(__file__), content, plot, (arguments.svg, arguments.png))


run(main)
