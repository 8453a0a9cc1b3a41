"""Which jobs run and which artefacts are computed after each kind of edit, by the real snakemake.

Each test copies a finished experiment with the whole project, edits the copy, runs it, and counts the jobs
and the new entries of the store: an artefact that is not new was only linked.
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
import torch
import yaml
from conftest import tiny_model
from safetensors.torch import load_file, save_file
from test_workflow import EXPERIMENT, ROOT, job_counts, lay_out, snakemake, spoil_config

PROJECT = ("Snakefile", "rules", "workflow_scripts", "profiles", "config")
PLOTS = {"plot_trade_off": 1, "plot_context_length": 1, "plot_model_size": 1, "plot_duplicates": 1}
TABLES = {"aggregate_tables": 1} | PLOTS
SPARSITY = {"plot_sparsity": 2}
# 2 models; dense and 2 strategies at one level; 2 context lengths × members and non-members, and perplexity.
ALL_JOBS = (
    {"resolve_model": 2, "count_magnitudes": 2, "compute_mask": 4, "evaluate": 6}
    | {"draw_samples": 3, "extract_samples": 1}
    | TABLES
    | SPARSITY
)


def evaluations(number: int) -> dict[str, int]:
    """The shards of so many evaluations."""
    return {"memorization": 4 * number, "perplexity": number}


NEW_NUMBERS = {"tables": 1}  # how many figures show them is up to the random models


def figures(number: int) -> dict[str, int]:
    """Tables that differ, and so many figures."""
    return {"tables": 1, "figure": number}


def run(folder: Path, *arguments: str, config: str = "tiny.yaml") -> tuple[dict, dict, str]:
    """Run snakemake on a project: the jobs by rule, the artefacts computed by kind, and the output."""
    before = entries(folder)
    done = snakemake(folder, "--configfile", config, *arguments, snakefile=folder / "Snakefile")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    computed = Counter(name.split("/")[0] for name in entries(folder) - before)
    return job_counts(output), dict(computed), output


def entries(folder: Path) -> set[str]:
    """The names of the store's entries."""
    store = folder / "results/.store"
    return {path.parent.relative_to(store).as_posix() for path in store.rglob("entry.json")}


def copy_project(folder: Path) -> None:
    """The project's files, as a new clone has them."""
    for name in PROJECT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project with a finished experiment."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    folder.mkdir()
    copy_project(folder)
    lay_out(folder)
    spoil_config(models__large={"path": "models/large"})(folder)
    jobs, computed, _ = run(folder)
    assert jobs == ALL_JOBS
    artefacts = {"magnitudes": 2, "draw": 3, "samples": 1, "mask": 4} | evaluations(6) | figures(6)
    assert computed == artefacts
    return folder


@pytest.fixture
def project(finished, tmp_path) -> Path:
    """A copy of the finished project, times and links included."""
    return shutil.copytree(finished, tmp_path / "project", symlinks=True)


def edit(file: str, old: str, new: str):
    """Replace text that stands in a file once."""

    def apply(folder: Path) -> None:
        text = (folder / file).read_text()
        assert text.count(old) == 1, (file, old)
        (folder / file).write_text(text.replace(old, new))

    return apply


def edit_nothing(folder: Path) -> None:
    pass


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
    spoil_config(models__third={"path": "models/third"})(folder)


def change_model(name: str, matrix: str):
    def apply(folder: Path) -> None:
        path = folder / f"models/{name}/model.safetensors"
        weights = load_file(path)
        weights[matrix] = torch.flip(weights[matrix], (0,))
        save_file(weights, path, {"format": "pt"})

    return apply


def remove_results(folder: Path) -> None:
    shutil.rmtree(folder / "results/tiny")


COMPUTE_MASK = "pruned = round(level * sum(matrix.weights for matrix in group))"
EDITS = {
    "none": (edit_nothing, {}, {}),
    "comments, docstrings, formatting": (edit_comments_docstrings_and_formatting, {}, {}),
    "touch": (touch_all, {}, {}),
    "a level added to one strategy": (
        spoil_config(strategies__global={"levels": [0.1, 0.3]}),
        {"compute_mask": 2, "evaluate": 2} | TABLES,
        {"mask": 2} | evaluations(2) | figures(4),
    ),
    "a strategy's scope changed": (
        spoil_config(strategies__global={"matrices": "mlp", "levels": [0.3]}),
        {"compute_mask": 2, "evaluate": 2} | TABLES | SPARSITY,
        {"mask": 2} | evaluations(2) | figures(6),
    ),
    "a strategy renamed": (
        rename_strategy,
        {"compute_mask": 2, "evaluate": 2} | TABLES | SPARSITY,
        figures(6),
    ),
    "a strategy removed": (remove_strategy, TABLES | SPARSITY, figures(6)),
    "a model added": (
        add_model,
        {"resolve_model": 1, "count_magnitudes": 1, "compute_mask": 2, "evaluate": 3}
        | TABLES
        | {"plot_sparsity": 1},
        {"magnitudes": 1, "mask": 2} | evaluations(3) | figures(5),
    ),
    "a context length added": (
        spoil_config(samples__context_lengths=[10, 20, 30]),
        {"evaluate": 6} | TABLES,
        {"memorization": 6 * 2} | figures(4),
    ),
    "samples from n to 2n": (
        spoil_config(samples__members=12, samples__non_members=6),
        {"draw_samples": 2, "extract_samples": 1, "evaluate": 6} | TABLES,
        {"draw": 2, "samples": 1, "memorization": 6 * 4} | figures(4),
    ),
    "mask code rewritten, the same bits": (
        edit("workflow_scripts/memprune/pruning.py", COMPUTE_MASK, COMPUTE_MASK + " + 0"),
        {"compute_mask": 4, "evaluate": 4} | TABLES | SPARSITY,
        {"mask": 4},
    ),
    "mask code changed, other bits for one strategy": (
        edit("workflow_scripts/memprune/pruning.py", COMPUTE_MASK, COMPUTE_MASK + " + (len(group) > 7)"),
        {"compute_mask": 4, "evaluate": 4} | TABLES | SPARSITY,
        {"mask": 4} | evaluations(2) | NEW_NUMBERS,
    ),
    "scoring code changed": (
        edit("workflow_scripts/memprune/footprint.py", "LOGIT_ROWS = 1024", "LOGIT_ROWS = 1023"),
        {"evaluate": 6} | TABLES,
        evaluations(6),
    ),
    "a plotting module changed": (
        edit("workflow_scripts/memprune/figures/trade_off.py", "zorder=3", "zorder=4"),
        {"plot_trade_off": 1},
        {"figure": 1},
    ),
    "a model's file changed in place": (
        change_model("large", "model.layers.1.mlp.up_proj.weight"),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_mask": 2, "evaluate": 3}
        | TABLES
        | {"plot_sparsity": 1},
        {"magnitudes": 1, "mask": 2} | evaluations(3) | NEW_NUMBERS,
    ),
    # The first model's tokenizer draws the samples: they and all evaluations are looked up again.
    "the first model's file changed in place": (
        change_model("small", "gpt_neox.layers.1.mlp.dense_h_to_4h.weight"),
        {"resolve_model": 1, "count_magnitudes": 1, "compute_mask": 2, "evaluate": 6}
        | {"draw_samples": 3, "extract_samples": 1}
        | TABLES
        | {"plot_sparsity": 1},
        {"magnitudes": 1, "mask": 2} | evaluations(3) | NEW_NUMBERS,
    ),
    "results deleted, store kept": (remove_results, ALL_JOBS, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", EDITS)
def test_an_edit_runs_and_computes_exactly_what_is_stale(project, change):
    apply, jobs, computed = EDITS[change]
    apply(project)
    found_jobs, found, output = run(project)
    if "tables" in computed and "figure" not in computed:
        assert 1 <= found.pop("figure") <= 6
    assert (found_jobs, found) == (jobs, computed), output
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
def test_more_samples_add_shards_of_the_new_ones_alone(project):
    before = entries(project)
    spoil_config(samples__members=12, samples__non_members=6)(project)
    run(project)
    new = [name for name in entries(project) - before if name.startswith("memorization/")]
    rows = Counter(pq.read_metadata(project / f"results/.store/{n}/scores.parquet").num_rows for n in new)
    assert rows == {6: 6 * 2, 3: 6 * 2}


@pytest.mark.slow
def test_a_second_experiment_computes_nothing_that_the_first_has(project):
    content = yaml.safe_load((project / "tiny.yaml").read_text()) | {"experiment": "second"}
    (project / "second.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    assert run(project, config="second.yaml")[:2] == (ALL_JOBS, {})


@pytest.mark.slow
def test_what_a_removed_strategy_leaves_is_listed_and_kept(project):
    remove_strategy(project)
    *_, output = run(project)
    assert "left over, no longer in the configuration" in output
    assert "results/tiny/masks/large/first-25@0.3.csv" in output
    assert (project / "results/tiny/scores/small/first-25@0.3.perplexity.parquet").exists()


@pytest.mark.slow
def test_the_reason_says_that_the_source_changed(project):
    edit("workflow_scripts/memprune/figures/trade_off.py", "zorder=3", "zorder=4")(project)
    *_, output = run(project, "-n")
    assert re.search(
        r"Params have changed.* before: 'source: [0-9a-f]{16}' now: 'source: [0-9a-f]{16}'", output
    )


@pytest.mark.slow
def test_a_killed_job_goes_on_after_its_last_shard(finished, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("results", ".snakemake"))
    edit("workflow_scripts/memprune/scoring.py", "    positions = np.add.outer(",
         "    __import__('time').sleep(1)\n    positions = np.add.outer(")(folder)  # fmt: skip
    target = "results/tiny/scores/small/dense.memorization.parquet"
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
