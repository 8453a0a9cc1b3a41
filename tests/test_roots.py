"""Which entries of a store are used: by results that are there, and by such as cannot be seen from here."""

import errno
import json
import os
from pathlib import Path

import pytest
from store_entries import provide

from memprune.disk import sha256_of
from memprune.store import entries, roots


@pytest.fixture
def shared(tmp_path, monkeypatch) -> Path:
    """A store that projects share, seen from one of them with a result."""
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "shared"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    provide(b"1", Path("results/a"))
    return tmp_path / "shared"


def move_project(folder: Path, monkeypatch) -> None:
    folder.rename(folder.with_name("elsewhere"))


def unmount_project(folder: Path, monkeypatch) -> None:
    move_project(folder, monkeypatch)
    folder.mkdir()


def be_another_host(folder: Path, monkeypatch) -> None:
    (folder / "results/a").unlink()
    monkeypatch.setattr("socket.gethostname", lambda: "another")


def write_no_host(folder: Path, monkeypatch) -> None:
    """As roots were before they told it."""
    (folder / "results/a").unlink()
    [path] = (entries.folder() / "roots").iterdir()
    about = json.loads(path.read_text())
    path.write_text(json.dumps({"result": about["result"], "entries": about["entries"]}))


@pytest.mark.parametrize("hide", [move_project, unmount_project, be_another_host, write_no_host])
def test_what_cannot_be_seen_counts_as_used(shared, hide, monkeypatch):
    project = Path.cwd()
    monkeypatch.chdir("/")
    hide(project, monkeypatch)
    assert roots.used(shared) == {entry.name for entry in entries.all_entries()} != set()
    assert len(roots.unseen(shared)) == 1


def test_what_was_deleted_where_it_is_seen_is_unused(shared):
    assert roots.used(shared) == {entry.name for entry in entries.all_entries()}
    Path("results/a").unlink()
    Path("results/b").touch()
    assert roots.used(shared) == set()
    assert roots.unseen(shared) == []


def test_a_folder_that_may_not_be_entered_hides_its_results(shared, monkeypatch):
    stat = os.stat

    def refuse(path, **options):
        if "results" in Path(path).parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr("os.stat", refuse)
    assert roots.used(shared) == {entry.name for entry in entries.all_entries()}


def test_hosts_with_one_path_keep_roots_of_their_own(shared, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    provide(b"2", Path("results/a"), {"a": 2})
    assert len(roots.used(shared)) == len(entries.all_entries()) == 2
    monkeypatch.setenv("SLURM_SUBMIT_HOST", "login")
    provide(b"3", Path("results/a"), {"a": 3})
    assert len(list((shared / "roots").iterdir())) == 3
    assert entries.content("results/a") == sha256_of("results/a")
