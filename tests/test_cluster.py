"""A real SLURM of two nodes on this machine: one strategy of the embedded experiment, through the profile.

On the way a job is cancelled and a node goes down and comes back; tables are those of a local run.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "results/.store"
SCRIPTS = ROOT / "tests/cluster"
# What a user sets in the profile, for a cluster as small and quick as this one.
OVERRIDES = [
    "--workflow-profile", ROOT / "profiles/slurm", "--jobs", "4", "--cores", "2",
    "--resources", "mem_mb=8000", "gpu=1",
    "--default-resources", "slurm_partition=toy", "mem_mb=1000", "runtime=10",
    "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1",
    "--latency-wait", "10", "--group-components", "models=3", "changes=3", "evaluations=3",
]  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a running SLURM with nodes n1 and n2, each with two CPUs and two toy GPUs."""
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
        try:
            subprocess.run([SCRIPTS / "start.sh", folder, "2", "2", "8000", "2"], check=True)
            yield folder
        finally:
            subprocess.run([SCRIPTS / "stop.sh", folder], check=False)


def lay_out(folder: Path) -> Path:
    """A folder with the embedded experiment: one strategy at one level, its shards in parts."""
    content = yaml.safe_load((ROOT / "config/embedded.yaml").read_text())
    content["strategies"] = {"global": {"levels": [0.3]}}
    content["evaluation"]["shards_per_job"] = 5
    (folder / "resources").symlink_to(ROOT / "resources")
    (folder / "toy.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def snakemake(folder: Path, *arguments: str | Path) -> subprocess.Popen:
    """Start snakemake on the tables of the experiment in `folder`; what it prints goes to a file there."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    return subprocess.Popen(
        [*command, "--configfile", "toy.yaml", *arguments, "--", "tables"],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "MEMPRUNE_STORE": ""},
        stdout=(folder / "output.txt").open("w"),
        stderr=subprocess.STDOUT,
    )


def jobs() -> list[dict[str, str]]:
    """All jobs that SLURM knows, by the keys of `scontrol show job`."""
    shown = subprocess.run(["scontrol", "show", "jobs", "-o"], capture_output=True, text=True, check=True)
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in shown.stdout.splitlines()]


def running_evaluation(process: subprocess.Popen, other_than: str = "") -> dict[str, str]:
    """The first job that scores variants now, once it has begun to."""
    while process.poll() is None:
        for job in jobs():
            is_evaluation = "score_shards" in job.get("Comment", "") and job["JobState"] == "RUNNING"
            if is_evaluation and job["JobId"] != other_than and commands_of(job["JobId"], "score_shards.py"):
                return job
        time.sleep(0.2)
    raise AssertionError("snakemake has ended before")


def commands_of(job: str, name: str = "") -> list[psutil.Process]:
    """The processes of a job of this cluster whose command contains a name."""
    found, folder = [], os.path.dirname(os.environ["SLURM_CONF"])
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            variables = process.environ()
            own = variables.get("SLURM_JOB_ID") == job and folder in variables.get("PATH", "")
            found += [process] if own and name in " ".join(process.cmdline()) else []
    return found


def stop_node(cluster: Path, node: str, job: str) -> None:
    """Take a node away as a loss of power does: its daemon, and the job that it runs."""
    commands = commands_of(job)
    managers = {p for command in commands for p in command.parents() if p.name() == "slurmstepd"}
    os.kill(int((cluster / f"{node}.pid").read_text()), signal.SIGKILL)
    for process in [*managers, *commands]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def visible_gpus(job: str) -> str:
    """CUDA_VISIBLE_DEVICES as a job's scoring process has it."""
    return commands_of(job, "score_shards.py")[0].environ()["CUDA_VISIBLE_DEVICES"]


def tables(folder: Path) -> dict[str, bytes]:
    """The experiment's tables in text."""
    found = (folder / "results/embedded/tables").glob("*.*")
    return {path.name: path.read_bytes() for path in found if path.suffix != ".parquet"}


def test_tables_are_the_same_whatever_happens_to_jobs_and_nodes(cluster, tmp_path_factory):
    local = lay_out(tmp_path_factory.mktemp("local"))
    if DEMO.exists():  # what `make demo` has scored in the same way
        shutil.copytree(DEMO, local / "results/.store", ignore=shutil.ignore_patterns("roots", "tmp"))
    assert snakemake(local, "--cores", "2").wait() == 0, (local / "output.txt").read_text()

    folder = lay_out(tmp_path_factory.mktemp("remote"))
    process = snakemake(folder, *OVERRIDES)
    cancelled = running_evaluation(process)["JobId"]
    assert visible_gpus(cancelled) in ("0", "1")
    subprocess.run(["scancel", cancelled], check=True)

    lost = running_evaluation(process, other_than=cancelled)
    stop_node(cluster, lost["NodeList"], lost["JobId"])
    while f"NodeName={lost['NodeList']} State=DOWN" not in nodes():
        assert process.poll() is None
        time.sleep(0.5)
    subprocess.run(["slurmd", "-N", lost["NodeList"]], check=True)

    assert process.wait() == 0, (folder / "output.txt").read_text()
    states = {job["JobId"]: job for job in jobs()}
    assert states[cancelled]["JobState"] == "CANCELLED"
    assert states[lost["JobId"]]["Restarts"] == "1" or states[lost["JobId"]]["JobState"] == "NODE_FAIL"
    assert "DOWN" not in nodes()
    assert len(tables(local)) > 5
    assert tables(folder) == tables(local)


def nodes() -> str:
    """The nodes and their states, a line each."""
    shown = subprocess.run(["scontrol", "show", "nodes", "-o"], capture_output=True, text=True, check=True)
    return re.sub(r"^(NodeName=\S+).*?(State=[A-Z]+).*$", r"\1 \2", shown.stdout, flags=re.MULTILINE)
