#!/usr/bin/env python3
"""Plot where the zeros of one model's masks lie."""

import argparse
from pathlib import Path

import pandas as pd

from memprune.errors import run
from memprune.figures import sparsity, style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--statistics", type=Path, nargs="+", required=True, help="one table per variant")
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parser.parse_args()
    statistics = {path.stem: pd.read_csv(path) for path in arguments.statistics}
    style.save(sparsity.plot(statistics, arguments.model), arguments.svg, arguments.png)


run(main)
