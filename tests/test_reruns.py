"""Which jobs run and which artefacts are computed after each kind of edit, by the real snakemake.

Edits follow one another on a copy of a finished experiment: what one leaves to do, the next would show.
Counted are the jobs and the new entries of the store: an artefact that is not new was only linked.
"""

import json
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
import torch
import yaml
from project import EXPERIMENT, change_config, copy_project, entries, lay_out, run, snakemake
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model

PLOTS = {"plot_trade_off": 1, "plot_context_length": 1, "plot_model_size": 1, "plot_duplicates": 1}
TABLES = {"aggregate_tables": 1} | PLOTS
SPARSITY = {"plot_sparsity": 2}
# 2 models; dense and 2 strategies at one level, at two for the larger model; 2 context lengths × members and
# non-members, and perplexity.
ALL_JOBS = (
    {"resolve_model": 2, "count_magnitudes": 2, "compute_mask": 6, "evaluate": 8, "measure": 8}
    | {"draw_samples": 3, "extract_samples": 1}
    | TABLES
    | SPARSITY
)


def evaluations(number: int) -> dict[str, int]:
    """The shards of so many evaluations."""
    return {"memorization": 4 * number, "perplexity": number}


NEW_NUMBERS = {"tables": 1}  # how many figures show them is up to the random models
PERHAPS_NEW_NUMBERS = {"tables": None}  # up to the processor: its products may round alike


def figures(number: int) -> dict[str, int]:
    """Tables that differ, and so many figures."""
    return {"tables": 1, "figure": number}


def edit(file: str, old: str, new: str):
    """Replace text that stands in a file once."""

    def apply(folder: Path) -> None:
        text = (folder / file).read_text()
        assert text.count(old) == 1, (file, old)
        (folder / file).write_text(text.replace(old, new))

    return apply


def edit_comments_docstrings_and_formatting(folder: Path) -> None:
    for path in folder.joinpath("workflow_scripts").rglob("*.py"):
        text = re.sub(r'"""(?=\w)', '"""Now as before: ', path.read_text())
        path.write_text(f"{text}\n\n# The end.\n" if text else "")
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-q", "--line-length", "70", folder / "workflow_scripts"],
        check=True,
    )
    for path in [folder / "Snakefile", *(folder / "rules").iterdir(), folder / "tiny.yaml"]:
        path.write_text("# A comment.\n\n" + path.read_text() + "\n\n# The end.\n")


def touch_all(folder: Path) -> None:
    time.sleep(0.01)
    for path in folder.rglob("*"):
        if path.is_file() and not {".snakemake", "results"} & set(path.relative_to(folder).parts):
            path.touch()


def all_of(*edits):
    """Several edits that do not touch one another."""

    def apply(folder: Path) -> None:
        for apply_one in edits:
            apply_one(folder)

    return apply


def rename_strategy(folder: Path) -> None:
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    strategies = content["strategies"]
    content["strategies"] = {"everywhere": strategies["global"], "first-25": strategies["first-25"]}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def remove_strategy(folder: Path) -> None:
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    del content["strategies"]["first-25"]
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def add_model(folder: Path) -> None:
    tiny_model("opt", "float16", folder / "models/third", layers=4)
    change_config(models__third={"path": "models/third"})(folder)


def change_model(name: str, matrix: str):
    def apply(folder: Path) -> None:
        path = folder / f"models/{name}/model.safetensors"
        weights = load_file(path)
        weights[matrix] = torch.flip(weights[matrix], (0,))
        save_file(weights, path, {"format": "pt"})

    return apply


def remove_results(folder: Path) -> None:
    shutil.rmtree(folder / "results/tiny")


def replace_by_older(file: str):
    """Replace a file by what it was before the edits, with the time of then, as a backup is restored."""

    def apply(folder: Path) -> None:
        subprocess.run(["cp", "-p", folder / "backup" / file, folder / file], check=True)

    return apply


def edit_json(path: Path, **changed) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def change_tokenizers(folder: Path) -> None:
    """Other ids for the same text, from a file beside tokenizer.json's own vocabulary."""
    for name in ("small", "large"):
        path = folder / f"models/{name}/tokenizer.json"
        edit_json(path, normalizer={"type": "Lowercase"})


def change_prefix_tokens(folder: Path) -> None:
    """Another token, which no text has, begins perplexity windows; samples are the same."""
    for name in ("small", "large"):
        edit_json(folder / f"models/{name}/tokenizer_config.json", bos_token="Ā", eos_token="Ā")


def lose_records_and_change_members(folder: Path) -> None:
    shutil.rmtree(folder / ".snakemake")
    change_config(samples__members=8)(folder)


COMPUTE_MASK = "pruned = round(level * sum(matrix.weights for matrix in group))"
UP = "model.layers.1.mlp.up_proj.weight"
SETTINGS = {
    "a level added to one strategy, and a metric's settings changed": (
        all_of(
            change_config(strategies__global={"levels": [0.1, 0.3]}),
            change_config(discoverable={"n": [2, 3]}),
        ),
        {"compute_mask": 1, "evaluate": 1, "measure": 9} | TABLES,
        {"mask": 1, "measures": 9} | evaluations(1) | figures(4),
    ),
    "a strategy's scope changed": (
        change_config(strategies__global={"matrices": "mlp", "levels": [0.1, 0.3]}),
        {"compute_mask": 4, "evaluate": 4, "measure": 4} | TABLES | SPARSITY,
        {"mask": 4, "measures": 4} | evaluations(4) | figures(6),
    ),
    "a strategy renamed": (
        rename_strategy,
        {"compute_mask": 4, "evaluate": 4, "measure": 4} | TABLES | SPARSITY,
        {"measures": 4} | figures(6),
    ),
    "a context length added, and samples from n to 2n": (
        change_config(samples__context_lengths=[10, 20, 30], samples__members=12, samples__non_members=6),
        {"draw_samples": 2, "extract_samples": 1, "evaluate": 9, "measure": 9} | TABLES,
        {"draw": 2, "samples": 1, "memorization": 9 * 6, "measures": 9} | figures(4),
    ),
    "a strategy removed, and a model added": (
        all_of(remove_strategy, add_model),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_mask": 2, "evaluate": 3, "measure": 3}
        | TABLES
        | {"plot_sparsity": 3},
        {"manifest": 1, "magnitudes": 1, "mask": 2, "memorization": 3 * 6, "perplexity": 3, "measures": 3}
        | figures(7),
    ),
}
CODE = {
    "a plotting module changed, and mask and metric code rewritten, the same numbers": (
        all_of(
            edit("workflow_scripts/memprune/metrics/matched.py", "greedy, axis=1", "greedy, axis=-1"),
            edit("workflow_scripts/memprune/figures/plot_trade_off.py", "zorder=3", "zorder=4"),
            edit("workflow_scripts/memprune/variants/compute_mask.py", COMPUTE_MASK, COMPUTE_MASK + " + 0"),
        ),
        {"compute_mask": 6, "evaluate": 6, "measure": 8} | TABLES | SPARSITY,
        {"mask": 6, "measures": 8, "figure": 1},
    ),
    "mask code changed, other bits for one strategy": (
        edit(
            "workflow_scripts/memprune/variants/compute_mask.py",
            COMPUTE_MASK,
            COMPUTE_MASK + " + (len(group) > 7)",
        ),
        {"compute_mask": 6, "evaluate": 6, "measure": 6} | TABLES | SPARSITY,
        {"mask": 6, "measures": 3} | evaluations(3) | NEW_NUMBERS,
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
            edit_comments_docstrings_and_formatting,
            touch_all,
        ),
        {},
        {},
    ),
}
# Fewer variants, since most of these edits concern them all.
FEW_JOBS = ALL_JOBS | {"compute_mask": 2, "evaluate": 4, "measure": 4}
FILES = {
    "a strategy and a level removed": (
        change_config(
            strategies={"global": {"levels": [0.3]}}, models__large={"path": "models/large", "levels": [0.2]}
        ),
        TABLES | SPARSITY,
        figures(6),
    ),
    "a model's and a corpus's file changed in place": (
        all_of(
            change_model("large", UP),
            lambda folder: (folder / "test.jsonl").write_text((folder / "train.jsonl").read_text()),
        ),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_mask": 1, "evaluate": 4, "measure": 4}
        | {"draw_samples": 1, "extract_samples": 1}
        | TABLES
        | {"plot_sparsity": 1},
        {"manifest": 1, "magnitudes": 1, "mask": 1, "draw": 1, "samples": 1, "measures": 4}
        | {"memorization": 2 * 4 + 2 * 2, "perplexity": 2}
        | NEW_NUMBERS,
    ),
    "the same files replaced by older ones": (
        all_of(replace_by_older("models/large/model.safetensors"), replace_by_older("test.jsonl")),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_mask": 1, "evaluate": 4, "measure": 4}
        | {"draw_samples": 1, "extract_samples": 1}
        | TABLES
        | {"plot_sparsity": 1},
        {},
    ),
    # The first model's tokenizer draws the samples: they and all evaluations are looked up again.
    "the first model's file changed in place": (
        change_model("small", "gpt_neox.layers.1.mlp.dense_h_to_4h.weight"),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_mask": 1, "evaluate": 4, "measure": 4}
        | {"draw_samples": 3, "extract_samples": 1}
        | TABLES
        | {"plot_sparsity": 1},
        {"manifest": 1, "magnitudes": 1, "mask": 1, "measures": 2} | evaluations(2) | NEW_NUMBERS,
    ),
    "the tokenizers changed": (
        change_tokenizers,
        FEW_JOBS,
        {"manifest": 2, "draw": 3, "samples": 1, "measures": 4} | evaluations(4) | NEW_NUMBERS,
    ),
    "the token that begins a perplexity window changed": (
        change_prefix_tokens,
        FEW_JOBS,
        {"manifest": 2, "draw": 3, "samples": 1, "perplexity": 4, "measures": 4} | NEW_NUMBERS,
    ),
    "results deleted, store kept": (remove_results, FEW_JOBS, {}),
    # Evaluations are looked up in the store, in parts first: how weights lie in memory changes no number.
    "residency, memory and shards a job changed": (
        change_config(evaluation__residency="streamed", evaluation__memory=1, evaluation__shards_per_job=3),
        {"score_shards": 2 * 4, "evaluate": 4, "measure": 4} | TABLES,
        {},
    ),
    # Products of other shapes may round otherwise.
    "tokens of a batch changed": (
        change_config(evaluation__batch_tokens=64, evaluation__shards_per_job=None),
        {"evaluate": 4, "measure": 4} | TABLES,
        evaluations(4) | {"measures": 4} | PERHAPS_NEW_NUMBERS,
    ),
    "a helper changed that descriptions, masks and scores share": (
        edit("workflow_scripts/memprune/models/weights.py", "SLICE = 2**20", "SLICE = 2**19"),
        FEW_JOBS,
        {"manifest": 2, "magnitudes": 2, "mask": 2} | evaluations(4),
    ),
    "snakemake's records lost, then a setting changed": (
        lose_records_and_change_members,
        FEW_JOBS,
        {"draw": 1, "samples": 1, "memorization": 4 * 2, "measures": 4} | NEW_NUMBERS,
    ),
    "another experiment with the same content": (change_config(experiment="second"), FEW_JOBS, {}),
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
    assert "results/tiny/masks/large/first-25@0.2.csv" in output
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
@pytest.mark.parametrize("edits", [SETTINGS, CODE, FILES], ids=["settings", "code", "files"])
def test_each_edit_runs_and_computes_exactly_what_is_stale(project, edits):
    shutil.copytree(project / "models", project / "backup/models")
    shutil.copy2(project / "test.jsonl", project / "backup")
    for change, (apply, jobs, computed) in edits.items():
        before = entries(project)
        apply(project)
        found_jobs, found, output = run(project)
        if "tables" in computed and "figure" not in computed:
            assert 0 <= found.pop("figure", 0) <= 7
        if computed.get("tables", 1) is None:
            computed = computed | {"tables": found.setdefault("tables", 0)}
        assert (found_jobs, found) == (jobs, computed), (change, output)
        if change in CHECKS:
            CHECKS[change](project, entries(project) - before, output)
    again = run(project)
    assert again[:2] == ({}, {}), again[2]


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
