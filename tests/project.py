"""A very small experiment in a copy of the project, and the real snakemake run on it."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import yaml
from corpora import documents
from forked_jobs import let_fork, python
from tiny_models import tiny_model

from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model

ROOT = Path(__file__).parents[1]
FILES = ("Snakefile", "rules", "report", "workflow_scripts", "profiles", "config", "pyproject.toml")
EXPERIMENT = {
    "experiment": "tiny",
    "corpus": {"source": "files"},
    "samples": {
        "members": 6,
        "non_members": 3,
        "context_lengths": [10, 30],
        "suffix": 10,
        "perplexity_windows": 4,
        "perplexity_window": 32,
    },
    "models": {"small": {"path": "models/small"}, "large": {"path": "models/large", "levels": [0.2, 0.5]}},
    "strategies": {
        "global": {"levels": [0.3]},
        "first-25": {"layers": "first 25 %", "levels": [0.3]},
    },
    "evaluation": {"batch_tokens": 128},
}

STUB_VARIABLES = {"MANIFEST": "manifest.json", "FOLDER": "model"}  # what stand-ins are told of their model


def copy_project(folder: Path) -> None:
    """The project's files, as a new clone has them; its jobs are forked where `JOB_SERVER` names a server."""
    for name in FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    if "JOB_SERVER" in os.environ:
        let_fork(folder)


def lay_out(folder: Path) -> Path:
    """A folder with two models of unequal depth and family, a corpus, and the configuration."""
    tiny_model("gpt_neox", "float16", folder / "models/small", layers=2)
    tiny_model("llama", "float16", folder / "models/large", layers=4)
    content = EXPERIMENT | {"corpus": {"source": "files"}}
    for number, split in enumerate(["train", "validation", "test"]):
        texts = [d.text for d in documents(120)[number * 40 : number * 40 + 40]]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        content["corpus"][split] = [f"{split}.jsonl"]
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


# With a model from the Hub, a level that is found and scores in parts.
STUB_EXPERIMENT = {
    "experiment": "tiny",
    "corpus": {"source": "embedded"},
    "samples": {"members": 6, "non_members": 3, "context_lengths": [10], "suffix": 10,
                "perplexity_windows": 4, "perplexity_window": 32},
    "models": {"small": {"repo": "someone/small"}},
    "strategies": {"global": {"levels": [0.3, {"perplexity_increase": 0.1}]}},
    "evaluation": {"shards_per_job": 2},
}  # fmt: skip


def lay_out_stubs(folder: Path) -> None:
    """The project with stand-ins for its scripts, which take no time, and a model that counts as fetched."""
    copy_project(folder)
    for script in (folder / "workflow_scripts").glob("*.py"):
        shutil.copy(ROOT / "tests/stub_script.py", script)
        script.chmod(0o755)
    tiny_model("gpt_neox", "float16", folder / "model", layers=2)
    write_manifest(resolve_model("small", folder / "model"), folder / "manifest.json")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(STUB_EXPERIMENT, sort_keys=False))


def snakemake(
    folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile", tracer=(), **variables: str
) -> subprocess.CompletedProcess:
    """Run snakemake on the experiment in `folder` as a user would, offline unless `variables` say so.

    It is forked where its jobs are: see `forked_jobs`.
    """
    return subprocess.run(
        [
            *tracer, *python(), "-m", "snakemake", "--snakefile", str(snakefile), "--directory",
            str(folder), "--cores", "2", *arguments,
        ],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200", "MEMPRUNE_STORE": ""} | variables,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def run(folder: Path, *arguments: str, config: str = "tiny.yaml", **variables: str) -> tuple[dict, dict, str]:
    """Run snakemake on a project: the jobs by rule, the artefacts computed by kind, and the output."""
    before = entries(folder)
    own = folder / "Snakefile"
    done = snakemake(folder, "--configfile", config, *arguments, snakefile=own, **variables)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    computed = Counter(name.split("/")[0] for name in entries(folder) - before)
    return job_counts(output), dict(computed), output


def job_counts(output: str) -> dict[str, int]:
    """The table of jobs that snakemake prints, but for the targets and the total."""
    counts = {name: int(count) for name, count in re.findall(r"^([a-z_]+) +(\d+)$", output, re.MULTILINE)}
    targets = ("all", "tables", "figures", "findings", "report", "total")
    return {name: n for name, n in counts.items() if name not in targets}


def entries(folder: Path) -> set[str]:
    """The names of the store's entries."""
    store = folder / "results/.store"
    return {path.parent.relative_to(store).as_posix() for path in store.rglob("entry.json")}


def files_of(folder: Path) -> dict[str, int]:
    """All result files but logs and benchmarks, with the time of their last change."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted((folder / "results").rglob("*"))
        if path.is_file() and not {"logs", "benchmarks"} & set(path.parts)
    }


def change_config(**changed):
    """Change keys of the configuration, given as part__key."""

    def change(folder: Path) -> None:
        path = folder / "tiny.yaml"
        content = yaml.safe_load(path.read_text())
        for keys, value in changed.items():
            *parents, last = keys.split("__")
            part = content
            for parent in parents:
                part = part[parent]
            part[last] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    return change
