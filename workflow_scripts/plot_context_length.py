#!/usr/bin/env python3
"""Plot memorization against context length."""

import argparse
import json
from pathlib import Path

import pandas as pd

from memprune.errors import run
from memprune.figures import context_length, style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memorization", type=Path, required=True)
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)
    arguments = parser.parse_args()
    memorization = pd.read_csv(arguments.memorization)
    figure = context_length.plot(memorization, arguments.spec["models"], arguments.spec["strategies"])
    style.save(figure, arguments.svg, arguments.png)


run(main)
