#!/usr/bin/env python3
"""Render the report: one HTML file that needs no network."""

import argparse
import json
from pathlib import Path

from memprune.jobs.arguments import parse
from memprune.jobs.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder")
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parse(parser)

    from memprune.report.render_report import render_report

    config = json.loads(arguments.spec["config"])
    render_report(arguments.results, **{**arguments.spec, "config": config}, output=arguments.output)


run(main)
