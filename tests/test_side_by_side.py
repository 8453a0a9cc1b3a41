"""Runs that share a folder or store; a store that is cleaned and code that is edited while a run goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import entries, run
from started_runs import forget_scores, start, wait_for
from undisturbed import assert_undisturbed, damaged_entries, results

pytestmark = pytest.mark.usefixtures("forked_jobs")


def output(project: Path) -> str:
    return (project / "output.txt").read_text()


@pytest.mark.slow
def test_a_second_run_in_one_folder_is_refused_and_harms_nothing(project, finished):
    forget_scores(project)
    first = start(project)
    wait_for(first, project, "evaluate.py")
    os.killpg(first.pid, signal.SIGSTOP)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
    variables = os.environ | {"MEMPRUNE_STORE": ""}
    second = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "Directory cannot be locked" in second.stdout + second.stderr
    os.killpg(first.pid, signal.SIGCONT)
    assert first.wait() == 0, output(project)
    run(project)
    assert_undisturbed(project, finished)


@pytest.mark.slow
def test_two_runs_in_one_folder_without_its_lock_give_one_result(project, finished):
    """As on a shared disk on which a second host does not see the first one's lock."""
    forget_scores(project)
    runs = [start(project, "--nolock"), start(project, "--nolock")]
    for one in runs:
        one.wait()
    assert "Traceback" not in output(project)
    run(project)
    assert_undisturbed(project, finished)


@pytest.mark.slow
def test_two_experiments_with_one_store_at_once(project, finished, tmp_path):
    forget_scores(project)
    store = tmp_path / "store"
    (project / "results/.store").rename(store)
    other = shutil.copytree(project, tmp_path / "other", symlinks=True)
    runs = [start(folder, MEMPRUNE_STORE=str(store)) for folder in (project, other)]
    assert [one.wait() for one in runs] == [0, 0], output(project) + output(other)
    assert results(project) == results(other) == results(finished)
    assert not damaged_entries(store)
    for folder in (project, other):
        assert start(folder, MEMPRUNE_STORE=str(store)).wait() == 0
        assert "Nothing to be done" in output(folder)


def clean(project: Path) -> None:
    """Delete what no result uses, of any age."""
    command = [sys.executable, project / "workflow_scripts/list_store.py", "--delete-unused", "0"]
    variables = os.environ | {"MEMPRUNE_STORE": ""}
    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_store_that_is_cleaned_while_a_run_uses_it(project, finished):
    forget_scores(project)
    workflow = start(project)
    while workflow.poll() is None:
        clean(project)
        time.sleep(0.5)
    assert "Traceback" not in output(project)
    if workflow.returncode:
        assert output(project).splitlines()[-1].startswith("error: "), output(project)
    run(project)
    assert_undisturbed(project, finished)
    assert entries(project)


@pytest.mark.slow
def test_what_code_made_that_was_edited_meanwhile_does_not_stay(project, finished):
    """Edited while variants are scored, and edited back when the run is over: Snakemake saw neither."""
    forget_scores(project)
    code = project / "workflow_scripts/memprune/findings/intervals.py"
    before = code.read_text()
    assert "RESAMPLES = 1999" in before
    workflow = start(project)
    wait_for(workflow, project, "evaluate.py")
    code.write_text(before.replace("RESAMPLES = 1999", "RESAMPLES = 99"))
    workflow.wait()
    assert results(project) != results(finished)
    code.write_text(before)
    _, _, told = run(project)
    assert "made by code that was edited while its run went on" in told
    run(project)
    assert_undisturbed(project, finished)
