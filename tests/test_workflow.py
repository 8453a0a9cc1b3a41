"""The real snakemake on a very small experiment: whole runs, bad input, the paper's dry run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from project import ROOT, change_config, entries, files_of, job_counts, lay_out, snakemake
from safetensors.torch import load_file, save_file

from memprune.config.experiment import load

pytestmark = pytest.mark.usefixtures("all_forked")

FIGURES = {"plot_trade_off": 1, "plot_context_length": 1, "plot_model_size": 1, "plot_duplicates": 1}
FIGURES |= {"plot_equal_terms": 3, "plot_frontier": 1}
SCORES = Path("results/tiny/scores/large/global@0.5.memorization.parquet")


@pytest.mark.slow
def test_a_whole_run_gives_every_table_and_figure(finished):
    assert json.loads(finished.with_name("jobs.json").read_text()) == FIGURES | {
        "resolve_model": 2,
        "count_magnitudes": 2,
        "compute_change": 2 + 4,
        "draw_samples": 3,
        "extract_samples": 1,
        "compute_features": 1,
        "evaluate": 3 + 5,
        "measure": 3 + 5,
        "aggregate_tables": 1,
        "write_findings": 1,
        "render_report": 1,
        "plot_sparsity": 2,
    }
    assert Counter(name.split("/")[0] for name in entries(finished)) == {
        "manifest": 2, "magnitudes": 2, "change": 6, "draw": 3, "samples": 1, "features": 1,
        "memorization": 8 * 4, "perplexity": 8, "measures": 8, "tables": 1, "findings": 1, "figure": 10,
        "chart_library": 1,
    }  # fmt: skip
    results = finished / "results/tiny"
    memorization = pd.read_csv(results / "tables/memorization.csv")
    assert memorization.columns[:16].to_list() == [
        "model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes", "set",
        "context_length", "extracted", "samples", "fraction", "ci_low", "ci_high", "seed_spread",
        "token_accuracy",
    ]  # fmt: skip
    assert len(memorization) == (3 + 5) * 2
    assert set(memorization.samples) == {6}
    perplexity = pd.read_csv(results / "tables/perplexity.csv")
    assert perplexity.columns.to_list() == [
        "model", "strategy", "level", "target", "sparsity", "removed", "variant_bytes", "dataset",
        "data_split", "revision", "window", "tokens", "documents", "token_perplexity", "word_perplexity",
        "byte_perplexity", "bits_per_byte", "perplexity_ratio", "perplexity_ratio_ci_low",
        "perplexity_ratio_ci_high", "verdict",
    ]  # fmt: skip
    assert list(zip(perplexity.model, perplexity.strategy, perplexity.level, strict=True)) == [
        ("small", "dense", 0.0), ("small", "global", 0.3), ("small", "first-25", 0.3),
        ("large", "dense", 0.0), ("large", "global", 0.2), ("large", "global", 0.5),
        ("large", "first-25", 0.2), ("large", "first-25", 0.5),
    ]  # fmt: skip
    names = ["paired", "at_equal_sparsity", "at_equal_removed", "at_equal_perplexity", "frontier"]
    tables = [f"{name}.{ending}" for name in names for ending in ("csv", "md", "tex")]
    layouts = ["paper_layout.md", "paper_layout.tex", "paper_layout.parquet"]
    for table in (*tables, *layouts, "README.md"):
        assert (results / "tables" / table).stat().st_size > 0
    figures = ["trade_off", "context_length", "model_size", "duplicates", "sparsity_small", "sparsity_large"]
    figures += ["equal_sparsity", "equal_removed", "equal_perplexity", "frontier"]
    assert {p.name for p in (results / "figures").iterdir()} == {
        f"{figure}.{kind}" for figure in figures for kind in ("svg", "png")
    }
    scores = pq.read_table(results / "scores/large/global@0.5.memorization.parquet")
    assert len(scores) == (6 + 3) * 2
    for shard in json.loads(scores.schema.metadata[b"shards"]):
        assert (shard["weights_dtype"], shard["compute_dtype"]) == ("float16", "float32")
        assert (shard["device"], shard["batch_tokens"], shard["residency"]) == ("cpu", "128", "resident")
    assert json.loads(scores.schema.metadata[b"achieved"])["sparsity"] == pytest.approx(0.5, abs=1e-4)
    assert not list(results.rglob("*.tmp"))


@pytest.mark.slow
def test_a_second_run_has_no_job(finished):
    before = files_of(finished)
    again = snakemake(finished, "--configfile", "tiny.yaml")
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr
    assert files_of(finished) == before


@pytest.mark.slow
def test_the_main_table_is_printed(finished):
    results = finished / "results/tiny"
    printed = subprocess.run(
        [sys.executable, ROOT / "workflow_scripts/show_results.py", "--tables", results / "tables",
         "--figures", results / "figures"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"^model +strategy +level +removed +k = 10 +k = 30 +perplexity$", printed, re.MULTILINE)
    assert re.search(r"^small +dense +\d", printed, re.MULTILINE)
    assert "6 member samples" in printed


def remove_safetensors(folder: Path) -> None:
    (folder / "models/large/model.safetensors").rename(folder / "models/large/pytorch_model.bin")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (
            change_config(samples__sufix=9),
            "error: tiny.yaml: samples.sufix: unknown key; nearest known key: suffix; allowed: members",
        ),
        (remove_safetensors, "error: tiny.yaml: models.large: models/large: no safetensors file; found"),
    ],
)
def test_bad_input_that_the_configuration_shows_starts_no_job(spoil, line, tmp_path):
    folder = lay_out(tmp_path)
    spoil(folder)
    run = snakemake(folder, "--configfile", "tiny.yaml")
    assert run.returncode != 0
    assert run.stderr.splitlines()[-1].startswith(line)
    assert "Traceback" not in run.stderr
    assert not (folder / "results").exists()


def spoil_weights(folder: Path) -> None:
    path = folder / "models/large/model.safetensors"
    weights = load_file(path)
    weights["model.layers.1.mlp.up_proj.weight"][0, 0] = torch.inf
    save_file(weights, path, {"format": "pt"})


def spoil_head(folder: Path) -> None:
    path = folder / "models/large/model.safetensors"
    weights = load_file(path)
    weights["lm_head.weight"][:] = torch.nan
    save_file(weights, path, {"format": "pt"})


def spoil_corpus(folder: Path) -> None:
    (folder / "validation.jsonl").write_bytes(b"PAR1 no JSON\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoils", "options", "lines"),
    [
        (
            [spoil_weights, spoil_corpus, change_config(samples__members=39)],
            ["--keep-going"],
            [
                "error: models.large: model.layers.1.mlp.up_proj.weight has weights that are infinite or not",
                "error: validation.jsonl: not a .jsonl file as its name says",
                "error: samples.members: found ",
            ],
        ),
        (
            [spoil_head],
            [],
            [
                "error: models.large, variant dense: context length 10, members of seed 0, rows 0 to 5: "
                "log-probabilities: found a non-finite one at row 0 of those scored, expected finite numbers;"
                " weights that are infinite or not a number in lm_head.weight"
            ],
        ),
    ],
)
def test_bad_input_found_by_jobs_leaves_earlier_results_and_each_line_last(project, spoils, options, lines):
    before = files_of(project)
    for spoil in spoils:
        spoil(project)
    run = snakemake(project, "--configfile", "tiny.yaml", *options)
    assert run.returncode != 0
    said = run.stderr.rpartition("At least one job did not complete successfully.")[2].strip().splitlines()
    assert all(words.startswith("error: ") for words in said), said
    assert all(any(words.startswith(line) for words in said) for line in lines), said
    after = files_of(project)
    assert not [name for name in after if name.endswith(".tmp")]
    tables = [name for name in before if "/tables/" in name or "/figures/" in name]
    assert {name: after.get(name) for name in tables} == {name: before[name] for name in tables}


def scored_otherwise(project: Path, **changed) -> pd.DataFrame:
    """The scores of one variant, scored anew with some of the configuration changed."""
    for kind in ("memorization", "perplexity"):
        shutil.rmtree(project / "results/.store" / kind)
    change_config(**changed)(project)
    run = snakemake(project, "--configfile", "tiny.yaml", "--", str(SCORES))
    assert run.returncode == 0, run.stderr
    return pq.read_table(project / SCORES)


@pytest.mark.slow
def test_a_streamed_model_gives_the_same_scores(finished, project):
    resident = pq.read_table(finished / SCORES)
    streamed = scored_otherwise(project, evaluation__residency="streamed", evaluation__memory=1.0)
    for table, residency in ((streamed, "streamed"), (resident, "resident")):
        shards = json.loads(table.schema.metadata[b"shards"])
        assert {shard["residency"] for shard in shards} == {residency}
    assert streamed.replace_schema_metadata() == resident.replace_schema_metadata()


@pytest.mark.slow
def test_with_the_prefix_as_anchor_one_pass_scores_all_context_lengths(finished, project):
    anchored = scored_otherwise(project, samples__anchor="prefix")
    store = project / "results/.store"
    assert len(list(store.glob("memorization/*/*/entry.json"))) == 2  # members and non-members
    by_sample = [(row["split"], row["sample"], row["context_length"]) for row in anchored.to_pylist()]
    splits = [("member", 6), ("non_member", 3)]
    assert by_sample == [(split, i, k) for split, count in splits for i in range(count) for k in (10, 30)]
    # With the longest context both anchors ask for the same tokens.
    longest = [
        table.to_pandas().query("context_length == 30").reset_index(drop=True)
        for table in (anchored, pq.read_table(finished / SCORES))
    ]
    pd.testing.assert_frame_equal(*longest, rtol=1e-4)


@pytest.mark.slow
def test_the_papers_dry_run_lists_exactly_its_jobs_without_network(tmp_path):
    paper = load(ROOT / "config/paper.yaml")
    variants = sum(len(paper.variants(model)) for model in paper.models)
    run = snakemake(tmp_path, "--configfile", str(ROOT / "config/paper.yaml"), "-n")
    assert run.returncode == 0, run.stderr
    assert variants == 7 * (1 + 5 * 3)
    assert job_counts(run.stdout + run.stderr) == FIGURES | {
        "fetch_model": 7,
        "resolve_model": 7,
        "count_magnitudes": 7,
        "draw_samples": 10 + 2,
        "extract_samples": 1,
        "compute_features": 1,
        "compute_change": variants - 7,
        "evaluate": variants,
        "measure": variants,
        "aggregate_tables": 1,
        "write_findings": 1,
        "render_report": 1,
        "plot_sparsity": 7,
    }
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_dense_models_alone_need_no_masks(tmp_path):
    run = snakemake(tmp_path, "--configfile", str(ROOT / "config/pythia-memorized.yaml"), "-n")
    assert run.returncode == 0, run.stderr
    assert job_counts(run.stdout + run.stderr) == FIGURES | {
        "fetch_model": 8,
        "resolve_model": 8,
        "draw_samples": 3,
        "extract_samples": 1,
        "compute_features": 1,
        "evaluate": 8,
        "measure": 8,
        "aggregate_tables": 1,
        "write_findings": 1,
        "render_report": 1,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "models", "variants"),
    [
        ("pythia-memorized-sequences", 1, 16),
        ("pythia-sampled", 8, 8),
        ("pythia-sampled-deduplicated", 8, 8),
        ("hubble", 2, 8),
        ("my-texts", 1, 1),
    ],
)
def test_known_sequences_are_planned_without_a_network(name, models, variants, tmp_path):
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    run = snakemake(tmp_path, "--configfile", str(ROOT / f"config/{name}.yaml"), "-n")
    assert run.returncode == 0, run.stderr
    counts = job_counts(run.stdout + run.stderr)
    asked = {"fetch_model": models, "draw_samples": 3, "evaluate": variants, "aggregate_tables": 1}
    assert {rule: counts[rule] for rule in asked} == asked


@pytest.mark.slow
def test_targets_by_name(finished):
    for target in ("tables", "figures"):
        run = snakemake(finished, "--configfile", "tiny.yaml", "-n", target)
        assert run.returncode == 0
        assert "Nothing to be done" in run.stdout + run.stderr


@pytest.mark.slow
def test_plan_knows_the_jobs_of_a_run_and_what_it_has_stored(finished):
    done = subprocess.run(
        [sys.executable, ROOT / "workflow_scripts/plan.py", "tiny.yaml"],
        cwd=finished,
        env={key: value for key, value in os.environ.items() if key != "MEMPRUNE_STORE"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    # A manifest, a count and a figure each, then a mask for each pruned variant, and for each variant an
    # evaluation and its measures.
    assert [rows[model][3] for model in ("small", "large", "all")] == ["11", "17", "28"]
    assert [rows[model][-2:] for model in ("small", "large", "all")] == [["100", "%"]] * 3
