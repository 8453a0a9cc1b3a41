"""What jobs that still run have made so far, which no result uses yet, is not deleted from their store."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memprune.store import entries, running

SCRIPT = Path(__file__).parents[1] / "workflow_scripts/list_store.py"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def clean() -> str:
    """Delete what no result uses, of any age."""
    command = [sys.executable, SCRIPT, "--delete-unused", "0"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def made(store: Path, name: str, age: float = 0) -> Path:
    """An entry that no result uses."""
    entry, found = entries.obtain(name, {}, lambda folder: (folder / "file").write_text("content"))
    assert not found
    os.utime(entry / entries.ENTRY, (time.time() - age, time.time() - age))
    return entry


def test_a_store_keeps_what_was_made_since_a_living_job_began(store):
    new, old = made(store, "thing/1"), made(store, "thing/2", age=3600)
    (store / "tmp/of-this-job").mkdir()
    assert "what is younger than they stays" in clean()
    assert new.exists()
    assert not old.exists()
    assert (store / "tmp/of-this-job").exists()


def test_what_a_job_left_that_is_gone_may_go(store):
    new = made(store, "thing/1")
    gone = subprocess.Popen(["true"])
    gone.wait()
    (job,) = (store / "running").iterdir()
    left = job.rename(job.with_name(job.name.replace(str(os.getpid()), str(gone.pid))))
    assert "Deleted 1 entries" in clean()
    assert not new.exists()
    assert not left.exists()


def test_a_job_of_another_host_counts_as_running_for_a_month(store):
    new = made(store, "thing/1")
    (job,) = (store / "running").iterdir()
    elsewhere = job.rename(job.with_name("another-host-7"))
    assert "another-host-7" in clean()
    assert new.exists()
    began = time.time() - running.LONGEST - 60
    os.utime(elsewhere, (began, began))
    assert "Deleted 1 entries" in clean()


def test_a_job_takes_its_own_notice_away(store):
    code = "from pathlib import Path; from memprune.store import running; running.announce(Path(%r)); %s"
    look = f"print(list(running.jobs_in(Path({str(store)!r}))))"
    variables = os.environ | {"PYTHONPATH": str(SCRIPT.parent)}
    told = subprocess.check_output(
        [sys.executable, "-c", code % (str(store), look)], text=True, env=variables
    )
    assert len(told) > len("[]\n")
    assert list(running.jobs_in(store)) == []
    assert list((store / "running").iterdir()) == []
