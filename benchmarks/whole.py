"""The whole embedded experiment: the workflow, from scratch and after one strategy was changed, against the
script of naive.py.

`python benchmarks/whole.py global 0.3` keeps one strategy at one level, for both.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from cases import ROOT, timed, write_report

CHANGE = {"matrices": "mlp"}  # of the last strategy


def snakemake(folder: Path, *arguments: str) -> None:
    """Run the workflow in a folder of its own, with a store of its own, on all cores."""
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all",
         "--directory", str(folder), "--quiet", "all", "--configfile", "config.yaml", *arguments],
        cwd=folder, env=os.environ | {"MEMPRUNE_STORE": ""}, check=True,
    )  # fmt: skip


def compare(folder: Path, naive: Path) -> str:
    """How many of the script's numbers the workflow's tables have too."""
    theirs = pd.read_csv(naive, keep_default_na=False)
    tables = folder / "results/embedded/tables"
    ours = pd.concat(
        pd.read_csv(tables / name).assign(split=split)
        for name, split in (("memorization.csv", "member"), ("memorization_non_members.csv", "non_member"))
    )
    theirs["level"] = pd.to_numeric(theirs.level, errors="coerce").fillna(0.0)
    keys = ["model", "strategy", "level", "split", "context_length"]
    both = theirs.merge(ours, on=keys, suffixes=("_naive", ""), validate="one_to_one")
    same = (both.extracted_naive == both.extracted).sum()
    off = (both.extracted_naive - both.extracted).abs().max()
    return f"{same} of {len(theirs)} counts are the same, the others differ by {off} at most"


def main() -> None:
    config = yaml.safe_load((ROOT / "config/embedded.yaml").read_text())
    if len(sys.argv) > 1:
        name, level = sys.argv[1], float(sys.argv[2])
        config["strategies"] = {name: config["strategies"][name] | {"levels": [level]}}
    strategies = list(config["strategies"])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "resources").symlink_to(ROOT / "resources")
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        # The setup is the corpus; the draw of samples is part of the workflow, and a gift to the script.
        snakemake(folder, "--until", "build_mini_pile")
        _, scratch_seconds = timed(snakemake, folder)
        command = [sys.executable, str(ROOT / "benchmarks/naive.py"), "--config", "config.yaml"]
        command += ["--samples", "results/embedded/samples", "--output", "naive.csv"]
        _, naive_seconds = timed(lambda: subprocess.run(command, cwd=folder, check=True))
        agreement = compare(folder, folder / "naive.csv")
        config["strategies"][strategies[-1]] |= CHANGE
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        _, changed_seconds = timed(snakemake, folder)
    rows = [
        {
            f"embedded experiment, {', '.join(strategies)}": name,
            "seconds": f"{seconds:.0f}",
            "script / workflow": f"{naive_seconds / seconds:.1f} ×",
        }
        for name, seconds in (
            ("one script", naive_seconds),
            ("workflow, from scratch", scratch_seconds),
            ("workflow, one strategy changed", changed_seconds),
        )
    ]
    raw = {"naive": naive_seconds, "scratch": scratch_seconds, "changed": changed_seconds}
    write_report(
        "whole",
        "The whole experiment",
        rows,
        raw | {"agreement": agreement, "strategies": config["strategies"]},
    )
    print(agreement)


if __name__ == "__main__":
    main()
