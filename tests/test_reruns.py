"""Which jobs run and which artefacts are computed after each kind of edit, by the real snakemake.

Edits follow one another on a copy of a finished experiment: what one leaves to do, the next would show.
Counted are the jobs and the new entries of the store: an artefact that is not new was only linked.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from edits import (
    ALL_JOBS,
    NEW_NUMBERS,
    REPORT,
    SPARSITY,
    TABLES,
    WORDS,
    add_model,
    all_of,
    edit,
    edit_comments_docstrings_and_formatting,
    evaluations,
    figures,
    make_edits,
    remove_strategy,
    rename_strategy,
    touch_all,
)
from project import EXPERIMENT, change_config, copy_project, entries, lay_out, run, snakemake

COMPUTE_MASK = "pruned = round(asked.level * sum(region.weights for region in group))"
SETTINGS = {
    "a level added to one strategy, and a metric's settings changed": (
        all_of(
            change_config(strategies__global={"levels": [0.1, 0.3]}),
            change_config(discoverable={"n": [2, 3]}),
        ),
        {"compute_change": 1, "evaluate": 1, "measure": 9} | TABLES,
        {"change": 1, "measures": 9} | evaluations(1) | figures(8),
    ),
    "a strategy's scope changed": (
        change_config(strategies__global={"matrices": "mlp", "levels": [0.1, 0.3]}),
        {"compute_change": 4, "evaluate": 4, "measure": 4} | TABLES | SPARSITY,
        {"change": 4, "measures": 4} | evaluations(4) | figures(10),
    ),
    "a strategy renamed": (
        rename_strategy,
        {"compute_change": 4, "evaluate": 4, "measure": 4} | TABLES | SPARSITY,
        {"measures": 4} | figures(10),
    ),
    "a context length added, and samples from n to 2n": (
        change_config(samples__context_lengths=[10, 20, 30], samples__members=12, samples__non_members=6),
        {"draw_samples": 2, "extract_samples": 1, "compute_features": 1, "evaluate": 9, "measure": 9}
        | TABLES,
        {"draw": 2, "samples": 1, "features": 1, "memorization": 9 * 6, "measures": 9} | figures(8),
    ),
    "a strategy removed, and a model added": (
        all_of(remove_strategy, add_model),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_change": 2, "evaluate": 3, "measure": 3}
        | TABLES
        | {"plot_sparsity": 3},
        {"manifest": 1, "magnitudes": 1, "change": 2, "memorization": 3 * 6, "perplexity": 3, "measures": 3}
        | figures(11),
    ),
    "a published figure corrected": (
        edit("config/published/pile-10k.yaml", "429.345838711649", "429.3458"),
        TABLES,
        NEW_NUMBERS,
    ),
    "a seed added": (
        change_config(seeds=[0, 1]),
        {"draw_samples": 2, "extract_samples": 1, "compute_features": 1, "evaluate": 9, "measure": 9}
        | TABLES,
        {"draw": 2, "samples": 1, "features": 1, "memorization": 9 * 6, "measures": 9} | figures(8),
    ),
    "weights chosen at random added as a control": (
        change_config(strategies__random={"criterion": "random", "levels": [0.3]}),
        {"compute_change": 4, "evaluate": 4, "measure": 4} | TABLES | {"plot_sparsity": 3},
        {"change": 4, "measures": 4, "memorization": 4 * 12, "perplexity": 4} | figures(11),
    ),
}
CODE = {
    "a statistic's code changed, and how a sentence is written": (
        all_of(
            edit("workflow_scripts/memprune/findings/intervals.py", "RESAMPLES = 1999", "RESAMPLES = 1998"),
            edit("workflow_scripts/memprune/findings/words.py", "SIGNIFICANT = 0.05", "SIGNIFICANT = 0.04"),
        ),
        TABLES,
        NEW_NUMBERS,
    ),
    "a sentence's code changed": (
        edit("workflow_scripts/memprune/findings/words.py", "SIGNIFICANT = 0.04", "SIGNIFICANT = 0.03"),
        WORDS,
        {"findings": 1},
    ),
    "the report's code changed, and its page's layout, style and scripts": (
        all_of(
            edit("workflow_scripts/memprune/report/blobs.py", "LEVEL = 9", "LEVEL = 8"),
            edit("workflow_scripts/memprune/report/page/style.css", "max-width: 78rem", "max-width: 77rem"),
        ),
        REPORT,
        {},
    ),
    "what the report shows changed": (change_config(report={"texts": False}), REPORT, {}),
    "a plotting module changed, and mask and metric code rewritten, the same numbers": (
        all_of(
            edit("workflow_scripts/memprune/metrics/matched.py", "greedy, axis=1", "greedy, axis=-1"),
            edit("workflow_scripts/memprune/figures/plot_trade_off.py", "zorder=3", "zorder=4"),
            edit("workflow_scripts/memprune/methods/pooled.py", COMPUTE_MASK, COMPUTE_MASK + " + 0"),
        ),
        {"compute_change": 6, "evaluate": 6, "measure": 8} | TABLES | SPARSITY,
        {"change": 6, "measures": 8, "tables": 1, "figure": 1},
    ),
    "mask code changed, other bits for one strategy": (
        edit(
            "workflow_scripts/memprune/methods/pooled.py",
            COMPUTE_MASK,
            COMPUTE_MASK + " + (len(group) > 7)",
        ),
        {"compute_change": 6, "evaluate": 6, "measure": 6} | TABLES | SPARSITY,
        {"change": 6, "measures": 3} | evaluations(3) | NEW_NUMBERS,
    ),
    "scoring code changed": (
        edit("workflow_scripts/memprune/scoring/batches.py", "LOGIT_ROWS = 1024", "LOGIT_ROWS = 1023"),
        {"evaluate": 8, "measure": 8} | TABLES,
        evaluations(8),
    ),
    "where models are computed changed, comments, docstrings, formatting, and all files touched": (
        all_of(
            edit("workflow_scripts/memprune/devices/batch_size.py", "LARGEST = 2**16", "LARGEST = 2**15"),
            edit("workflow_scripts/memprune/devices/footprint.py", "FREE_SHARE = 0.9", "FREE_SHARE = 0.8"),
            edit("report/figures/frontier.rst", "All variants of all models", "Every variant of every model"),
            edit_comments_docstrings_and_formatting,
            touch_all,
        ),
        {},
        {},
    ),
}


def more_samples_have_shards_of_their_own(project: Path, new: set[str], output: str) -> None:
    shards = [name for name in new if name.startswith("memorization/")]
    rows = Counter(
        pq.read_metadata(project / f"results/.store/{n}/evidence.parquet").num_rows for n in shards
    )
    # Of members and non-members the new ones at the two old context lengths, and all at the new one.
    assert rows == {6: 9 * 2 + 9, 3: 9 * 2, 12: 9}


def what_is_left_over_is_listed_and_kept(project: Path, new: set[str], output: str) -> None:
    assert "left over, no longer in the configuration" in output
    assert "results/tiny/changes/large/first-25@0.2.csv" in output
    assert (project / "results/tiny/scores/small/first-25@0.3.perplexity.parquet").exists()


def the_reason_says_that_the_source_changed(project: Path, new: set[str], output: str) -> None:
    reason = r"Params have changed.* before: 'source: [0-9a-f]{16}' now: 'source: [0-9a-f]{16}'"
    assert re.search(reason, output)


CHECKS = {
    "a context length added, and samples from n to 2n": more_samples_have_shards_of_their_own,
    "a strategy removed, and a model added": what_is_left_over_is_listed_and_kept,
    "a plotting module changed, and mask and metric code rewritten, the same numbers": (
        the_reason_says_that_the_source_changed
    ),
}


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
@pytest.mark.parametrize("edits", [SETTINGS, CODE], ids=["settings", "code"])
def test_each_edit_runs_and_computes_exactly_what_is_stale(project, edits):
    make_edits(project, edits, CHECKS)
    assert run(project)[:2] == ({}, {})


@pytest.mark.slow
def test_a_fresh_clone_with_the_results_moved_in_computes_nothing(finished, tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    copy_project(folder)
    lay_out(folder)
    shutil.copy(finished / "tiny.yaml", folder)
    shutil.copytree(finished / "results", folder / "results", symlinks=True)
    assert run(folder)[:2] == (ALL_JOBS, {})


@pytest.mark.slow
def test_a_killed_job_goes_on_after_its_last_shard(project):
    folder = project
    shutil.rmtree(folder / "results/.store/memorization")
    shutil.rmtree(folder / "results/.store/perplexity")
    edit("workflow_scripts/memprune/scoring/forced_pass.py", "    positions = np.add.outer(",
         "    __import__('time').sleep(1)\n    positions = np.add.outer(")(folder)  # fmt: skip
    target = "results/tiny/scores/small/dense.memorization.parquet"
    (folder / "results/.store/memorization").mkdir()
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "tiny.yaml", "--", target]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"MEMPRUNE_STORE": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while sum(name.startswith("memorization/") for name in entries(folder)) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stored = sum(name.startswith("memorization/") for name in entries(folder))
    assert 2 <= stored < 4
    snakemake(folder, "--configfile", "tiny.yaml", "--unlock", snakefile=folder / "Snakefile")
    jobs, computed, _ = run(folder, "--", target)
    assert (jobs, computed) == ({"evaluate": 1}, {"memorization": 4 - stored, "perplexity": 1})


def test_the_experiment_is_the_one_counted():
    assert len(EXPERIMENT["models"]) == len(EXPERIMENT["strategies"]) == 2
    assert len(EXPERIMENT["samples"]["context_lengths"]) == 2
