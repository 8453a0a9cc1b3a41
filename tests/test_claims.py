"""What a running job uses is not deleted from the store: what it claims, the folder that it computes in."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import ROOT

from memprune.store import claims, deletion, entries
from memprune.store.deletion import abandoned, delete

NAME = "thing/1"

KILLED = """
import os, signal
from memprune.store import entries

entries.obtain("thing/1", {}, lambda folder: (folder / "file").write_text("1"))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(claims, "HELD", {})
    return tmp_path / "store"


def obtain() -> None:
    """Use an entry for a result that is not written yet."""
    entries.obtain(NAME, {}, lambda folder: (folder / "file").write_text("1"))


def delete_unused() -> str:
    """What another process that deletes says."""
    command = [sys.executable, ROOT / "workflow_scripts/list_store.py", "--delete-unused", "0"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def names() -> list[str]:
    return [entry.name for entry in entries.all_entries()]


def test_what_a_running_job_uses_stays_until_its_result_is_gone(store):
    for _ in ("computed", "found"):
        obtain()
        assert "Deleted 0 entries" in delete_unused()
        Path("result").touch()
        entries.record(Path("result"), [NAME])
        assert not list((store / "claims").iterdir())
        assert "Deleted 0 entries" in delete_unused()
        Path("result").unlink()
    assert "Deleted 1 entries" in delete_unused()
    assert names() == []


def test_a_job_that_is_gone_uses_nothing(store):
    paths = {"PYTHONPATH": f"{ROOT}/workflow_scripts"}
    subprocess.run([sys.executable, "-c", KILLED], check=False, env=os.environ | paths)
    assert names() == [NAME]
    assert len(list((store / "claims").iterdir())) == 1
    assert "Deleted 1 entries" in delete_unused()
    assert not list((store / "claims").iterdir())


@pytest.mark.parametrize(("days", "left"), [(29, []), (31, [NAME])])
def test_a_claim_of_another_host_counts_for_a_month(store, days, left):
    obtain()
    [own] = (store / "claims").iterdir()
    other = own.rename(own.with_name("elsewhere-1-claims"))
    written = time.time() - days * 24 * 3600
    os.utime(other, (written, written))
    assert delete([NAME]) == left


def test_what_a_job_begins_to_use_after_it_was_listed_is_put_back(store):
    obtain()
    claims.release(store, [NAME])
    assert NAME not in deletion.used()
    obtain()
    assert delete([NAME]) == []
    assert names() == [NAME]
    entries.record(Path(__file__), [NAME])
    assert delete([NAME]) == []
    assert entries.is_whole(store / NAME)


def test_a_running_jobs_folders_are_not_abandoned(store):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own, gone = (f"{socket.gethostname()}-{process}-1" for process in (os.getpid(), ended.pid))
    for name in (own, gone, "unfinished-1", "unfinished-2"):
        (store / "tmp" / name).mkdir(parents=True)
    claims.claim(store, NAME)
    assert {Path(name).name for name in abandoned(0)} == {gone, "unfinished-2"}
