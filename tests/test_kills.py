"""What is killed at any moment, a job or the whole workflow: what was finished stays, the end is the same.

`FAULTS=50` kills as many evaluating jobs, `SEED` says at which moments.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import entries, run
from started_runs import forget_scores, jobs, start, wait_for
from undisturbed import assert_undisturbed

FAULTS = int(os.environ.get("FAULTS", "8"))
SEED = int(os.environ.get("SEED", "0")) or random.randrange(10**6)
LONGEST = 3.0  # seconds of an evaluating job, about, with another beside it


def kill_at_random(
    workflow: subprocess.Popen, project: Path, script: str, chance: random.Random, most: int
) -> int:
    """Kill up to `most` jobs of a workflow, each at a moment of its own, until the workflow ends."""
    due, killed = {}, 0
    while workflow.poll() is None:
        for job in jobs(project, script):
            due.setdefault(job, time.monotonic() + chance.uniform(0, LONGEST))
            if killed < most and time.monotonic() >= due[job] and job.is_running():
                job.kill()
                job.wait()
                killed += 1
        time.sleep(0.02)
    return killed


@pytest.mark.slow
def test_evaluating_jobs_that_are_killed_lose_nothing_that_was_finished(project, finished):
    print(f"SEED={SEED} FAULTS={FAULTS}")
    chance, killed = random.Random(SEED), 0
    while killed < FAULTS:
        forget_scores(project)
        stored = entries(project)
        while killed < FAULTS:
            workflow = start(project, "--keep-going")
            now = kill_at_random(workflow, project, "evaluate.py", chance, FAULTS - killed)
            output = (project / "output.txt").read_text()
            assert workflow.returncode == 0 or now, output  # a job may be killed as it ends
            assert "Traceback" not in output
            assert stored <= entries(project)
            killed, stored = killed + now, entries(project)
            if not now:
                break
    run(project)
    assert_undisturbed(project, finished)


def recover(project: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, project / "workflow_scripts/recover.py"]
    variables = os.environ | {"MEMPRUNE_STORE": ""}
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["SIGKILL", "SIGTERM", "Ctrl-C"])
def test_a_workflow_that_is_ended_goes_on_with_what_is_missing(project, finished, way):
    """After SIGKILL its orphans still write while it is started anew."""
    chance = random.Random(f"{SEED} {way}")
    print(f"SEED={SEED}")
    forget_scores(project)
    workflow = start(project)
    wait_for(workflow, project, "evaluate.py")
    time.sleep(chance.uniform(0, LONGEST))
    stored, group = entries(project), os.getpgid(workflow.pid)
    if way == "Ctrl-C":  # the terminal tells all processes in the foreground
        os.killpg(group, signal.SIGINT)
    else:
        workflow.send_signal(signal.Signals[way])
    workflow.wait(120)
    assert workflow.returncode, (project / "output.txt").read_text()
    assert "Traceback" not in (project / "output.txt").read_text()
    if way == "SIGKILL":
        done = recover(project)
        assert done.returncode == 0, done.stderr
    finished_before = (project / "output.txt").read_text().count("(Rule: evaluate)\n")
    jobs_again, _, _ = run(project)
    assert jobs_again.get("evaluate", 0) <= 8 - finished_before
    assert stored <= entries(project)
    assert_undisturbed(project, finished)
