"""Edits of a finished experiment, and what each makes stale: the jobs that run, what they compute."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import yaml
from project import change_config, entries, run
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model

PLOTS = {"plot_trade_off": 1, "plot_context_length": 1, "plot_model_size": 1, "plot_duplicates": 1} | {
    "plot_equal_terms": 3,
    "plot_frontier": 1,
}
REPORT = {"render_report": 1}
WORDS = {"write_findings": 1} | REPORT
TABLES = {"aggregate_tables": 1} | WORDS | PLOTS
SPARSITY = {"plot_sparsity": 2}
# 2 models; dense and 2 strategies at one level, at two for the larger model; 2 context lengths × members and
# non-members, and perplexity.
ALL_JOBS = (
    {"resolve_model": 2, "count_magnitudes": 2, "compute_change": 6, "evaluate": 8, "measure": 8}
    | {"draw_samples": 3, "extract_samples": 1, "compute_features": 1}
    | TABLES
    | SPARSITY
)


def evaluations(number: int) -> dict[str, int]:
    """The shards of so many evaluations."""
    return {"memorization": 4 * number, "perplexity": number}


NEW_NUMBERS = {"tables": 1}  # how many figures show them is up to the random models
PERHAPS_NEW_NUMBERS = {"tables": None}  # up to the processor: its products may round alike


def figures(number: int) -> dict[str, int]:
    """Tables that differ, what they say in words, and so many figures."""
    return {"tables": 1, "findings": 1, "figure": number}


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


def make_edits(
    project: Path, edits: Mapping[str, tuple], checks: Mapping[str, Callable], *targets: str
) -> None:
    """Make one edit after the other, each with a run after it, of which jobs and artefacts are counted.

    An edit is a function of the project, the jobs by rule, and the new entries of the store by kind.
    """
    for change, (apply, jobs, computed) in edits.items():
        before = entries(project)
        apply(project)
        found_jobs, found, output = run(project, *targets)
        if "tables" in computed and "figure" not in computed:
            assert 0 <= found.pop("figure", 0) <= 11
            assert 0 <= found.pop("findings", 0) <= 1
        if computed.get("tables", 1) is None:
            computed = computed | {"tables": found.setdefault("tables", 0)}
        assert (found_jobs, found) == (jobs, computed), (change, output)
        if change in checks:
            checks[change](project, entries(project) - before, output)
