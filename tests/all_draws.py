"""All draws of an experiment by their script, in the order in which they depend on each other."""

import json
import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from memprune.config.experiment import Config
from memprune.planning.draws import all_draws, draw_files, draw_settings, draws_left_out, draws_unlike

SCRIPT = Path(__file__).parents[1] / "workflow_scripts/draw_samples.py"


def run_all_draws(
    config: Config, manifest: Path, folder: Path, kinds: tuple[str, ...]
) -> dict[str, pa.Table]:
    """The tables of an experiment's draws of some kinds, as if there were no others; a store beside them."""
    names = [name for name in all_draws(config) if name.startswith(kinds)]
    for name in names:
        without, unlike = (
            [folder / f"{other}.parquet" for other in others(config, name) if other in names]
            for others in (draws_left_out, draws_unlike)
        )
        arguments = [
            "--spec", json.dumps(draw_settings(config, name)), "--files", *draw_files(config, name),
            "--without", *without, "--unlike", *unlike, "--manifest", manifest,
            "--output", folder / f"{name}.parquet",
        ]  # fmt: skip
        folder.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MEMPRUNE_STORE", str(folder / "store"))
            patch.setattr(sys, "argv", list(map(str, [SCRIPT, *arguments])))
            runpy.run_path(str(SCRIPT), run_name="__main__")
    return {name: pq.read_table(folder / f"{name}.parquet") for name in names}


def documents_of(tables: dict[str, pa.Table], start: str) -> list[str]:
    """The names of the documents of all draws whose name starts so."""
    found = [table["document"].to_pylist() for name, table in tables.items() if name.startswith(start)]
    return [name for own in found for name in own]
