"""The store: computed once, verified, moved with results, shared by processes, its errors explained."""

import errno
import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import save_file
from store_entries import provide

from memprune.disk import sha256_of, written_whole
from memprune.errors import UserError
from memprune.evaluation import shards
from memprune.planning.preflight import check_store
from memprune.store import entries, roots
from memprune.store.fingerprints import fingerprint, unchanged

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty store within results, as the default is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMPRUNE_STORE", "results/.store")
    return tmp_path / "results/.store"


@given(st.dictionaries(st.text(max_size=3), JSON), st.dictionaries(st.text(max_size=3), JSON))
def test_a_name_tells_the_determinants(one, other):
    assert entries.digest(one) == entries.digest(dict(reversed(one.items())))
    if repr(sorted(one.items())) != repr(sorted(other.items())) and one != other:
        assert entries.digest(one) != entries.digest(other)


def test_an_entry_records_what_computing_it_took_and_not_what_finding_it_took(folder):
    def compute(target: Path) -> None:
        time.sleep(0.05)
        (target / "file").write_text("1")

    for output in ("results/one", "results/two"):
        entries.provide("thing", {"a": 1}, compute, {"file": Path(output)})
    (entry,) = entries.all_entries()
    recorded = entries.recorded(entry.name)
    assert recorded.keys() == {"determinants", "files", "seconds"}
    assert recorded["seconds"] >= 0.05


@pytest.mark.parametrize("size", [10, entries.COPIED + 1])
def test_what_is_stored_is_not_computed_again(folder, size):
    calls, content = [], os.urandom(size)
    provide(content, Path("results/one/a"), calls=calls)
    provide(content, Path("results/two/b"), calls=calls)
    assert len(calls) == 1
    assert Path("results/one/a").read_bytes() == Path("results/two/b").read_bytes() == content
    assert Path("results/two/b").is_symlink() == (size > entries.COPIED)
    provide(content, Path("results/one/a"), {"a": 2}, calls)
    assert len(calls) == 2
    assert not list((folder / "tmp").iterdir())


def test_results_move_with_their_store(folder, tmp_path):
    provide(b"x" * (entries.COPIED + 1), Path("results/one/a"))
    Path("results").rename(tmp_path / "moved")
    assert (tmp_path / "moved/one/a").read_bytes().startswith(b"xx")


def test_an_absolute_store_is_linked_absolutely(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "shared"))
    provide(b"x" * (entries.COPIED + 1), Path("results/one/a"))
    assert os.readlink("results/one/a").startswith(str(tmp_path / "shared/thing"))
    assert roots.used(entries.folder()) == {entry.name for entry in entries.all_entries()}


def test_a_computation_that_fails_leaves_nothing(folder):
    def fail(target: Path) -> None:
        (target / "file").write_bytes(b"half")
        raise UserError("no")

    with pytest.raises(UserError, match=r"^no$"):
        entries.provide("thing", {}, fail, {"file": Path("results/a")})
    assert not Path("results/a").exists()
    assert entries.all_entries() == []
    assert not list((folder / "tmp").iterdir())


def damage_file(entry: Path) -> None:
    content = bytearray((entry / "file").read_bytes())
    content[0] ^= 1
    (entry / "file").write_bytes(content)


def damage_record(entry: Path) -> None:
    (entry / entries.ENTRY).write_text('{"files": ')


def lose_file(entry: Path) -> None:
    (entry / "file").unlink()


@pytest.mark.parametrize("damage", [damage_file, damage_record, lose_file])
def test_a_damaged_entry_is_set_aside_with_a_warning_and_computed_again(folder, damage, capsys):
    calls = []
    provide(b"content", Path("results/a"), calls=calls)
    [entry] = entries.all_entries()
    damage(folder / entry.name)
    provide(b"content", Path("results/b"), calls=calls)
    assert len(calls) == 2
    assert Path("results/b").read_bytes() == b"content"
    assert f"{entry.name} is damaged" in capsys.readouterr().err
    assert len(entries.names_in("damaged")) == 1
    provide(b"content", Path("results/b"), calls=calls)
    assert len(calls) == 2


def test_a_result_that_was_damaged_in_the_store_is_not_read(folder):
    provide(os.urandom(entries.COPIED + 1), Path("results/a"))
    expected = entries.content(Path("results/a"))
    [entry] = entries.all_entries()
    damage_file(folder / entry.name)
    with pytest.raises(UserError, match=r"^results/a: damaged in the store and set aside; run again"):
        entries.content(Path("results/a"))
    assert not os.path.lexists("results/a")
    assert len(expected) == 64


def test_a_copied_result_that_was_damaged_is_not_read(folder):
    provide(b"whole", Path("results/a"))
    assert entries.content("results/a") == sha256_of("results/a")
    Path("results/a").write_bytes(b"who")
    with pytest.raises(
        UserError, match=r"^results/a: damaged since it was written, and set aside as .*; run"
    ):
        entries.content("results/a")
    assert not Path("results/a").exists()
    assert Path("results/a.damaged").read_bytes() == b"who"
    provide(b"another", Path("results/a"), {"a": 2})
    assert entries.content("results/a") == sha256_of("results/a")


def slow_provide(number: int) -> None:
    def compute(target: Path) -> None:
        (target / "file").write_text("first half")
        time.sleep(0.2)
        (target / "file").write_text("whole")

    entries.provide("thing", {}, compute, {"file": Path(f"results/{number}")})


def test_several_processes_at_once_share_one_entry(folder):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(slow_provide, range(4), chunksize=1)
    assert {Path(f"results/{number}").read_text() for number in range(4)} == {"whole"}
    assert len(entries.all_entries()) == 1
    assert not list((folder / "tmp").iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_disk_without_room_is_explained_in_one_line(folder, error):
    def fail(target: Path) -> None:
        raise error

    with pytest.raises(
        UserError, match=r"^store results/.store: cannot be written \(.*\); free space there, or"
    ):
        entries.obtain("thing/a", {}, fail)
    assert entries.all_entries() == []


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the tokenizer says code: 13, whatever that means"),
        ValueError("os error 28 is no number of this message"),
        ValueError("errno 30"),
    ],
)
def test_numbers_in_other_errors_messages_are_not_the_disks(folder, error):
    def fail(target: Path) -> None:
        raise error

    with pytest.raises(type(error), match=re.escape(str(error))):
        entries.obtain("thing/a", {}, fail)


def test_an_error_for_the_user_stays_as_it_is(folder):
    def fail(target: Path) -> None:
        raise UserError("corpus: the Hub says (os error 13)")

    with pytest.raises(UserError, match=r"^corpus: the Hub says \(os error 13\)$"):
        entries.obtain("thing/a", {}, fail)


def test_errors_that_are_not_the_stores_are_left_alone(folder):
    def fail(target: Path) -> None:
        Path("results/.store").touch()
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/model.safetensors")

    with pytest.raises(PermissionError, match="elsewhere"):
        entries.obtain("thing/a", {}, fail)


@pytest.fixture
def small_disk(tmp_path):
    """A mounted file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode:
        pytest.skip("no right to mount a file system here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_really_full_disk(small_disk, monkeypatch):
    monkeypatch.setenv("MEMPRUNE_STORE", str(small_disk / "store"))
    output = small_disk.parent / "a"
    output.write_text("earlier")
    big = {"a": np.zeros(10**6, np.uint8)}
    with pytest.raises(UserError, match=r"cannot be written .*No space left"):
        entries.provide("thing", {}, lambda target: save_file(big, target / "file"), {"file": output})
    assert output.read_text() == "earlier"
    with pytest.raises(UserError, match="on a full disk; allowed: a folder on a disk with room"):
        check_store(str(small_disk / "store"))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UserError, match="which is read-only; allowed"):
        check_store(str(small_disk / "store"))


def test_a_store_that_cannot_be_is_found_before_any_job(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"^store: found .*/file/store, where .*/file is no folder; allowed: a"
    ):
        check_store(str(tmp_path / "file/store"))
    check_store(str(tmp_path / "not/yet/there"))


def test_unused_entries_are_deleted_only_when_told(folder):
    provide(b"1", Path("results/a"), {"a": 1})
    provide(b"2", Path("results/b"), {"a": 2})
    provide(b"3", Path("results/c"), {"a": 3})
    Path("results/b").unlink()
    provide(b"4", Path("results/c"), {"a": 4})
    script = Path(__file__).parents[1] / "workflow_scripts/list_store.py"

    def list_store(*arguments: str) -> str:
        command = [sys.executable, script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "Used by no result: 2 entries" in list_store()
    assert "Deleted 0 entries" in list_store("--delete-unused", "0.05")
    assert len(entries.all_entries()) == 4
    unfinished = folder / "tmp/killed"
    unfinished.mkdir()
    old = time.time() - 7200
    os.utime(unfinished, (old, old))
    for entry in entries.all_entries():
        os.utime(folder / entry.name / entries.ENTRY, (old, old))
    assert "Deleted 2 entries" in list_store("--delete-unused", "0.05")
    assert {entry.name for entry in entries.all_entries()} == roots.used(entries.folder())
    assert not unfinished.exists()
    assert Path("results/a").exists()


def test_hosts_and_containers_with_one_process_id_write_files_of_their_own(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    with written_whole(tmp_path / "a") as one, written_whole(tmp_path / "a") as other:
        one.write_text("one")
        other.write_text("other")
        assert one.read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_replaced_by_an_older_one_has_another_fingerprint(folder, tmp_path):
    file, older = tmp_path / "model.safetensors", tmp_path / "backup"
    older.write_bytes(b"weights")
    os.utime(older, (10**9, 10**9))
    file.write_bytes(b"Weights")
    os.utime(file, (2 * 10**9, 2 * 10**9))
    before = fingerprint(file)
    subprocess.run(["cp", "-p", older, file], check=True)
    assert fingerprint(file) == sha256_of(older) != before
    os.utime(file, (2 * 10**9, 2 * 10**9))  # the same size, inode and time as before
    assert fingerprint(file) == sha256_of(older)


@pytest.mark.parametrize("moment", ["before", "while"])
def test_a_file_that_changes_while_it_is_used_is_an_error_that_names_it(folder, tmp_path, moment):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    contents = {file: fingerprint(file)}
    with unchanged(contents):
        pass
    if moment == "before":
        file.write_bytes(b"Weights")
    expected = pytest.raises(UserError, match=r"model.safetensors: changed since the model was described")
    with expected, unchanged(contents):
        file.write_bytes(b"Weights")
    file.unlink()
    with pytest.raises(UserError, match=r"model.safetensors: gone since"), unchanged(contents):
        pass


def test_fingerprints_are_kept_and_follow_the_content(folder, tmp_path, monkeypatch):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    first = fingerprint(file)
    monkeypatch.setattr("memprune.store.fingerprints.sha256_of", lambda path: "computed again")
    assert fingerprint(file) == first
    file.write_bytes(b"Weights")
    assert fingerprint(file) == "computed again"
    blob = tmp_path / "blobs" / ("0123456789abcdef" * 4)
    blob.parent.mkdir()
    blob.write_bytes(b"large")
    (tmp_path / "linked.safetensors").symlink_to(blob)
    assert fingerprint(tmp_path / "linked.safetensors") == blob.name


def score(plan: list[shards.Shard]) -> None:
    """Put the shards of a plan into the store."""
    for shard in plan:
        entries.obtain(shard.name, shard.determinants, lambda target: (target / "file").write_text("scores"))


def test_shards_grow_by_new_rows_alone(folder, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ROWS", 4)
    rows = [bytes([number]) for number in range(12)]

    def cut(count: int) -> list[tuple[int, int, bool]]:
        return [
            (s.rows.start, s.rows.stop, s.stored)
            for s in shards.cut_shards("scores", {"k": 50}, rows[:count])
        ]

    assert cut(6) == [(0, 4, False), (4, 6, False)]
    score(shards.cut_shards("scores", {"k": 50}, rows[:6]))
    assert cut(6) == [(0, 4, True), (4, 6, True)]
    assert cut(11) == [(0, 4, True), (4, 6, True), (6, 8, False), (8, 11, False)]
    score(shards.cut_shards("scores", {"k": 50}, rows[:11]))
    assert cut(12) == [(0, 4, True), (4, 6, True), (6, 8, True), (8, 11, True), (11, 12, False)]
    assert all(not shard.stored for shard in shards.cut_shards("scores", {"k": 100}, rows))
    assert not shards.cut_shards("scores", {"k": 50}, [b"other", *rows[1:4]])[0].stored
