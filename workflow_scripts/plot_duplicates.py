#!/usr/bin/env python3
"""Plot memorization against duplicates in the training data."""

import argparse
import json
from pathlib import Path

import pandas as pd

from memprune.errors import run
from memprune.figures import duplicates, style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--by-duplicates", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parser.parse_args()
    by_duplicates = pd.read_csv(arguments.by_duplicates)
    figure = duplicates.plot(by_duplicates, arguments.spec["models"], arguments.spec["strategies"])
    style.save(figure, arguments.svg, arguments.png)


run(main)
