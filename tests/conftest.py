"""What all tests share: a store of their own, a stand-in Hub, and a finished run of a small experiment.

It imports nothing heavy, since each process of a run in parallel reads it before it starts.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hub_server import Hub, serve

os.environ["OMP_NUM_THREADS"] = "1"  # tiny models gain nothing by threads, and tests run side by side
FAMILIES = ("gpt_neox", "gpt2", "llama", "opt")  # which differ most
EVERY_FAMILY = (
    *FAMILIES,
    *("bloom", "falcon", "gemma", "gemma2", "gemma3_text", "gpt_neo", "gptj", "mistral", "olmo", "olmo2"),
    *("olmo3", "phi", "qwen2", "qwen3"),
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Tests of named files run in this process: another's start takes longer than most files do."""
    return 0 if config.option.file_or_dir else None


LONGEST = [
    "test_reruns",
    "test_reruns_of_methods",
    "test_damage",
    "test_deaths",
    "test_reruns_of_files",
    "test_odd_machines",
    "test_kills",
    "test_side_by_side",
    "test_embedded",
    "test_reruns_of_texts",
    "test_known_sets",
    "test_solve_level",
    "test_full_disks",
    "test_soak",
    "test_report_bad_input",
    "test_workflow",
    "test_check_gpu",
    "test_transformers_pass",
    "test_any_type",
    "test_conventions",
    "test_counted_duplicates",
    "test_report_browser",
    "test_keys",
    "test_hub",
    "test_progress",
    "test_samples",
    "test_tokens",
    "test_masks",
    "test_decoder",
    "test_layouts",
    "test_grid",
    "test_model_files",
    "test_exports",
    "test_metrics",
    "test_batches",
    "test_tables",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that several processes end at about one time.

    What needs the finished experiment is slow.
    """
    for item in items:
        if "finished" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def own_store(tmp_path_factory):
    """A store for what tests call by themselves; a workflow run by a test has one in its own results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMPRUNE_STORE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture
def hub(tmp_path) -> Iterator[Hub]:
    """A server of the repositories under `tmp_path / "served"`, which a test fills."""
    root = tmp_path / "served"
    root.mkdir()
    with serve(root) as running:
        yield running


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Says which devices nvidia-smi finds, by its lines; no variable names any."""
    answer, command = tmp_path / "answer.txt", tmp_path / "bin/nvidia-smi"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec cat {answer}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)

    def finds(*lines: str) -> None:
        (tmp_path / "next.txt").write_text("".join(f"{line}\n" for line in lines))
        (tmp_path / "next.txt").rename(answer)

    finds()
    return finds


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the project in which the whole small experiment has run; tests copy it before they change it.

    Where strace is installed it wrote down which files were opened, in `trace.txt` beside it.
    """
    from project import copy_project, job_counts, lay_out, snakemake

    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder, jobs = base / "project", base / "jobs.json"
    base.mkdir(exist_ok=True)
    with FileLock(base / "lock"), pytest.MonkeyPatch.context() as patch:  # one of several processes makes it
        if jobs.exists():
            return folder
        patch.delenv("JOB_SERVER", raising=False)
        folder.mkdir()
        copy_project(folder)
        lay_out(folder)
        calls, trace = "trace=open,openat,execve,/clone|fork", base / "trace.txt"
        tracer = ("strace", "--seccomp-bpf", "-f", "-qq", "-s", "9999", "-e", calls, "-o", str(trace))
        tracer = tracer if shutil.which("strace") else ()
        done = snakemake(folder, "--configfile", "tiny.yaml", snakefile=folder / "Snakefile", tracer=tracer)
        assert done.returncode == 0, done.stdout + done.stderr
        jobs.write_text(json.dumps(job_counts(done.stdout + done.stderr)))
    return folder


@pytest.fixture
def project(finished, tmp_path) -> Path:
    """A copy of the finished project, times and links included."""
    return shutil.copytree(finished, tmp_path / "project", symlinks=True)


@pytest.fixture(scope="session")
def job_server(tmp_path_factory) -> Iterator[Path]:
    """Where the server of jobs is asked."""
    from forked_jobs import Jobs

    jobs = Jobs(tmp_path_factory.mktemp("jobs"))
    yield jobs.place
    jobs.close()


@pytest.fixture
def forked_jobs(project, job_server, monkeypatch) -> None:
    """Runs of the finished project fork snakemake and its jobs, which then start at once."""
    from forked_jobs import let_fork

    let_fork(project)
    monkeypatch.setenv("JOB_SERVER", str(job_server))


@pytest.fixture(scope="module")
def all_forked(job_server) -> Iterator[None]:
    """From here on runs of a module fork snakemake, and their jobs in projects that are copied meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOB_SERVER", str(job_server))
        yield
