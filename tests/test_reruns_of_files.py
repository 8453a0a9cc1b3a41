"""What an edit of a model's or a corpus's files, and of how they are scored, makes stale.

Tables are asked for after each edit, figures and words after the last one.
"""

import shutil

import pytest
from edits import ALL_JOBS as WITH_FIGURES
from edits import (
    NEW_NUMBERS,
    PERHAPS_NEW_NUMBERS,
    PLOTS,
    SPARSITY,
    WORDS,
    all_of,
    change_model,
    change_prefix_tokens,
    change_tokenizers,
    edit,
    evaluations,
    lose_records_and_change_members,
    make_edits,
    remove_results,
    replace_by_older,
)
from project import change_config, run

UP = "model.layers.1.mlp.up_proj.weight"
TABLES = {"aggregate_tables": 1}
ALL_JOBS = {rule: jobs for rule, jobs in WITH_FIGURES.items() if rule not in WORDS | PLOTS | SPARSITY}
# Fewer variants, since most of these edits concern them all.
FEW_JOBS = ALL_JOBS | {"compute_change": 2, "evaluate": 4, "measure": 4}
FILES = {
    "a strategy and a level removed": (
        change_config(
            strategies={"global": {"levels": [0.3]}}, models__large={"path": "models/large", "levels": [0.2]}
        ),
        TABLES,
        NEW_NUMBERS,
    ),
    "a model's and a corpus's file changed in place": (
        all_of(
            change_model("large", UP),
            lambda folder: (folder / "test.jsonl").write_text((folder / "train.jsonl").read_text()),
        ),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_change": 1, "evaluate": 4, "measure": 4}
        | {"draw_samples": 1, "extract_samples": 1, "compute_features": 1}
        | TABLES,
        {"manifest": 1, "magnitudes": 1, "change": 1, "draw": 1, "samples": 1, "features": 1, "measures": 4}
        | {"memorization": 2 * 4 + 2 * 2, "perplexity": 2}
        | NEW_NUMBERS,
    ),
    "the same files replaced by older ones": (
        all_of(replace_by_older("models/large/model.safetensors"), replace_by_older("test.jsonl")),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_change": 1, "evaluate": 4, "measure": 4}
        | {"draw_samples": 1, "extract_samples": 1, "compute_features": 1}
        | TABLES,
        {},
    ),
    # The first model's tokenizer draws the samples: they and all evaluations are looked up again.
    "the first model's file changed in place": (
        change_model("small", "gpt_neox.layers.1.mlp.dense_h_to_4h.weight"),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_change": 1, "evaluate": 4, "measure": 4}
        | {"draw_samples": 3, "extract_samples": 1, "compute_features": 1}
        | TABLES,
        {"manifest": 1, "magnitudes": 1, "change": 1, "measures": 2} | evaluations(2) | NEW_NUMBERS,
    ),
    "the tokenizers changed": (
        change_tokenizers,
        FEW_JOBS,
        {"manifest": 2, "draw": 3, "samples": 1, "features": 1, "measures": 4} | evaluations(4) | NEW_NUMBERS,
    ),
    "the token that begins a perplexity window changed": (
        change_prefix_tokens,
        FEW_JOBS,
        {"manifest": 2, "draw": 3, "samples": 1, "features": 1, "perplexity": 4, "measures": 4} | NEW_NUMBERS,
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
        {"manifest": 2, "magnitudes": 2, "change": 2} | evaluations(4),
    ),
    "snakemake's records lost, then a setting changed": (
        lose_records_and_change_members,
        FEW_JOBS,
        {"draw": 1, "samples": 1, "features": 1, "memorization": 4 * 2, "measures": 4} | NEW_NUMBERS,
    ),
    "another experiment with the same content": (change_config(experiment="second"), FEW_JOBS, {}),
}


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
def test_each_edit_of_files_runs_and_computes_exactly_what_is_stale(project):
    shutil.copytree(project / "models", project / "backup/models")
    shutil.copy2(project / "test.jsonl", project / "backup")
    make_edits(project, FILES, {}, "--", "tables")
    assert run(project)[0] == WORDS | PLOTS | SPARSITY
    assert run(project)[:2] == ({}, {})
