"""The soak tells what is wrong: faults planted in a store, and protections removed from the project."""

import os
import shutil
from pathlib import Path

import pytest
from consistency import Damages, unrecorded, violations
from experiment_states import LIBRARY
from soak import Soak, ViolatedError
from store_entries import provide

from memprune.store import entries

STORE, RESULT, LINK = Path("results/.store"), Path("results/tiny/a.csv"), Path("results/tiny/b.csv")


@pytest.fixture
def sound(tmp_path, monkeypatch) -> Path:
    """The one entry of a store; a copy and a link are made from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMPRUNE_STORE", "")
    provide(b"1,2,3", RESULT)
    monkeypatch.setattr(entries, "COPIED", 0)
    provide(b"1,2,3", LINK)
    [entry] = entries.all_entries()
    return STORE / entry.name


def found(damages: Damages) -> list[str]:
    return violations(STORE, [path for path in (RESULT, LINK) if os.path.lexists(path)], damages)


def lose_root(entry: Path) -> None:
    for path in (STORE / "roots").iterdir():
        path.unlink()


FAULTS = {
    "truncated": lambda entry: (entry / "file").write_bytes(b"1"),
    "no record": lambda entry: (entry / entries.ENTRY).unlink(),
    "more than it records": lambda entry: (entry / "other").touch(),
    "lost": shutil.rmtree,
    "half a root": lambda entry: next((STORE / "roots").iterdir()).write_text("{"),
    "half a result": lambda entry: RESULT.write_text("1,"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_store_is_told(sound, fault):
    assert found(Damages(STORE)) == unrecorded(STORE, [RESULT, LINK]) == []
    FAULTS[fault](sound)
    assert found(Damages(STORE))


def test_damage_on_purpose_is_no_fault(sound):
    damages = Damages(STORE)
    (sound / "file").write_bytes(b"1")
    damages.note(sound / "file")
    assert found(damages) == []
    (sound / "file").write_bytes(b"12")
    assert found(damages)


def test_a_result_without_a_root_is_told(sound):
    lose_root(sound)
    assert len(unrecorded(STORE, [RESULT, LINK])) == 2


def damage_tables(soak: Soak) -> None:
    """Change numbers in the store, and have the next run take them from there."""
    for path in soak.store.glob("tables/*/*.csv"):
        path.write_text(path.read_text().replace("1", "2"))
        soak.damages.note(path)
    shutil.rmtree("results/tiny/tables")


@pytest.mark.slow
def test_a_soak_tells_a_project_that_does_not_verify_what_it_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soak = Soak(tmp_path, seed=1)
    try:
        soak.settle()
        damage_tables(soak)
        soak.settle()
        code = soak.project.folder / LIBRARY / "store/entries.py"
        protection = "    if not damaged:\n"
        assert code.read_text().count(protection) == 1
        code.write_text(code.read_text().replace(protection, "    if True:\n"))
        damage_tables(soak)
        with pytest.raises(ViolatedError):
            soak.settle()
    finally:
        soak.close()
