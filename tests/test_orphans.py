"""A job ends with the workflow that started it, and one that was started by hand does not."""

import os
import subprocess
import sys

from project import ROOT

JOB = """import sys, time
sys.path.insert(0, {scripts!r})
from memprune.jobs import orphans
from memprune.jobs.script import run
orphans.PAUSE = 0.05

def main():
    time.sleep({seconds})
    open("written", "w").close()

run(main)
"""


def start(folder, seconds: float, **variables: str) -> subprocess.Popen:
    command = [sys.executable, "-c", JOB.format(scripts=str(ROOT / "workflow_scripts"), seconds=seconds)]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | variables, stderr=subprocess.PIPE, text=True
    )


def test_a_job_ends_with_its_workflow(tmp_path):
    workflow = subprocess.Popen(["sleep", "60"])
    job = start(tmp_path, 60, MEMPRUNE_PARENT=str(workflow.pid))
    assert job.poll() is None
    workflow.kill()
    workflow.wait()
    assert job.wait(30) == 1
    assert "error: the workflow that started this job is gone" in job.stderr.read()
    assert not (tmp_path / "written").exists()


def test_a_job_of_a_living_workflow_and_one_without_come_to_their_end(tmp_path):
    for variables in ({"MEMPRUNE_PARENT": str(os.getpid())}, {"MEMPRUNE_PARENT": ""}):
        job = start(tmp_path, 0.2, **variables)
        assert job.wait(30) == 0
        (tmp_path / "written").unlink()
